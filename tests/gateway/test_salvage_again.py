"""A salvage cut off, done twice, or of a tree that lies: nothing readable dropped, no loss untold, no loop."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.envelope import Place, seal
from gateway.store import opening
from gateway.store.damaged_pages import Pages
from gateway.store.database import StoreDamaged
from gateway.store.opening import StoreSettings
from gateway.store.repair import repair
from gateway.store.room import MIB
from gateway.store.salvage_rows import event_rows
from gateway.store.store import Store
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER, draft, running_store
from tests.gateway.store_fixtures import opening as opening_of
from tests.gateway.test_room import small_disk
from tests.gateway.test_salvage import PAGE, KilledError, filled, salvaged

__all__ = ["small_disk"]


def leaf_pages(path: Path, table: str) -> list[tuple[int, int, int]]:
    """(page, first n, last n) of the leaves of `event`, by their child pointers in the root."""
    with sqlite3.connect(path) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    raw = path.read_bytes()
    page = raw[(root - 1) * PAGE : root * PAGE]
    assert page[0] == 5, "an inner page"
    count = int.from_bytes(page[3:5], "big")
    cells = [int.from_bytes(page[12 + 2 * i : 14 + 2 * i], "big") for i in range(count)]
    return [(root, cell, int.from_bytes(page[cell : cell + 4], "big")) for cell in cells]


def lose_rows(path: Path, first: int, last: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n BETWEEN ? AND ?", (first, last))


def told_lost(store: Store) -> set[int]:
    assert store.started is not None
    return {n for one in store.started.lost for n in range(one.first, one.last + 1)}


@pytest.mark.parametrize("at", range(22))
@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_rename_or_sync_a_salvage_tells_the_same_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool
) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=80, settled=5)
    lose_rows(path, 20, 24)  # waiting, not in the tail
    path.with_name("s.db.suspect").write_text("found while running")
    count = 0

    def killer(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **members: Any) -> Any:
            nonlocal count
            count += 1
            mine = count - 1 == at
            if mine and not after:
                raise KilledError
            result = real(*args, **members)
            if mine:
                raise KilledError
            return result

        return call

    lost: set[int] = set()
    killed = False
    with monkeypatch.context() as patch:
        for owner, name in ((Path, "rename"), (Path, "unlink"), (opening, "sync_folder")):
            patch.setattr(owner, name, killer(getattr(owner, name)))
        try:
            async with running_store(path, clock) as store:
                lost = told_lost(store)
        except KilledError:
            killed = True
    if killed:
        clock.advance(5000)
        async with running_store(path, clock) as store:
            lost |= told_lost(store)
            assert salvaged(store) is not None or lost
    assert lost == set(range(20, 25)), f"operation {at} of {count}, after={after}: {sorted(lost)}"


async def test_a_store_repaired_twice_before_its_start_still_tells_the_loss(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=80, settled=5)
    lose_rows(path, 20, 24)
    settings = StoreSettings(path=path, org=ORG, gateway=GATEWAY, reserve_mib=1)
    for _ in range(2):
        clock.advance(1000)
        repair(settings, clock.now(), "by hand")
    async with running_store(path, clock) as store:
        assert told_lost(store) == set(range(20, 25))


def flip_first_rowid(path: Path, n: int, new: int) -> None:
    """The number of one row, changed in its page: a flipped bit on the card."""
    with sqlite3.connect(path) as db:
        wire = db.execute("SELECT wire FROM event WHERE n = ?", (n,)).fetchone()[0]
    raw = bytearray(path.read_bytes())
    at = raw.find(wire[:40])
    page = at - at % PAGE
    count = int.from_bytes(raw[page + 3 : page + 5], "big")
    for i in range(count):
        cell = page + int.from_bytes(raw[page + 8 + 2 * i : page + 10 + 2 * i], "big")
        start = cell + (2 if raw[cell] >= 128 else 1)  # behind the length of the payload
        if raw[start] == n:
            raw[start] = new
            path.write_bytes(bytes(raw))
            return
    raise AssertionError("row not found")


async def test_one_flipped_row_number_costs_one_row_and_not_its_epoch(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=50, settled=5)
    flip_first_rowid(path, 1, 3)
    path.with_name("s.db.suspect").write_text("found while running")
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert found.kept >= 49, f"kept {found.kept} of 51 rows that can all be read"


async def test_a_page_that_the_tree_names_twice_does_not_stop_the_start(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock)
    (root, first, _), (_, second, _) = leaf_pages(path, "event")[4:6]
    raw = bytearray(path.read_bytes())
    at = (root - 1) * PAGE
    raw[at + second : at + second + 4] = raw[at + first : at + first + 4]
    path.write_bytes(bytes(raw))
    path.with_name("s.db.suspect").write_text("found while running")
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert found.kept > 280


async def test_a_row_number_far_off_does_not_hide_what_stands_behind_it(tmp_path: Path) -> None:
    """It is the last of a stretch of 500: the next stretch began behind it."""
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=700, settled=5)
    with sqlite3.connect(path) as db:
        before = db.execute("SELECT count(*) FROM event").fetchone()[0]
    far_rowid(path, 500)
    with closing(Pages(path)) as pages:
        rows = sum(1 for _ in event_rows(pages))
    assert rows >= before - 1, f"{rows} of {before}"


def far_rowid(path: Path, n: int) -> None:
    with sqlite3.connect(path) as db:
        wire = db.execute("SELECT wire FROM event WHERE n = ?", (n,)).fetchone()[0]
    raw = bytearray(path.read_bytes())
    at = raw.find(wire[:200])
    page = at - at % PAGE
    count = int.from_bytes(raw[page + 3 : page + 5], "big")
    want = bytes([0x80 | (n >> 7), n & 127])
    for i in range(count):
        cell = page + int.from_bytes(raw[page + 8 + 2 * i : page + 10 + 2 * i], "big")
        start = cell + (2 if raw[cell] >= 128 else 1)
        if raw[start : start + 2] == want:
            raw[start] = 0xFF
            path.write_bytes(bytes(raw))
            return
    raise AssertionError("row not found")


async def test_an_epoch_opened_since_the_witness_spoke_is_not_settled(tmp_path: Path) -> None:
    """Left while running; a minute may pass until the witness is told. Nothing of it is settled, or all is declared."""
    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock, clean=False) as store:
        await store.append([draft(clock.now()) for _ in range(10)], clock.now())
        await store.testify()
        await store.leave_epoch(store.tail.epoch, "chain_mismatch", clock.now(), opening_of(clock.now()))
        fresh = await store.append([draft(clock.now()) for _ in range(5)], clock.now())
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE waiting")
    path.with_name("s.db.suspect").write_text("found while running")
    async with running_store(path, clock) as store:
        wait = {row.n for row in await store.after(fresh[0].lane, 0, 1000)}
        assert {e.n for e in fresh} <= wait, f"{len(wait)} wait, told lost: {told_lost(store)}"


async def test_more_open_epochs_than_the_witness_names_are_not_settled(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    for boot in range(20):
        clock.boot_id = f"{boot:032x}"
        async with running_store(path, clock, clean=False) as store:
            await store.append([draft(clock.now())], clock.now())
            waited = store.waiting
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE waiting")
    path.with_name("s.db.suspect").write_text("found while running")
    async with running_store(path, clock) as store:
        assert store.waiting >= waited, f"{store.waiting - 1} of {waited}; lost {told_lost(store)}"


async def test_commands_that_were_run_are_known_after_a_salvage(tmp_path: Path) -> None:
    from gateway.store import commands

    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock) as store:
        await store.run(lambda _box: commands.begin("c1", "ping", clock.now().wall_ms))
    path.with_name("s.db.suspect").write_text("found while running")
    async with running_store(path, clock) as store:
        assert await store.read(lambda _box: commands.known("c1")) is not None


async def test_days_are_known_after_a_salvage(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock) as store:
        await store.purge(clock.now().wall_ms)
    path.with_name("s.db.suspect").write_text("found while running")
    async with running_store(path, clock) as store:
        rows = await store.read(lambda box: box._execute("SELECT count(*) FROM day").fetchone()[0])
        assert rows == 1


async def test_a_fork_in_the_tail_does_not_salvage_for_ever(tmp_path: Path) -> None:
    """Two histories of one epoch, each row proven: one salvage, then the store must open."""
    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock, clean=False) as store:
        await store.append([draft(clock.now()) for _ in range(20)], clock.now())
        epoch = store.tail.epoch
    place = Place(ORG, GATEWAY, epoch, 15, bytes(31) + b"f")  # chained to a row that is not here
    other = seal(draft(clock.now(), other=1), place, clock.now(), SIGNER)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE event SET hash = ?, wire = ? WHERE n = 15", (other.hash, other.wire))
    opened = 0
    for _ in range(3):
        clock.advance(1000)
        with suppress(StoreDamaged):
            async with running_store(path, clock, clean=False):
                opened += 1
    assert opened == 3, f"{opened} of 3 starts; set aside: {len(list(tmp_path.glob('*damaged-*[0-9]')))}"


async def large(path: Path, clock: ManualClock, settled: int) -> None:
    """More than half of the small disk; the newest row but three is damaged."""
    async with running_store(path, clock) as store:
        for _ in range(10):
            await store.append([draft(clock.now(), pad="x" * 20000) for _ in range(45)], clock.now())
        await store.settle([(1, settled)])
    assert path.stat().st_size > 8 * MIB
    lose_rows(path, 448, 448)


async def test_without_room_for_a_copy_what_waits_is_copied(small_disk: Path) -> None:
    path, clock = small_disk / "s.db", ManualClock()
    await large(path, clock, settled=400)
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert (found.kept, told_lost(store)) == (50, {448}), "what is settled is not lost"
        assert (small_disk / found.set_aside).stat().st_size > 8 * MIB, "the whole file stays as evidence"
        assert store.waiting == 50 + 2, "and the opening, and the lost range"
    async with running_store(path, clock) as store:
        assert salvaged(store) is None


@pytest.mark.parametrize("killed", [False, True])
async def test_without_room_for_what_waits_the_store_is_mended_where_it_stands(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, *, killed: bool
) -> None:
    path, clock = small_disk / "s.db", ManualClock()
    await large(path, clock, settled=3)
    if killed:
        rename_all = opening._rename_all

        def kill(old: Path, new: Path) -> None:
            if new == path:
                raise KilledError
            rename_all(old, new)

        with monkeypatch.context() as patch:
            patch.setattr(opening, "_rename_all", kill)
            with pytest.raises(KilledError):
                async with running_store(path, clock):
                    pass
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert (found.kept, told_lost(store)) == (450, {448})
        assert store.waiting == 447 + 2
        await store.append([draft(clock.now())], clock.now())
        with sqlite3.connect(small_disk / found.set_aside) as db:
            assert [n for (n,) in db.execute("SELECT n FROM event")] == [448], "evidence is kept"
    async with running_store(path, clock) as store:
        assert salvaged(store) is None, "once is enough"


async def test_a_row_number_far_off_before_a_torn_page_hides_nothing_behind_it(tmp_path: Path) -> None:
    """It is the last that is read (of the one behind it the query fails): it would say where to go on."""
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=700, settled=5)
    with sqlite3.connect(path) as db:
        wires = dict(db.execute("SELECT n, wire FROM event"))
    raw = path.read_bytes()
    pages = {n: raw.index(wire[:200]) // PAGE for n, wire in wires.items()}
    last = next(n for n in range(300, 700) if pages[n] != pages[n + 1])
    far_rowid(path, last - 1)
    page = pages[last + 1]
    raw = path.read_bytes()
    path.write_bytes(raw[: page * PAGE] + b"\xff" * PAGE + raw[(page + 1) * PAGE :])
    torn = sum(one == page for one in pages.values())
    with closing(Pages(path)) as damaged:
        read = {row[3] for row in event_rows(damaged)}
    assert len(read) >= len(wires) - torn - 1, f"{len(read)} of {len(wires)}, {torn} torn"
