"""The schema of a damaged store is gone, or page 1: what stands on sound pages is kept all the same."""

import asyncio
import errno
import os
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from peewee import SqliteDatabase

from gateway.clock import ManualClock
from gateway.store import salvage_view
from gateway.store.damaged_pages import FRAME, HEADER, Pages
from gateway.store.database import open_database
from gateway.store.layout import Table, layout
from gateway.store.migrations import MIGRATIONS, Migration
from gateway.store.salvage import _KEPT_TABLES
from gateway.store.salvage_rows import event_rows
from gateway.store.salvage_view import page_one, view_of
from gateway.store.store import Store
from tests.gateway.store_fixtures import draft, running_store
from tests.gateway.test_salvage import PAGE, salvaged

EVENTS, SETTLED = 300, 100


def rows_of(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def sample(kind: str, size: int, rng: random.Random) -> object:
    """A value of a column's type."""
    made = {"TEXT": rng.randbytes(size // 2).hex(), "BLOB": rng.randbytes(size)}
    return made.get(kind, rng.getrandbits(40))


def fill_table(db: Any, table: str, rows: int, size: int, rng: random.Random) -> str:
    """Rows of any content; the name of the first column. `db`: a connection of SQLite or of peewee."""
    execute = getattr(db, "execute_sql", None) or db.execute
    columns = execute(f"PRAGMA table_info({table})").fetchall()
    for _ in range(rows):
        values = [sample(kind, size, rng) for _, _, kind, *_ in columns]
        execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(values))})", values)  # noqa: S608
    return str(columns[0][1])


def fill_tables(path: Path) -> None:
    """Three rows in each table that a salvage carries over, beside what is there: no table outgrows its page."""
    with closing(sqlite3.connect(path)) as db, db:
        for table in _KEPT_TABLES:
            fill_table(db, table, 3, 24, random.Random(table))
        db.execute("UPDATE device_record SET n = 100 + rowid % 100")


def all_of(table: str, columns: Iterable[str] = "*") -> str:
    return f"SELECT {','.join(columns)} FROM {table}"  # noqa: S608


def kept_rows(path: Path) -> dict[str, set[tuple[Any, ...]]]:
    return {table: set(rows_of(path, all_of(table, columns))) for table, columns in _KEPT_TABLES.items()}


