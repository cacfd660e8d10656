"""The reserve over restarts and refusals; a full disk, a damaged store on it, and a clock nobody vouches for."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from gateway.clock import ClockQuality, ManualClock
from gateway.errors import StoreRefused
from gateway.store.room import MIB, Level, Room
from tests.gateway.store_fixtures import draft, running_store
from tests.gateway.test_room import fill, small_disk

__all__ = ["small_disk"]
DAY_MS = 24 * 3600 * 1000


def test_a_restart_on_a_disk_that_runs_out_keeps_the_last_part_for_settling(small_disk: Path) -> None:
    room = Room(small_disk, quota=None, reserve=2 * MIB)
    room.begin()
    fill(small_disk, 100_000)
    room.look(0)
    fill(small_disk, 100_000)
    assert room.look(0) is Level.SETTLE
    held = room.held
    again = Room(small_disk, quota=None, reserve=2 * MIB)
    again.begin()
    level = again.look(0)
    assert (level, again.held) == (Level.SETTLE, held), f"after a restart: {level.name}, {again.held} held"


def test_a_reserve_that_cannot_be_cut_is_not_given_up_for_ever(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems need room to cut a file; a foreign owner forbids it."""
    room = Room(small_disk, quota=None, reserve=2 * MIB)
    room.begin()

    def refuses(*_: object) -> None:
        raise OSError(errno.ENOSPC, "injected")

    monkeypatch.setattr(os, "ftruncate", refuses)
    given = sum(room.squeeze() for _ in range(100))
    assert given <= 2, f"{given} times in a row it said that there is more room"


async def test_an_append_is_refused_where_the_reserve_cannot_be_cut(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, path = ManualClock(), small_disk / "s.db"
    async with running_store(path, clock, clean=False) as store:

        def refuses(*_: object) -> None:
            raise OSError(errno.ENOSPC, "injected")

        monkeypatch.setattr(os, "ftruncate", refuses)
        fill(small_disk, 0)
        told = ""
        for _ in range(300):
            try:
                await store.append([draft(clock.now(), pad="x" * 20000)], clock.now())
            except (StoreRefused, RecursionError) as exc:
                told = type(exc).__name__
                break
        assert told == "StoreRefused", told


async def test_a_store_starts_on_a_disk_with_no_byte_left(small_disk: Path) -> None:
    clock, path = ManualClock(), small_disk / "s.db"
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now())], clock.now())
    assert (small_disk / "reserve").stat().st_size == MIB
    fill(small_disk, 0)
    clock.boot_id = "b" * 32
    async with running_store(path, clock) as store:
        await store.settle([(1, 2)])


async def test_a_store_starts_after_its_quota_was_lowered(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "s.db"
    async with running_store(path, clock, clean=False) as store:
        await store.append([draft(clock.now(), pad="x" * 20000) for _ in range(300)], clock.now())
    clock.boot_id = "b" * 32
    async with running_store(path, clock, max_mib=4) as store:
        assert store.tail.seq >= 1


async def test_a_damaged_store_that_has_no_room_beside_it_does_not_stop_the_center(small_disk: Path) -> None:
    clock, path = ManualClock(), small_disk / "s.db"
    async with running_store(path, clock) as store:
        for _ in range(10):
            await store.append([draft(clock.now(), pad="x" * 20000) for _ in range(45)], clock.now())
    assert path.stat().st_size > 8 * MIB
    with sqlite3.connect(path) as db:
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n = (SELECT max(n) FROM event)")
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now())], clock.now())


async def test_a_clock_that_steps_back_for_a_moment_makes_nothing_old(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now()) for _ in range(20)], clock.now())
        await store.settle([(1, 20)])
        now = clock.now().wall_ms
        assert await store.purge(now) == 0
        assert await store.purge(now - 365 * DAY_MS) == 0, (
            "the clock was set wrong, and right again a minute later"
        )
        assert await store.purge(now) == 0, "all of it is of today"


async def test_settled_events_go_without_a_trusted_clock_when_room_is_scarce(tmp_path: Path) -> None:
    """docs/decisions/0010: without a trusted clock nothing is purged *until room gets scarce*."""
    import asyncio

    from gateway.care import Caretaker

    clock = ManualClock(quality=ClockQuality.UNSYNCED, wall_ms=50_000)
    async with running_store(tmp_path / "s.db", clock, max_mib=4) as store:
        for _ in range(30):
            await store.append([draft(clock.now(), pad="x" * 20000) for _ in range(5)], clock.now())
        await store.settle([(1, 151)])
        await store.levels()
        assert store.level >= Level.THIN
        care = object.__new__(Caretaker)
        care._store, care._clock = store, clock
        task = asyncio.create_task(care._keep_retention())
        await asyncio.sleep(1)
        task.cancel()
        left = await store.read(lambda box: box._execute("SELECT count(*) FROM event").fetchone()[0])
        assert left < 151, f"{left} settled events stay while room runs out"
