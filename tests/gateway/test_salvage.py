"""A damaged store never stops the center: it starts, keeps what it can, names what it lost."""

import random
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.store import opening
from gateway.store.database import StoreDamaged
from gateway.store.epochs import Lost
from gateway.store.salvage import Salvage, salvage
from gateway.store.store import Store
from tests.gateway.store_fixtures import draft, running_store
from tests.gateway.test_store import assert_chained, events

PAGE = 4096


def salvaged(store: Store) -> Salvage | None:
    assert store.started is not None
    return store.started.salvaged


async def filled(path: Path, clock: ManualClock, count: int = 300, settled: int = 100) -> None:
    async with running_store(path, clock, clean=True) as store:
        await store.append([draft(clock.now(), n=i, pad="x" * 200) for i in range(count)], clock.now())
        await store.settle([(1, settled)])


async def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database at all" * 1000)
    async with running_store(path, ManualClock()) as store:
        found = salvaged(store)
        assert found is not None
        assert found.kept == 0
        assert (tmp_path / found.set_aside).read_bytes().startswith(b"not a database")
    assert events(path)[-1]["data"] == {"reason": "salvaged", "previous": None}


@pytest.mark.parametrize("seed", range(6))
async def test_flipped_pages_lose_only_what_stood_on_them(tmp_path: Path, seed: int) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock)
    raw = bytearray(path.read_bytes())
    rng = random.Random(seed)
    for page in rng.sample(range(8, len(raw) // PAGE), 4):
        raw[page * PAGE : (page + 1) * PAGE] = rng.randbytes(PAGE)
    path.write_bytes(bytes(raw))
    path.with_name("s.db.suspect").write_text("found while running")
    before = set(range(1, 302))
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        kept = {n for n in before if await store.run(lambda box, n=n: box.hash_at(n)) is not None}  # type: ignore[misc]
        assert len(kept) == found.kept
        lost = {n for _, first, last in map(astuple, found.lost) for n in range(first, last + 1)}
        assert lost == {n for n in before - kept if n > 100}, (
            "every hole that was not settled is named, and no other"
        )
        assert len(kept) >= 200
        assert store.tail.first_n > max(kept)
        assert (await store.lineage())[-1].epoch == store.tail.epoch


async def test_a_truncated_file_goes_on_in_a_new_epoch(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size // 2)
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        first = max(found.kept, 100) + 1
        assert [(lost.first, lost.last) for lost in found.lost] == [(first, 301)], "told by the witness"
        await store.append([draft(clock.now())], clock.now())
        assert store.tail.seq == 3, "the opening, the lost range, the event"
    newest = [e for e in events(path) if e["source"] == events(path)[-1]["source"]]
    assert_chained(newest)


async def test_a_row_changed_by_hand_is_noticed_at_the_start(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=20, settled=5)
    with sqlite3.connect(path) as db:
        wire = db.execute("SELECT wire FROM event WHERE n = 9").fetchone()[0]
        db.execute("UPDATE event SET wire = ? WHERE n = 9", (wire.replace(b'"n":7', b'"n":8'),))
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert found.kept == 20
        assert len(found.lost) == 1


async def test_waiting_events_wait_again_when_their_list_is_unreadable(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=20, settled=5)
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE waiting")
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n = 21")
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert store.waiting == 15 + 2, "what the witness saw settled does not wait again; the loss is told"


async def test_damage_met_while_running_is_salvaged_at_the_next_start(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock)
    with sqlite3.connect(path) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'waiting'").fetchone()[0]
    raw = bytearray(path.read_bytes())
    raw[(root - 1) * PAGE : root * PAGE] = b"\xff" * PAGE
    path.write_bytes(bytes(raw))
    with pytest.raises(StoreDamaged):
        async with running_store(path, clock) as store:
            await store.after(1, 0, 10)
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert found.kept == 301
        assert store.waiting == 201 + 1, "what the witness saw settled does not wait again"
    async with running_store(path, clock) as store:
        assert salvaged(store) is None, "once is enough"


async def test_a_salvage_that_is_killed_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any of its steps: nothing that could be read is lost, and the evidence is kept once."""
    steps = ("salvage", "rename", "kept")
    for step in steps:
        folder = tmp_path / step
        folder.mkdir()
        path, clock = folder / "s.db", ManualClock()
        await filled(path, clock, count=50, settled=5)
        path.with_name("s.db.suspect").write_text("found while running")
        with monkeypatch.context() as patch:
            killed_at(patch, step)
            with pytest.raises(KilledError):
                async with running_store(path, clock):
                    pass
        async with running_store(path, clock) as store:
            if step != "kept":
                found = salvaged(store)
                assert found is not None
                assert (found.kept, found.cause) == (51, "found while running")
            assert store.waiting == 46 + 1
            assert (await store.lineage())[-1].epoch == store.tail.epoch
        assert len(list(folder.glob("s.db.damaged-*[0-9]"))) == 1
        assert not list(folder.glob("s.db.salvaging-*"))
        assert not list(folder.glob("s.db.rebuild*"))


class KilledError(BaseException):
    """The process was killed here."""


def killed_at(patch: pytest.MonkeyPatch, step: str) -> None:
    real = salvage
    rename_all = opening._rename_all

    def half_done(*args: Any, **members: Any) -> Salvage:
        real(*args, **members)
        raise KilledError

    def kept(old: Path, new: Path) -> None:
        if "damaged" in new.name:
            raise KilledError
        rename_all(old, new)

    def rename(old: Path, new: Path) -> None:
        rename_all(old, new)
        raise KilledError

    if step == "salvage":
        patch.setattr(opening, "salvage", half_done)
    else:
        patch.setattr(opening, "_rename_all", {"rename": rename, "kept": kept}[step])


@pytest.mark.parametrize("torn", ["first", "last", "first and last"])
async def test_a_purged_store_with_torn_edges_keeps_what_stands_between(tmp_path: Path, torn: str) -> None:
    """Neither min(n) nor max(n) can be read, and the store begins far from 1."""
    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock) as store:
        for _ in range(12):
            await store.append([draft(clock.now(), pad="x" * 200) for _ in range(500)], clock.now())
        await store.settle([(1, 5500)])
        await store.purge(clock.now().wall_ms)
        clock.advance(200 * 24 * 3600 * 1000)
        assert await store.purge(clock.now().wall_ms) == 5500
    tear_rows(path, [which for name, which in (("first", min), ("last", max)) if name in torn])
    path.with_name("s.db.suspect").write_text("found while running")
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert found.kept >= 501 - 2 * 8
        lost = sum(one.last - one.first + 1 for one in found.lost)
        assert found.kept + lost == 501


def tear_rows(path: Path, which: list[Callable[[Iterable[int]], int]]) -> None:
    """Spoil the pages that hold these rows: their wire bytes are found in the file."""
    with sqlite3.connect(path) as db:
        found = dict(db.execute("SELECT n, wire FROM event"))
    raw = bytearray(path.read_bytes())
    for one in which:
        page = raw.index(found[one(found)][:300]) // PAGE
        raw[page * PAGE : (page + 1) * PAGE] = b"\xff" * PAGE
    path.write_bytes(bytes(raw))


async def test_a_deleted_store_declares_what_the_witness_saw(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=50, settled=5)
    with sqlite3.connect(path) as db:
        epoch = db.execute("SELECT epoch FROM epoch").fetchone()[0]
    path.unlink()
    async with running_store(path, clock) as store:
        assert store.started is not None
        assert store.started.reason == "new_store"
        assert store.started.lost == (Lost(epoch, 6, 51),)
        assert [trouble.kind for trouble in store.started.troubles] == ["store_damaged"]
    first, second = events(path)
    data: Any = first["data"]
    assert data["previous"]["epoch"] == epoch
    assert second["data"] == {"epoch": epoch, "from": 6, "to": 51, "reason": "new_store"}


async def test_a_trouble_is_told_again_until_its_alarm_is_raised(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=50, settled=5)
    path.unlink()
    for _ in range(2):
        async with running_store(path, clock, clean=False) as store:
            assert store.started is not None
            assert [trouble.kind for trouble in store.started.troubles] == ["store_damaged"]