def assert_all_kept(path: Path, before: dict[str, set[tuple[Any, ...]]]) -> None:
    after = kept_rows(path)
    for table, rows in before.items():
        assert rows <= after[table], table


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was stopped: small and large events, a third settled, rows in every table."""
    path = tmp_path_factory.mktemp("sound") / "s.db"
    asyncio.run(fill_events(path, ManualClock(), random.Random(1)))
    fill_tables(path)
    return path


async def fill_events(path: Path, clock: ManualClock, rng: random.Random) -> None:
    async with running_store(path, clock) as store:
        for first in range(0, EVENTS, 50):
            pads = [rng.randbytes(6000 if i % 20 == 0 else 150).hex() for i in range(first, first + 50)]
            await store.append([draft(clock.now(), pad=pad) for pad in pads], clock.now())
        await store.settle([(1, SETTLED)])


@pytest.fixture(scope="module")
def pages_of(sound: Path) -> dict[int, set[int]]:
    """On which pages each event stands, found by its bytes: nothing of the code under test is asked."""
    raw, found = sound.read_bytes(), {}
    for n, wire in rows_of(sound, "SELECT n, wire FROM event"):
        parts = (wire[at : at + 40] for at in range(0, len(wire), 40))
        found[n] = {raw.find(part) // PAGE + 1 for part in parts if raw.count(part) == 1}
    assert {len(pages) for pages in found.values()} >= {1, 4}, "some events are carried over to further pages"
    return found


def copy_of(sound: Path, folder: Path, *, noted: bool = True) -> Path:
    shutil.copytree(sound.parent, folder, dirs_exist_ok=True)
    if noted:
        (folder / "s.db.suspect").write_text("found while running")
    return folder / sound.name


def spoil(path: Path, pages: Iterable[int], content: Callable[[int], bytes]) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(content(PAGE))


def schema_pages(path: Path) -> set[int]:
    raw = path.read_bytes()[:PAGE]
    assert raw[100] == 5, "the schema has outgrown page 1"
    count = struct.unpack_from(">H", raw, 103)[0]
    cells = struct.unpack_from(f">{count}H", raw, 112)
    return {1, struct.unpack_from(">I", raw, 108)[0], *(struct.unpack_from(">I", raw, at)[0] for at in cells)}


async def held(store: Store) -> set[int]:
    return await store.run(lambda box: {n for n in range(1, EVENTS + 2) if box.hash_at(n) is not None})


def lost_of(store: Store) -> set[int]:
    found = salvaged(store)
    assert found is not None
    return {n for _, first, last in map(astuple, found.lost) for n in range(first, last + 1)}


@pytest.mark.parametrize("seed", range(30))
async def test_of_any_four_pages_exactly_the_events_that_stood_on_them_are_lost(
    tmp_path: Path, sound: Path, pages_of: dict[int, set[int]], seed: int
) -> None:
    path, rng = copy_of(sound, tmp_path), random.Random(seed)
    count = path.stat().st_size // PAGE
    # Every third time page 1, every second time a page that finds others: those are few among many.
    torn = set(rng.sample(range(2, count + 1), 4))
    torn |= {1} if seed % 3 == 0 else set()
    torn |= {rng.randrange(2, 60)} if seed % 2 == 0 else set()
    roots = dict(rows_of(path, "SELECT name, rootpage FROM sqlite_master WHERE type = 'table'"))
    before = kept_rows(path)
    spoil(path, torn, rng.randbytes)
    async with running_store(path, ManualClock()) as store:
        kept = await held(store)
        assert kept == {n for n, pages in pages_of.items() if not pages & torn}
        assert lost_of(store) == {n for n in pages_of.keys() - kept if n > SETTLED}
        assert store.waiting >= len([n for n in kept if n > SETTLED])
    after = kept_rows(path)
    for table in set(_KEPT_TABLES) - {"device_record"}:  # marks of lost events are dropped
        if roots[table] not in torn:
            assert before[table] <= after[table], table


DAMAGES: dict[str, Callable[[Path], None]] = {
    "page 1 at random": lambda path: spoil(path, [1], random.Random(5).randbytes),
    "page 1 of zeros": lambda path: spoil(path, [1], bytes),
    "page 1 with pages of 512 bytes": lambda path: spoil(path, [1], lambda n: b"\x02\x00" * (n // 2)),
    "all of the schema": lambda path: spoil(path, schema_pages(path), random.Random(6).randbytes),
    "the schema but page 1": lambda path: spoil(path, schema_pages(path) - {1}, bytes),
    "the tree of events and page 1": lambda path: spoil(path, [1, layout(MIGRATIONS)["event"].root], bytes),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
async def test_without_its_schema_a_store_loses_nothing(tmp_path: Path, sound: Path, damage: str) -> None:
    path = copy_of(sound, tmp_path, noted=False)
    before = kept_rows(path)
    DAMAGES[damage](path)
    evidence = path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError):  # control: SQLite itself gets nothing out of it
        rows_of(path, "SELECT * FROM event")
    async with running_store(path, ManualClock()) as store:
        found = salvaged(store)
        assert found is not None
        assert (found.kept, found.lost) == (EVENTS + 1, ())
        assert store.waiting == EVENTS + 1 - SETTLED + 1, "and the opening"
        assert (tmp_path / found.set_aside).read_bytes() == evidence
    assert_all_kept(path, before)
    assert not list(tmp_path.glob("*.view*"))


WRITE_VERSION, FORMAT, SCHEMA_CELL = 18, 47, 111  # damage that SQLite does not call so


@pytest.mark.parametrize("noted", [False, True])
async def test_one_flipped_bit_of_the_schema_neither_stops_the_start_nor_costs_an_event(
    tmp_path: Path, sound: Path, *, noted: bool
) -> None:
    rng, pages = random.Random(9), sorted(schema_pages(sound))
    places = [WRITE_VERSION, FORMAT, SCHEMA_CELL, *(rng.randrange(112) for _ in range(15))]
    places += [(rng.choice(pages) - 1) * PAGE + rng.randrange(PAGE) for _ in range(15)]
    for i, at in enumerate(places):
        path = copy_of(sound, tmp_path / str(i), noted=noted)
        raw = bytearray(path.read_bytes())
        raw[at] ^= 1 << (rng.randrange(8) if i > 2 else 7)
        path.write_bytes(raw)
        async with running_store(path, ManualClock()) as store:
            assert await held(store) == set(range(1, EVENTS + 2)), at
            assert lost_of(store) == set() if salvaged(store) else not noted, at


async def test_what_stands_in_the_wal_alone_is_kept_without_page_1(tmp_path: Path) -> None:
    running, path, clock = tmp_path / "a" / "s.db", tmp_path / "b" / "s.db", ManualClock()
    path.parent.mkdir()
    async with running_store(running, clock) as store:
        await store.append([draft(clock.now(), pad="x" * 200) for _ in range(40)], clock.now())
        with closing(sqlite3.connect(running)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await store.append([draft(clock.now())], clock.now())
        for name in ("s.db", "s.db-wal", "witness"):
            shutil.copy(running.with_name(name), path.with_name(name))
    with closing(Pages(path)) as pages:
        assert 1 not in pages.wal.frames, "else SQLite takes page 1 from there"
    spoil(path, [1], bytes)
    with (path.parent / "s.db-wal").open("ab") as wal:
        wal.write(random.Random(3).randbytes(FRAME + PAGE))
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert (found.kept, found.lost) == (42, ())
        assert store.waiting == 42 + 1


async def test_an_emptied_file_does_not_take_its_wal_along(tmp_path: Path) -> None:
    running, path, clock = tmp_path / "a" / "s.db", tmp_path / "b" / "s.db", ManualClock()
    path.parent.mkdir()
    async with running_store(running, clock) as store:
        await store.append([draft(clock.now()) for _ in range(40)], clock.now())
        shutil.copy(running.with_name("s.db-wal"), path.with_name("s.db-wal"))
        path.touch()
    async with running_store(path, clock) as store:
        found = salvaged(store)
        assert found is not None
        assert (found.kept, store.waiting) == (41, 41 + 1)


async def test_of_a_wal_cut_anywhere_as_much_is_read_as_sqlite_reads(tmp_path: Path) -> None:
    """Each commit of the last ones is of several frames: those without their end were never acknowledged."""
    running, clock, rng = tmp_path / "a" / "s.db", ManualClock(), random.Random(2)
    async with running_store(running, clock) as store:
        for _ in range(4):
            drafts = [draft(clock.now(), pad=rng.randbytes(4000).hex()) for _ in range(3)]
            await store.append(drafts, clock.now())
        store_bytes, wal = running.read_bytes(), running.with_name("s.db-wal").read_bytes()
    path, seen = tmp_path / "s.db", set()
    flips = [rng.randrange(len(wal)) for _ in range(20)]
    cuts = [
        *range(0, len(wal), FRAME + PAGE),
        HEADER,
        *(rng.randrange(len(wal)) for _ in range(10)),
        len(wal),
    ]
    damaged = [wal[:cut] for cut in cuts]
    damaged += [wal[:at] + bytes([wal[at] ^ 1 << rng.randrange(8)]) + wal[at + 1 :] for at in flips]
    for one in damaged:
        path.write_bytes(store_bytes)
        path.with_name("s.db-wal").write_bytes(one)
        with closing(Pages(path)) as pages:
            ours = sorted(event_rows(pages))
        try:
            theirs = rows_of(path, "SELECT n, hash, recorded_ms, wire FROM event ORDER BY n")
        except sqlite3.OperationalError as exc:
            assert "no such table" in str(exc)  # noqa: PT017 - whether it is raised depends on the cut
            theirs = []
        assert ours == theirs
        seen.add(len(ours))
        path.unlink()
    assert seen >= {0, 1, 4, 7, 10, 13}


async def test_tables_that_vanished_from_the_schema_are_missed_and_found(tmp_path: Path, sound: Path) -> None:
    path = copy_of(sound, tmp_path, noted=False)
    before = kept_rows(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA writable_schema = 1")
        db.execute("DELETE FROM sqlite_master WHERE tbl_name IN ('roster', 'account')")
    async with running_store(path, ManualClock()) as store:
        found = salvaged(store)
        assert found is not None
        assert found.cause == "table account is not in the schema"
        assert found.kept == EVENTS + 1
    assert_all_kept(path, before)


async def test_a_file_system_without_second_names_costs_a_copy(
    tmp_path: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy_of(sound, tmp_path)
    spoil(path, [1], bytes)

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    async with running_store(path, ManualClock()) as store:
        found = salvaged(store)
        assert found is not None
        assert found.kept == EVENTS + 1


async def test_a_tree_of_another_table_brings_no_row_into_this_one(
    tmp_path: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: were all places wrong, events would still be kept, and nothing would be made up."""
    path = copy_of(sound, tmp_path)
    before = kept_rows(path)
    spoil(path, [1], bytes)

    def wrong(steps: Iterable[str]) -> dict[str, Table]:
        right = layout(set(steps))
        roots = [table.root for table in right.values()]
        return {
            name: Table(root, table.sql)
            for (name, table), root in zip(right.items(), roots[1:] + roots[:1], strict=True)
        }

    monkeypatch.setattr(salvage_view, "layout", wrong)
    async with running_store(path, ManualClock()) as store:
        found = salvaged(store)
        assert found is not None
        assert (found.kept, found.lost) == (EVENTS + 1, ())
        assert store.waiting >= EVENTS + 1 - SETTLED
    after = kept_rows(path)
    made_up = [row for table, rows in after.items() for row in rows - before[table]]
    assert [row[0] for row in made_up] == [EVENTS + 2], "but for what the new epoch's first event says"
    assert not any(after[table] for table in ("account", "roster", "enrolment"))


