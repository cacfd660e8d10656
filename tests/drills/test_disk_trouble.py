"""A disk that is full, read-only or broken: a clear refusal, no receipt, no end of the process, recovery by itself.

While the trouble lasts the store takes nothing and says so once; when it is over, events are taken
again without anybody's hand, and everything that was receipted before, between and after is at the
center. Control: a gateway that writes receipts before COMMIT must be found out.
"""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, backlog, drained, form, rated, require_root_and, weighed
from tests.drills.power import power_disk
from tests.e2e.bench_center import Center, center
from tests.e2e.test_troubles import said

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=90, long=600))]

HURRIED = ("-m", "tests.drills.hurried_gateway")
QUOTA_MIB = 8
BACKLOG = 880 * QUOTA_MIB  # events of about 1 KiB each: nearly all of it
EARLY_RECEIPTS = ("-m", "tests.drills.early_receipts")
# How long the trouble lasts after it was said: less than the minute in which retention, short of room,
# gives up settled events and the full disk takes new ones again.
HOLD_S = form(ci=1.5, long=45.0)
TMPFS_MIB = 24
WITH_RESERVE_MIB = 320  # room for the reserve of a store and a little more


@dataclass(frozen=True, slots=True)
class Trouble:
    """Where the state lies, how to break it and how to mend it."""

    state: Path
    begin: Callable[[], None]
    end: Callable[[], None]
    code: str


@contextmanager
def full_disk(folder: Path, mib: int = TMPFS_MIB) -> Iterator[Trouble]:
    """A small tmpfs, filled to the last byte by somebody else's file."""
    mount = folder / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "drill", mount], check=True)
    filler = mount / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    try:
        yield Trouble(mount, fill, filler.unlink, "store_full")
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


@contextmanager
def failing_disk(folder: Path, what: str, how: str, code: str) -> Iterator[Trouble]:
    """The drills' own disk, told to fail."""
    with power_disk(folder) as disk:
        yield Trouble(disk.mount, lambda: disk.tell(f"fail {what} {how}"), lambda: disk.tell("heal"), code)


TROUBLES: dict[str, Callable[[Path], contextlib.AbstractContextManager[Trouble]]] = {
    "full": full_disk,
    # Gone read-only under open files, as ext4 does after an error: SQLite only sees writes that fail.
    "read-only": lambda folder: failing_disk(folder, "write", "EROFS", "store_io"),
    "writes fail": lambda folder: failing_disk(folder, "write", "EIO", "store_io"),
    "syncs fail": lambda folder: failing_disk(folder, "sync", "EIO", "store_io"),
    "syncs fail and forget": lambda folder: failing_disk(folder, "forget", "EIO", "store_io"),
}


async def troubled(bench: Center, trouble: Trouble, program: tuple[str, ...] = RATED) -> tuple[int, int]:
    """Good times, trouble, good times. Receipts between the trouble and the refusal, and after the refusal."""
    bench.start_receiver()
    bench.start_gateway(*program)
    await bench.until(lambda: len(bench.receipts()) > 30, "events")
    trouble.begin()
    began = len(bench.receipts())
    await bench.until(lambda: bool(said(bench, "store takes no events")), "the refusal", 60)
    during = len(bench.receipts())
    await asyncio.sleep(HOLD_S)
    between = len(bench.receipts()) - during
    trouble.end()
    before = len(bench.receipts())
    await bench.until(lambda: len(bench.receipts()) > before + 30, "events again", 60)
    return during - began, between


@pytest.mark.parametrize("kind", TROUBLES)
async def test_a_disk_in_trouble_refuses_and_recovers(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], kind: str
) -> None:
    require_root_and("/dev/fuse")
    with (
        TROUBLES[kind](tmp_path) as trouble,
        center(tmp_path, mosquitto, readers=0, state_dir=trouble.state, device_config=rated(50)) as bench,
    ):
        reserved, between = await troubled(bench, trouble)
        refusals = said(bench, "store takes no events")
        await drained(bench)
        result = weighed(bench)
        tell(
            f"into the reserve {reserved}, refusals said {len(refusals)}, receipts after that {between}, {result}"
        )
        assert between == 0
        assert kind != "full" or reserved > 200, "check-ins go into the reserve first"
        assert [line["code"] for line in refusals] == [trouble.code], "said once, with its code"
        assert said(bench, "store takes events again")
        assert result.faults == []
        assert len(result.last) == 1, "trouble is not damage: the epoch goes on"
        assert "Traceback" not in bench.log_text("gateway")


