"""A damaged store as a database that can be asked, without its schema and without writing to it.

SQLite finds a table by the schema, which begins on page 1 and goes on somewhere in the file: one torn page of
it and nothing can be asked any more. So the damaged file gets a second name and, under that name, a WAL of
its own: what was committed in the old one, then one page 1 that declares the tables plainly, where they begin
by the file's own word or, where it has none, by the steps that made it (`layout`). SQLite reads its
page 1 from there and everything else as it stands. Opened to read only, and gone afterwards.

    events.db.salvaging-<ms>.view      the same file      events.db.salvaging-<ms>.view-wal    what lies over it

Events are not read by it but from their pages (`salvage_rows`).
"""

import errno
import os
import shutil
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreRefused
from gateway.store.damaged_pages import Pages
from gateway.store.database import PAGE_SIZE
from gateway.store.layout import Table, layout
from gateway.store.migrations import MIGRATIONS

SUFFIX = ".view"
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class View:
    """What there is of a damaged store."""

    tables: sqlite3.Connection  # all tables of this release, those that the file does not have left out
    pages: Pages


@contextmanager
def view_of(damaged: Path) -> Iterator[View]:
    """Look at a damaged store. Raises `StoreRefused` (store_full), `OSError`, `sqlite3.Error`."""
    view = damaged.with_name(damaged.name + SUFFIX)
    _remove(view)  # of a salvage that was cut off
    with closing(Pages(damaged)) as pages:
        try:
            _lay_over(damaged, view, pages)
            with closing(_connect(view)) as tables:
                # An error here is one of the disk or of this program: no page of the file was asked for.
                tables.execute("SELECT count(*) FROM sqlite_master").fetchone()
                yield View(tables, pages)
        finally:
            _remove(view)


def _lay_over(damaged: Path, view: Path, pages: Pages) -> None:
    old, new = damaged.with_name(damaged.name + "-wal"), view.with_name(view.name + "-wal")
    try:
        _second_name(damaged, view)
        pages.wal.write(old, new)
        tables = _tables(view, pages.count)
        view.with_name(view.name + "-shm").unlink(missing_ok=True)  # it knows the WAL as it was
        count = max(pages.count, *(table.root for table in tables.values()))
        pages.wal.write(old, new, (1, page_one(tables, count), count))
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise StoreRefused("store_full", f"{view.parent}: no room to salvage the store; free space") from exc


def _second_name(damaged: Path, view: Path) -> None:
    if not damaged.stat().st_size:
        view.write_bytes(bytes(PAGE_SIZE))  # SQLite deletes the WAL of an empty file
        return
    try:
        os.link(damaged, view)
    except OSError:  # a file system without second names
        shutil.copyfile(damaged, view)


def _tables(view: Path, count: int) -> dict[str, Table]:
    """Where the tables begin: by the file's own schema where it can be read, else as they must."""
    told: dict[str, int] = {}
    steps = set(MIGRATIONS)
    with closing(_connect(view)) as source:
        try:
            told = dict(source.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'table'"))
            steps = {name for (name,) in source.execute("SELECT name FROM migration")} & steps or steps
        except (sqlite3.Error, UnicodeDecodeError):  # the latter over what SQLite says of the schema
            pass
    found = layout(steps)
    for name, table in found.items():
        root = told.get(name)
        if isinstance(root, int) and 1 < root <= count:
            found[name] = Table(root, table.sql)
    return found


def page_one(tables: Mapping[str, Table], count: int) -> bytes:
    """A first page that declares these tables, for a store of `count` pages: made by SQLite itself."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        made.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        for table in tables.values():
            made.execute(table.sql)
        made.execute("PRAGMA writable_schema = 1")
        for name, table in tables.items():
            made.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = ?", (table.root, name))
        page = bytearray(made.serialize()[:PAGE_SIZE])
    page[18:20] = b"\x02\x02"  # read and written with a WAL
    struct.pack_into(">I", page, 28, count)
    page[92:96] = page[24:28]  # the count is as new as the content
    return bytes(page)


def _connect(view: Path) -> sqlite3.Connection:
    source = sqlite3.connect(f"{view.absolute().as_uri()}?mode=ro", uri=True)
    source.text_factory = lambda raw: raw.decode(errors="replace")
    return source


def _remove(view: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        view.with_name(view.name + suffix).unlink(missing_ok=True)
