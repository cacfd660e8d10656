"""Power cuts: what was receipted before each cut is at the center, each cut opens an epoch, nothing is settled twice.

The gateway's state lies on a disk that keeps only what was fsynced (`disk`); receipts and center lie
outside. At a random moment the power goes, the gateway is killed, what survived is mounted and the
gateway starts in another boot. Control: with synchronous=OFF the same drill must lose.
"""

import asyncio
import random
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, drained, form, rated, require_root_and, weighed
from tests.drills.power import PowerDisk, power_disk
from tests.e2e.bench_center import Center, center, stored_events

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=150, long=900))]

CUTS = form(ci=6, long=40)
CARELESS = ("-m", "tests.drills.careless_gateway")


async def power_goes(
    bench: Center, disk: PowerDisk, rng: random.Random, *, program: tuple[str, ...], how: str
) -> None:
    """One boot: start, take events, lose the power at a random moment."""
    bench.env["ZHIJIAO_BOOT_ID"] = uuid.UUID(int=rng.getrandbits(128)).hex
    before = len(bench.receipts())
    bench.start_gateway(*program)
    await bench.until(lambda: len(bench.receipts()) > before + 20, "events")
    await asyncio.sleep(rng.uniform(0, 0.8))
    disk.cut(how, rng.random())
    bench.kill_gateway()
    disk.power_off()
    disk.power_on()


async def last_boot(bench: Center, rng: random.Random) -> None:
    """Take a few more events, then let everything arrive."""
    bench.env["ZHIJIAO_BOOT_ID"] = uuid.UUID(int=rng.getrandbits(128)).hex
    before = len(bench.receipts())
    bench.start_gateway(*RATED)
    await bench.until(lambda: len(bench.receipts()) > before + 5, "events after the last cut")
    await drained(bench)


@pytest.mark.parametrize("how", ["drop", "torn"])
async def test_no_receipted_event_is_lost_at_a_power_cut(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], how: str
) -> None:
    require_root_and("/dev/fuse")
    rng = random.Random(how)
    cuts = CUTS // 2
    with (
        power_disk(tmp_path) as disk,
        center(tmp_path, mosquitto, readers=0, state_dir=disk.mount, device_config=rated(60)) as bench,
    ):
        bench.start_receiver()
        for _ in range(cuts):
            await power_goes(bench, disk, rng, program=RATED, how=how)
        await last_boot(bench, rng)
        result = weighed(bench)
        damaged = bench.log_text("gateway").count("store was damaged")
        tell(f"cuts {cuts} ({how}), salvages {damaged}, {result}")
        assert result.faults == []
        assert len(result.last) == cuts + 1, "every cut opens an epoch"
        assert damaged == 0, "a power cut alone damages no store"
        opened = stored_events(bench.db, "SELECT wire FROM event WHERE type LIKE '%epoch_opened'")
        reasons = [b'"reason":"unclean_boot"' in bytes(row["wire"]) for row in opened]  # type: ignore[call-overload]
        assert sum(reasons) == cuts


async def test_the_drill_notices_a_store_without_syncs(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    require_root_and("/dev/fuse")
    rng = random.Random(3)
    mosquitto.stop()  # what was forwarded before the cut would hide the loss
    with (
        power_disk(tmp_path) as disk,
        center(tmp_path, mosquitto, readers=0, state_dir=disk.mount, device_config=rated(60)) as bench,
    ):
        for _ in range(2):
            await power_goes(bench, disk, rng, program=CARELESS, how="drop")
        mosquitto.start()
        bench.start_receiver()
        await last_boot(bench, rng)
        result = weighed(bench)
        tell(f"control, must lose: cuts 2, {result}")
        assert result.lost
