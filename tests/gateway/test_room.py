"""When room runs out: low classes go first, check-ins last, settling always; and it comes back by itself."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.store.opening import StoreSettings
from gateway.store.room import MIB, Level, Room
from gateway.store.store import Store, open_store
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER, draft, running_store
from tests.gateway.test_store import assert_chained, events


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Somebody else's file takes the disk but for `leave` bytes."""
    path = folder / "others"
    stat = os.statvfs(folder)
    with path.open("ab") as file:
        size = stat.f_bavail * stat.f_frsize - leave
        if size > 0:
            file.write(bytes(size))
    return path


def test_the_reserve_is_given_up_in_two_parts_and_made_whole_again(small_disk: Path) -> None:
    room = Room(small_disk, quota=None, reserve=2 * MIB)
    room.begin()
    assert room.look(0) is Level.NORMAL
    assert room.held == (small_disk / "reserve").stat().st_blocks * 512 == 2 * MIB, "real blocks, not a hole"
    others = fill(small_disk, MIB)
    assert room.look(0) is Level.THIN
    fill(small_disk, 100_000)
    assert room.look(0) is Level.ESSENTIAL
    assert room.held == 2 * MIB // 8
    fill(small_disk, 100_000)
    assert room.look(0) is Level.SETTLE
    assert room.held == 2 * MIB // 8, "the last part stays for settling"
    assert room.squeeze()
    assert (room.held, room.level) == (0, Level.SETTLE)
    assert not room.squeeze(), "there is no more to give"
    others.unlink()
    assert room.look(0) is Level.NORMAL
    assert room.held == 2 * MIB


def test_a_reserve_never_takes_more_than_a_quarter_of_what_is_free(small_disk: Path) -> None:
    room = Room(small_disk, quota=None, reserve=None)
    room.begin()
    assert 3 * MIB < room.held <= 4 * MIB
    again = Room(small_disk, quota=None, reserve=None)
    again.begin()
    assert again.held == room.held, "a restart takes it up as it is"


async def test_on_a_full_disk_check_ins_are_taken_longer_than_positions_and_settling_always_works(
    small_disk: Path,
) -> None:
    clock, path = ManualClock(), small_disk / "s.db"
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now()) for _ in range(200)], clock.now())
        others = fill(small_disk, 0)
        taken = await until_refused(store, clock, "tracker.fix")
        assert taken.code == "degraded"
        await store.append([draft(clock.now(), "checkin.completed")], clock.now())
        refused = await until_refused(store, clock, "checkin.completed")
        assert refused.code == "store_full"
        assert await store.settle([(1, 100)]) == 100, "acks settle on a full disk"
        assert await store.after(1, 0, 10), "and what waits can be read"
        others.unlink()
        await store.levels()
        await store.append([draft(clock.now(), "tracker.fix")], clock.now())
    assert_chained(events(path))


async def until_refused(store: Store, clock: ManualClock, kind: str) -> StoreRefused:
    for _ in range(4000):
        try:
            await store.append([draft(clock.now(), kind, text="x" * 4000)], clock.now())
        except StoreRefused as refused:
            return refused
    raise AssertionError("nothing was refused")


async def test_a_gateway_starts_on_a_disk_that_is_full(small_disk: Path) -> None:
    clock, path = ManualClock(), small_disk / "s.db"
    async with running_store(path, clock, clean=False) as store:
        await store.append([draft(clock.now()) for _ in range(200)], clock.now())
    fill(small_disk, 0)
    clock.boot_id = "b" * 32
    async with running_store(path, clock) as store:
        assert store.tail.seq == 1, "the opening got in"
        assert await store.settle([(1, 100)]) == 100
    async with running_store(path, clock) as store:
        assert store.waiting == 102


async def test_the_store_says_which_disk_it_could_not_open(tmp_path: Path) -> None:
    folder = tmp_path / "a file"
    folder.write_text("not a folder")
    settings = StoreSettings(path=folder / "s.db", org=ORG, gateway=GATEWAY)
    with pytest.raises(StoreRefused, match="service user must own"):
        await asyncio.wait_for(open_store(settings, SIGNER, ManualClock().now()), 5)
