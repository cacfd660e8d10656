"""Kill -9 at random moments: what was receipted is at the center, once, in its chain.

Four runs: slow and fast readers, with the remote up (broker and center killed among the kills) and down
(everything drains at the end). Judged by the receipt channel and by a verifier that shares no code
with the product. Control: a gateway that writes its receipts before COMMIT must be found out.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, crowd, drained, form, rated, weighed
from tests.e2e.bench_center import Center, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=180, long=3600))]

KILLS = form(ci=10, long=250)  # in each of the four runs
EARLY_RECEIPTS = ("-m", "tests.drills.early_receipts")


@dataclass(frozen=True, slots=True)
class Pace:
    """Readers on ptys with a pause between two people, or a device that hands over cards at a rate."""

    readers: int = 0
    pause_s: float = 0.0
    per_s: int = 0

    @property
    def device_config(self) -> str:
        return rated(self.per_s) if self.per_s else ""


PACES = {"20 per s": Pace(readers=4, pause_s=0.1), "200 per s": Pace(per_s=200)}


@dataclass(slots=True)
class Run:
    """Kill after kill, and how fast events came meanwhile."""

    bench: Center
    rng: random.Random
    kills: int = 0
    fastest_per_s: float = 0.0

    async def kill_once(self, *program: str, receipts: int = 1) -> None:
        """Start, wait for events, kill at a random moment: in a commit, in a send, in a settling."""
        before = len(self.bench.receipts())
        self.bench.start_gateway(*program)
        await self.bench.until(lambda: len(self.bench.receipts()) > before + receipts, "events")
        since, count = time.monotonic(), len(self.bench.receipts())
        await asyncio.sleep(self.rng.uniform(0, 0.7))
        self.bench.kill_gateway()
        took, came = time.monotonic() - since, len(self.bench.receipts()) - count
        if took > 0.3:
            self.fastest_per_s = max(self.fastest_per_s, came / took)
        self.kills += 1


@pytest.mark.parametrize("remote", ["up", "down"])
@pytest.mark.parametrize("pace", PACES)
async def test_nothing_receipted_is_lost_doubled_or_altered(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], pace: str, remote: str
) -> None:
    speed = PACES[pace]
    with center(tmp_path, mosquitto, readers=speed.readers, device_config=speed.device_config) as bench:
        run = Run(bench, random.Random(f"{pace} {remote}"))
        if remote == "down":
            bench.broker.stop()
        else:
            bench.start_receiver()
        with crowd(bench, pause_s=speed.pause_s):
            for kill in range(KILLS):
                await run.kill_once(*RATED)
                if remote == "up" and kill % 5 == 2:
                    bench.broker.kill()
                    bench.broker.start()
                if remote == "up" and kill % 7 == 4:
                    bench.stop_receiver(kill=True)
                    bench.start_receiver()
        if remote == "down":
            bench.broker.start()
            bench.start_receiver()
        await drained(bench)
        result = weighed(bench)
        tell(f"kills {run.kills}, reached {run.fastest_per_s:.0f} events/s, {result}")
        assert result.faults == []
        assert len(result.last) == 1, "one boot, one epoch"
        assert result.receipts > 2 * KILLS


async def test_the_drill_notices_receipts_written_too_early(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=8) as bench:
        run = Run(bench, random.Random(2))
        bench.start_receiver()
        with crowd(bench):
            for _ in range(5):
                await run.kill_once(*EARLY_RECEIPTS)
        await drained(bench)
        result = weighed(bench)
        tell(f"control, must lose: kills {run.kills}, {result}")
        assert result.lost