async def test_a_full_disk_still_settles_what_waits(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    require_root_and()
    with (
        full_disk(tmp_path, WITH_RESERVE_MIB) as trouble,
        center(tmp_path, mosquitto, readers=0, state_dir=trouble.state, device_config=rated(50)) as bench,
    ):
        bench.start_receiver()
        bench.start_gateway(*RATED)
        await bench.until(lambda: len(bench.receipts()) > 10, "events")
        bench.stop_receiver(kill=True)  # what comes now waits, here and in the broker's queue for the center
        before = len(bench.receipts())
        await bench.until(lambda: len(bench.receipts()) > before + 50, "events that wait")
        trouble.begin()
        await asyncio.sleep(HOLD_S)
        waiting = bench.waiting()
        bench.start_receiver()
        await bench.until(lambda: bench.waiting() < waiting // 2, "settling on a full disk")
        trouble.end()
        await drained(bench)
        result = weighed(bench)
        tell(f"waiting on the full disk {waiting}, {result}")
        assert result.faults == []


async def test_a_quota_full_of_waiting_events_refuses_and_drops_none(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    mosquitto.stop()
    with quota_reached(tmp_path, mosquitto, "synced") as bench:
        bench.start_gateway(*HURRIED)
        await bench.until(lambda: bool(said(bench, "store takes no events", code="store_full")), "a refusal")
        await asyncio.sleep(2 * HOLD_S)  # retention looks, and must find nothing to take
        waiting = bench.waiting()
        assert bench.stop_gateway() == 0
        tell(f"receipts {len(bench.receipts())}, waiting {waiting}")
        assert waiting >= BACKLOG
        assert bench.waiting() == len(bench.receipts())


@pytest.mark.parametrize("clock", ["synced", "unsynced"])
async def test_a_quota_full_of_settled_events_makes_room_by_itself(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], clock: str
) -> None:
    """Settled events go before their time when the quota is near, whatever the clock says."""
    mosquitto.stop()
    with quota_reached(tmp_path, mosquitto, clock, settled=True) as bench:
        bench.start_gateway(*HURRIED)
        room = 1500  # more than was left below the quota
        await bench.until(lambda: len(bench.receipts()) > BACKLOG + room, "room for events", 25)
        assert bench.stop_gateway() == 0
        tell(f"receipts {len(bench.receipts())}, waiting {bench.waiting()}")


@contextmanager
def quota_reached(folder: Path, broker: Mosquitto, clock: str, *, settled: bool = False) -> Iterator[Center]:
    """A gateway about to start whose store is nearly as large as it may be."""
    config = f"max_mib = {QUOTA_MIB}"
    with center(folder, broker, readers=0, store_config=config, device_config=rated(30)) as bench:
        backlog(bench, BACKLOG, settled=settled)
        bench.env["ZHIJIAO_DRILL_HURRY"] = "6"  # retention looks once a minute
        bench.env["ZHIJIAO_DRILL_CLOCK"] = clock
        yield bench


async def test_what_is_receipted_after_a_forgotten_sync_survives_a_power_cut(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    """A failed fsync forgets pages that still read as written; the next commit must not rest on them."""
    require_root_and("/dev/fuse")
    mosquitto.stop()
    with (
        power_disk(tmp_path) as disk,
        center(tmp_path, mosquitto, readers=0, state_dir=disk.mount, device_config=rated(50)) as bench,
    ):
        bench.start_gateway(*RATED)
        await bench.until(lambda: len(bench.receipts()) > 30, "events")
        disk.tell("fail forget EIO")
        await bench.until(lambda: bool(said(bench, "store takes no events")), "the refusal", 30)
        disk.tell("heal")
        before = len(bench.receipts())
        await bench.until(lambda: len(bench.receipts()) > before + 30, "events again", 60)
        disk.cut("drop", 1)
        bench.kill_gateway()
        disk.power_off()
        disk.power_on()
        bench.env["ZHIJIAO_BOOT_ID"] = "5" * 32
        mosquitto.start()
        bench.start_receiver()
        await drained(bench)
        result = weighed(bench)
        tell(str(result))
        assert result.faults == []


async def test_the_drill_notices_receipts_for_what_was_refused(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    require_root_and("/dev/fuse")
    with (
        TROUBLES["writes fail"](tmp_path) as trouble,
        center(tmp_path, mosquitto, readers=0, state_dir=trouble.state, device_config=rated(50)) as bench,
    ):
        _, between = await troubled(bench, trouble, EARLY_RECEIPTS)
        await drained(bench)
        result = weighed(bench)
        tell(f"control, must lose: receipts in the trouble {between}, {result}")
        assert result.lost
