"""Memory and disk move on together, whatever fails after COMMIT; a refusal never hangs or ends the process."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.store import retention
from gateway.store import store as store_module
from gateway.store.database import StoreDamaged
from gateway.store.outbox import Outbox
from gateway.store.tail import Committed, Row
from tests.gateway.store_fixtures import draft, running_store


def io_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("injected")
    error.sqlite_errorcode, error.sqlite_errorname = code, "injected"
    return error


def ids_on_disk(box: Outbox) -> list[str]:

    return [json.loads(wire)["id"] for _, wire, _ in box.recent(100)]


async def test_a_disk_that_fails_right_after_commit_places_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After COMMIT the level of room is read from the file; that read may meet the same bad card."""
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        told: list[int] = []
        store.on_commit(lambda _s, events, _rows: told.extend(e.n for e in events))
        real, calls = retention.used_pages, 0

        def once(database: object) -> int:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise io_error(sqlite3.SQLITE_IOERR)
            return real(database)  # type: ignore[arg-type]

        store._looked_s = 0.0  # a look is due
        monkeypatch.setattr(store_module, "used_pages", once)
        one = draft(clock.now())
        try:
            committed = await store.append([one], clock.now())
        except StoreRefused:
            committed = []
        on_disk = await store.read(ids_on_disk)
        count = on_disk.count(one.id)
        assert count == len(committed), f"told {len(committed)} on disk {count}"
        assert len(told) == count, f"listener told {len(told)}, on disk {count}"


async def test_a_batch_that_meets_a_torn_page_right_after_commit_places_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        told: list[int] = []
        store.on_commit(lambda _s, events, _rows: told.extend(e.n for e in events))
        real = Outbox.lowest_waiting
        calls = 0

        def torn(self: Outbox, first: int, last: int) -> int | None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise io_error(sqlite3.SQLITE_IOERR)
            return real(self, first, last)

        store._settled_since, store._testified_s = True, 0.0
        monkeypatch.setattr(Outbox, "lowest_waiting", torn)
        drafts = [draft(clock.now(), i=i) for i in range(3)]
        await asyncio.gather(*(store.append([d], clock.now()) for d in drafts), return_exceptions=True)
        on_disk = await store.read(ids_on_disk)
        assert {on_disk.count(d.id) for d in drafts} == {1}, [on_disk.count(d.id) for d in drafts]


async def test_a_listener_that_fails_leaves_nobody_waiting_for_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:

        def fails(_seconds: float, _events: Sequence[Committed], _rows: Sequence[Row]) -> None:
            raise BrokenPipeError("whoever watched went away")

        store.on_commit(fails)
        async with asyncio.timeout(3):
            await store.append([draft(clock.now())], clock.now())


async def test_cancelling_the_caller_does_not_undo_the_job(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        told: list[int] = []
        store.on_commit(lambda _s, events, _rows: told.extend(e.n for e in events))
        one, before = draft(clock.now()), store.tail.next_n
        appending = asyncio.create_task(store.append([one], clock.now()))
        await asyncio.sleep(0)  # the job is with the thread
        appending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await appending
        (after,) = await store.append([draft(clock.now())], clock.now())
        assert (await store.read(ids_on_disk))[:2] == [after.id, one.id]
        assert told == [before, before + 1]


async def test_a_job_that_fails_for_a_cancelled_caller_stops_nobody_else(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:

        def fails(_box: Outbox) -> None:
            raise LookupError("nobody hears of it")

        running = asyncio.create_task(store.run(fails))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert len(await store.append([draft(clock.now())], clock.now())) == 1


async def test_a_held_lock_refuses_in_bounded_time(tmp_path: Path) -> None:
    """Each job of a refused batch waits out the busy timeout again; the watchdog allows 30 s."""
    clock, path = ManualClock(), tmp_path / "s.db"
    async with running_store(path, clock) as store:
        await store.run(lambda box: box._execute("PRAGMA busy_timeout = 200") is None)
        holder = sqlite3.connect(path, isolation_level=None)
        await asyncio.sleep(0)
        holder.execute("BEGIN IMMEDIATE")
        try:
            began = time.monotonic()
            results = await asyncio.gather(
                *(store.append([draft(clock.now())], clock.now()) for _ in range(20)), return_exceptions=True
            )
            took = time.monotonic() - began
        finally:
            holder.execute("ROLLBACK")
            holder.close()
        assert all(isinstance(r, StoreRefused) for r in results)
        assert took < 3 * 0.2, f"{took:.2f} s with a busy timeout of 0.2 s: 5 s makes {took * 25:.0f} s"


async def test_a_file_that_cannot_be_looked_at_does_not_end_the_process(tmp_path: Path) -> None:
    """`testify` says: a witness that cannot be written is said once."""
    clock, path = ManualClock(), tmp_path / "s.db"
    async with running_store(path, clock, clean=False) as store:
        path.rename(tmp_path / "moved")
        try:
            await store.testify()
        finally:
            (tmp_path / "moved").rename(path)


async def test_a_waiting_row_with_damaged_bytes_is_damage_and_no_bug(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock, clean=False) as store:
        (row,) = await store.append([draft(clock.now())], clock.now())
        await store.append([draft(clock.now()) for _ in range(70)], clock.now())
        await store.run(
            lambda box: box._execute("UPDATE event SET wire = zeroblob(600) WHERE n = ?", (row.n,)) is None
        )
        with pytest.raises(StoreDamaged):
            await store.after(row.lane, 0, 10)
