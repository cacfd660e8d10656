"""Enrols one box after another, each killed with SIGKILL at another of its durable steps.

    python dying_box.py FOLDER CODES      CODES: a file, one enrolment code a line; the box of line n is FOLDER/n

Box n dies at its n-th call that makes something durable or visible (fsync, rename, symlink). One that lives to
its end writes `lived`. Forked, so that only the first one pays for the imports.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.provisioning import EnrolmentRequest, enroll

STEPS = ("fsync", "rename", "replace", "symlink")


def die_at(step: int) -> None:
    left = step

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def main(folder: Path, codes: list[str]) -> None:
    for number, code in enumerate(codes):
        box = folder / str(number)
        box.mkdir()
        child = os.fork()
        if child == 0:
            die_at(number)
            asyncio.run(enroll(EnrolmentRequest(code=code, state_dir=box)))
            (box / "lived").touch()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).read_text().splitlines())
