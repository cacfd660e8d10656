"""An outage of seven days: the whole backlog reaches the center, in flat memory, without flooding it.

The backlog is made by `bulk` (the gateway's own library on a clock that runs through the days); then the
real gateway drains it with the drain cap off. In the middle of the drain somebody checks in, again and
again: each check-in is at the center in less than a second. Control: a gateway without lanes, whose
check-ins wait behind the backlog, must be found out.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, backlog, form, rated, weighed
from tests.e2e.bench_center import Center, center, stored_events

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=240, long=5400))]

NO_LANES = ("-m", "tests.drills.laneless_gateway")
EVENTS = form(ci=50_000, long=1_000_000)
CHECK_INS = 5
IN_TIME_S = 1.0
FLAT_MIB = 10.0
CHECKED = b'"type": "checkin.completed"'


@dataclass(slots=True)
class Drain:
    """What was seen while the backlog drained."""

    took_s: float = 0.0
    memory_mib: list[float] = field(default_factory=list)
    check_ins_s: list[float] = field(default_factory=list)


def pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no Pss in smaps_rollup")


async def drain(bench: Center, *program: str, until: Callable[[], bool]) -> Drain:
    """Let it drain; memory each half second, a check-in at each tenth of the way."""
    seen = Drain()
    bench.start_receiver()
    bench.start_gateway(*program)
    assert bench.gateway is not None
    everything = bench.waiting()
    await bench.until(lambda: bench.waiting() < everything - 500, "the drain to begin", 90)
    began = time.monotonic()
    while not until():
        seen.memory_mib.append(pss_mib(bench.gateway.pid))
        if len(seen.check_ins_s) < CHECK_INS:
            seen.check_ins_s.append(await check_in(bench))
        await asyncio.sleep(0.5)
    seen.took_s = time.monotonic() - began
    return seen


async def check_in(bench: Center) -> float:
    """From the signal to the center's line about it, which it prints after its commit."""
    assert bench.gateway is not None
    with bench.log("receiver").open("rb") as log:
        log.seek(0, 2)
        began = time.monotonic()
        bench.gateway.send_signal(signal.SIGUSR1)
        said = b""
        while CHECKED not in said:
            assert time.monotonic() - began < 60, "the check-in is not at the center after 60 s"
            await asyncio.sleep(0.01)
            said = said[-len(CHECKED) :] + log.read()
    return time.monotonic() - began


async def test_a_backlog_of_days_drains_flat_and_check_ins_overtake_it(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(0)) as bench:
        backlog(bench, EVENTS)
        seen = await drain(bench, *RATED, until=lambda: bench.waiting() == 0)
        assert bench.stop_gateway() == 0
        result = weighed(bench, every=form(ci=20, long=100))
        copies = stored_events(
            bench.db, "SELECT coalesce(sum(n), 0) AS n FROM tally WHERE name = 'duplicates'"
        )
        sent = result.events + int(str(copies[0]["n"]))
        steady = seen.memory_mib[len(seen.memory_mib) // 10 :]
        tell(
            f"backlog {EVENTS}, drained at {EVENTS / seen.took_s:.0f}/s, memory {min(steady):.1f} to "
            f"{max(steady):.1f} MiB, check-ins after {', '.join(f'{s:.2f}' for s in seen.check_ins_s)} s, "
            f"messages {sent}, {result}"
        )
        assert result.faults == []
        assert max(steady) - min(steady) <= 2 * FLAT_MIB
        assert max(seen.check_ins_s) < IN_TIME_S
        assert sent <= 1.1 * result.events


async def test_the_drill_notices_check_ins_that_wait_behind_the_backlog(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(0)) as bench:
        backlog(bench, 12_000)
        seen = await drain(bench, *NO_LANES, until=lambda: bench.waiting() < 6000)
        tell(f"control, must be late: check-ins after {', '.join(f'{s:.2f}' for s in seen.check_ins_s)} s")
        assert max(seen.check_ins_s) > IN_TIME_S
