"""Takes up a new event key in one box after another, each killed at another step.

    python dying_rotation.py FOLDER COUNT      the box of step n is FOLDER/n, made by the test

Box n dies at its n-th step: a call that makes a file durable or visible, or the begin or end of what is done
with the store. One that lives to its end writes `lived`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway import rotating
from gateway.clock import SystemClock
from gateway.config import load_without_files
from gateway.store.opening import StoreSettings
from gateway.store.store import Store

OS_STEPS = ("fsync", "rename", "replace", "symlink")
STORE_STEPS = ("start", "append", "close")


def die_at(step: int) -> None:
    left = step

    def one_less() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            one_less()
            return real(*args, **kwargs)

        return call

    def counted_twice(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            one_less()
            done = await real(*args, **kwargs)
            one_less()
            return done

        return call

    for name in OS_STEPS:
        setattr(os, name, counted(getattr(os, name)))
    for name in STORE_STEPS:
        setattr(Store, name, counted_twice(getattr(Store, name)))


def settings_of(state_dir: Path, gateway: str) -> StoreSettings:
    return StoreSettings(
        path=state_dir / "events.db", org=gateway[3:9], gateway=gateway, max_mib=None, reserve_mib=8
    )


async def take_up(config_file: Path) -> str:
    """As a start does it; the kid that signs from now on."""
    config = load_without_files(config_file)
    settings = settings_of(config.gateway.state_dir, config.gateway.id)
    now = await rotating.take_up(config, settings, SystemClock().now())
    return now.keys.event_kid


def main(folder: Path, count: int) -> None:
    for number in range(count):
        box = folder / str(number)
        child = os.fork()
        if child == 0:
            die_at(number)
            asyncio.run(take_up(box / "zhijiao.toml"))
            (box / "lived").touch()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
