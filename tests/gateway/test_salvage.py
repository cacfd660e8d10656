"""A damaged store never stops the center: it starts, keeps what it can, names what it lost."""

import random
import sqlite3
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.store.database import StoreDamaged
from tests.gateway.store_fixtures import draft, running_store
from tests.gateway.test_store import assert_chained, events

PAGE = 4096


async def filled(path: Path, clock: ManualClock, count: int = 300) -> None:
    async with running_store(path, clock, clean=True) as store:
        await store.append([draft(clock.now(), n=i, pad="x" * 200) for i in range(count)], clock.now())
        await store.settle([(1, 100)])


async def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database at all" * 1000)
    async with running_store(path, ManualClock()) as store:
        assert store.salvaged is not None
        assert store.salvaged.kept == 0
        assert (tmp_path / store.salvaged.set_aside).read_bytes().startswith(b"not a database")
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
        assert store.salvaged is not None
        kept = {n for n in before if await store.run(lambda box, n=n: box.hash_at(n)) is not None}  # type: ignore[misc]
        assert len(kept) == store.salvaged.kept
        lost = {n for _, first, last in store.salvaged.lost for n in range(first, last + 1)}
        assert (before - kept) - lost <= set(range(max(kept, default=0) + 1, 302)), "every hole is named"
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
        assert store.salvaged is not None
        await store.append([draft(clock.now())], clock.now())
        assert store.tail.seq == 2
    newest = [e for e in events(path) if e["source"] == events(path)[-1]["source"]]
    assert_chained(newest)


async def test_a_row_changed_by_hand_is_noticed_at_the_start(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=20)
    with sqlite3.connect(path) as db:
        wire = db.execute("SELECT wire FROM event WHERE n = 9").fetchone()[0]
        db.execute("UPDATE event SET wire = ? WHERE n = 9", (wire.replace(b'"n":7', b'"n":8'),))
    async with running_store(path, clock) as store:
        assert store.salvaged is not None
        assert store.salvaged.kept == 20
        assert len(store.salvaged.lost) == 1


async def test_waiting_events_wait_again_when_their_list_is_unreadable(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await filled(path, clock, count=20)
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE waiting")
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n = 21")
    async with running_store(path, clock) as store:
        assert store.salvaged is not None
        assert store.waiting == 20 + 1


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
        assert store.salvaged is not None
        assert store.salvaged.kept == 301
        assert store.waiting == 302
    async with running_store(path, clock) as store:
        assert store.salvaged is None, "once is enough"