def test_tables_begin_where_an_empty_store_has_them_however_full_they_were(tmp_path: Path) -> None:
    """Step by step, with rows in every table before the next tables are made, and with pages given back."""
    database = open_database(tmp_path / "s.db", max_pages=None)
    rng = random.Random(4)
    with closing(database), database.bind_ctx([Migration]):
        database.create_tables([Migration])
        for at, (name, step) in enumerate(MIGRATIONS.items(), 1):
            step(database)
            fill_at_random(database, rng)
            made = database.execute_sql("SELECT name, rootpage FROM sqlite_master WHERE type = 'table'")
            expected = layout(list(MIGRATIONS)[:at])
            assert dict(made.fetchall()) == {table: one.root for table, one in expected.items()}, name
        assert database.execute_sql("PRAGMA page_count").fetchone()[0] > 100


def fill_at_random(database: SqliteDatabase, rng: random.Random) -> None:
    for table in database.get_tables():
        key = fill_table(database, table, 40, 300, rng)
        if table != "migration":
            some = f"SELECT {key} FROM {table} ORDER BY random() LIMIT 20"  # noqa: S608
            database.execute_sql(f"DELETE FROM {table} WHERE {key} IN ({some})")  # noqa: S608
    database.execute_sql("PRAGMA incremental_vacuum(7)").fetchall()


def test_one_page_declares_all_tables() -> None:
    page = page_one(layout(MIGRATIONS), 500)
    assert page[100] == 13, "a leaf: more tables than fit need another way"


def test_the_view_shows_every_table_as_it_stands(sound: Path, tmp_path: Path) -> None:
    path = copy_of(sound, tmp_path)
    names = [name for (name,) in rows_of(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    before = {name: rows_of(path, all_of(name)) for name in names}
    spoil(path, [1], bytes)
    with view_of(path) as view:
        assert {name: view.tables.execute(all_of(name)).fetchall() for name in names} == before
