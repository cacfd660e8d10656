"""SIGTERM under load: exit 0 in less than 5 s, nothing lost, and the next boot goes on in the same epoch.

Stopped with the remote there, gone, and silent (a line on which nothing passes). Control: a gateway
that does not hear SIGTERM must be found out.
"""

import asyncio
import random
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, drained, form, rated, weighed
from tests.drills.line import Line
from tests.e2e.bench_center import Center, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=90, long=900))]

DEAF = ("-m", "tests.drills.deaf_gateway")
STOPS = form(ci=2, long=20)  # with each remote
IN_TIME_S = 5.0


def nothing() -> None:
    """The line stays as it is."""


async def stop_under_load(
    bench: Center, *program: str, luck: random.Random, before: Callable[[], None] = nothing
) -> float:
    """One boot: start, take events, SIGTERM at a random moment. How long the end took; its code must be 0."""
    bench.env["ZHIJIAO_BOOT_ID"] = uuid.UUID(int=luck.getrandbits(128)).hex
    known = len(bench.receipts())
    bench.start_gateway(*program)
    await bench.until(lambda: len(bench.receipts()) > known + 50, "events")
    before()
    await asyncio.sleep(luck.uniform(0, 0.4))
    began = time.monotonic()
    # On a thread: the line's bytes must pass while the gateway says goodbye.
    code = await asyncio.to_thread(bench.stop_gateway, IN_TIME_S + 1)
    assert code == 0
    return time.monotonic() - began


@pytest.mark.parametrize("remote", ["there", "gone", "silent"])
async def test_a_stop_under_load_is_quick_and_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], remote: str
) -> None:
    luck = random.Random(remote)
    with (
        Line(mosquitto.port) as line,
        center(tmp_path, mosquitto, readers=0, uplink_port=line.port, device_config=rated(200)) as bench,
    ):
        bench.start_receiver()
        slowest = 0.0
        for _ in range(STOPS):
            line.heal()
            disturb = {"there": nothing, "gone": line.cut, "silent": line.silence}[remote]
            slowest = max(slowest, await stop_under_load(bench, *RATED, luck=luck, before=disturb))
        line.heal()
        await drained(bench)
        result = weighed(bench)
        tell(f"stops {STOPS}, slowest {slowest:.1f} s, {result}")
        assert result.faults == []
        assert len(result.last) == 1, "after a clean stop the next boot goes on in the epoch"
        assert slowest < IN_TIME_S


async def test_the_drill_notices_a_gateway_that_does_not_stop(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(200)) as bench:
        with pytest.raises(subprocess.TimeoutExpired):
            await stop_under_load(bench, *DEAF, luck=random.Random(1))
        tell("control, must not stop in time: it did not")
