"""From the files in the state folder to a database that can be used: lock, look, salvage if need be.

events.db             the store                     events.db.suspect       note: found damaged while running
events.db.lock        one gateway at a time         events.db.salvaging-*   damaged, being salvaged
events.db.rebuild     a salvage in the making       events.db.damaged-*     damaged, kept as evidence
events.db.salvaging-*.view*    what a salvage lays over the damaged file, gone with it
witness               the second witness            reserve                 room held back for bad days
exported-*.json       notes of exports, to be recorded
"""

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from peewee import PeeweeException, SqliteDatabase

from gateway.clock import Stamp
from gateway.errors import StartError, StoreRefused
from gateway.store.commands import COMMAND_TABLES
from gateway.store.database import PAGE_SIZE, StoreDamaged, open_database, translate
from gateway.store.enrolments import ENROLMENT_TABLES
from gateway.store.folder import sync_folder
from gateway.store.layout import check_tables
from gateway.store.lock import lock_of, take
from gateway.store.migrations import migrate
from gateway.store.models import TABLES
from gateway.store.proof import check_tail
from gateway.store.records import RECORD_TABLES
from gateway.store.room import Room
from gateway.store.salvage import salvage, salvage_here
from gateway.store.salvage_account import Extent
from gateway.store.witness import FileMark, Statement, Witness

_PARTS = ("", "-wal", "-shm")  # the file first: without it the others are nothing, the other way round not


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """How the store is kept."""

    path: Path
    org: str
    gateway: str
    max_mib: int | None = None  # quota of the file; None: the disk is the limit
    reserve_mib: int | None = None  # None: 256 MiB, or 5 % of the disk where that is more
    retention_days: int = 180  # settled events stay this long
    retention_fix_days: int = 30  # settled tracker fixes among them
    receipts_fd: int | None = None  # one line per event, written only after COMMIT returned

    @property
    def max_pages(self) -> int | None:
        """The quota in pages."""
        return None if self.max_mib is None else self.max_mib * 1024 * 1024 // PAGE_SIZE

    @property
    def hard_pages(self) -> int | None:
        """Where SQLite itself refuses: room beyond the quota for settling and for what tells of a loss."""
        return None if self.max_pages is None else self.max_pages + max(64, self.max_pages // 16)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open store and what stands beside it."""

    database: SqliteDatabase
    witness: Witness
    statement: Statement | None  # what the witness said when it was opened
    left: FileMark  # the file as the run before left it
    room: Room
    lock: int  # descriptor; the lock ends with the process, however it ends


def open_files(settings: StoreSettings, stamp: Stamp) -> Opened:
    """Raises `StoreRefused` (no permission, read-only, full) and `StartError` (store_in_use, store_newer)."""
    path = settings.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _take_lock(path)
        try:
            reserve = None if settings.reserve_mib is None else settings.reserve_mib * 1024 * 1024
            quota = None if settings.max_mib is None else settings.max_mib * 1024 * 1024
            room = Room(path.parent, quota=quota, reserve=reserve)
            room.begin()
            witness = Witness(path.with_name("witness"))
            statement = witness.read()
            left, database = _with_room(settings, stamp, room, statement)
        except BaseException:
            os.close(lock)
            raise
    except OSError as exc:
        raise StoreRefused(
            "store_io", f"{path.parent}: {exc.strerror}; the service user must own and may write it"
        ) from exc
    return Opened(database, witness, statement, left, room, lock)


def note_suspect(path: Path, damage: StoreDamaged) -> None:
    """Leave a note for the next start: this damage may lie where a start does not look. Raises `OSError`."""
    _note_of(path).write_text(f"{damage.cause}\n")


def _with_room(
    settings: StoreSettings, stamp: Stamp, room: Room, statement: Statement | None
) -> tuple[FileMark, SqliteDatabase]:
    """Open; a full disk gets the reserve, part by part."""
    while True:
        try:
            return _open(settings, stamp, statement)
        except StoreRefused as exc:
            if exc.code != "store_full":
                raise
            if not room.squeeze():
                return _open(settings, stamp, statement, frugal=True)


def _open(
    settings: StoreSettings, stamp: Stamp, statement: Statement | None, *, frugal: bool = False
) -> tuple[FileMark, SqliteDatabase]:
    path = settings.path
    pending = _pending(path)
    if pending is not None and path.exists():
        # Only the last steps were missing. The note goes first: it is about the file that was set aside.
        _note_of(path).unlink(missing_ok=True)
        _rename_all(pending, _kept_name(path, pending))
    elif pending is not None:
        _salvage(pending, settings, stamp, statement, frugal=frugal)
    try:
        _heed(path)
        left = FileMark.of(path) if path.exists() else FileMark(0, 0, 0)
        return left, _usable(path, settings.hard_pages, stamp)
    except StoreDamaged as damage:
        # The note outlives an interruption: the cause is told whenever the salvage is done.
        with contextlib.suppress(OSError):
            note_suspect(path, damage)
    aside = path.with_name(f"{path.name}.salvaging-{stamp.wall_ms}")
    _rename_all(path, aside)
    _salvage(aside, settings, stamp, statement, frugal=frugal)
    return FileMark.of(path), _usable(path, settings.hard_pages, stamp)


def _salvage(
    aside: Path, settings: StoreSettings, stamp: Stamp, statement: Statement | None, *, frugal: bool
) -> None:
    """Steps 2 to 4 of `salvage`: build beside, put in place, keep the evidence. `frugal`: with little room."""
    path, note = settings.path, _note_of(settings.path)
    _rename_rest(path, aside)
    cause = note.read_text().strip() if note.exists() else "an earlier salvage was interrupted"
    try:
        rebuild = _rebuilt(aside, path, stamp, statement, cause, Extent.WAITING if frugal else Extent.ALL)
    except StoreRefused as exc:
        if not frugal or exc.code != "store_full" or not _mended(aside, path, stamp, statement, cause):
            raise
        note.unlink(missing_ok=True)
        _rename_all(aside, path)
        return
    rebuild.rename(path)
    sync_folder(path.parent)
    note.unlink(missing_ok=True)
    _rename_all(aside, _kept_name(path, aside))


def _rebuilt(
    aside: Path, path: Path, stamp: Stamp, statement: Statement | None, cause: str, extent: Extent
) -> Path:
    rebuild = path.with_name(path.name + ".rebuild")
    _remove(rebuild)
    name = _kept_name(path, aside).name
    try:
        database = _usable(rebuild, None, stamp)
        try:
            salvage(aside, database, name=name, cause=cause, witness=statement, extent=extent)
        finally:
            database.close()
    except (PeeweeException, sqlite3.Error) as exc:
        _remove(rebuild)
        raise translate(exc) from exc
    except StoreRefused:
        _remove(rebuild)
        raise
    return rebuild


def _mended(aside: Path, path: Path, stamp: Stamp, statement: Statement | None, cause: str) -> bool:
    """Take out of the damaged file what is damaged; whether that could be done."""
    try:
        database = open_database(aside, max_pages=None)
        try:
            migrate(database, stamp.wall_ms)
            database.bind((*TABLES, *COMMAND_TABLES, *ENROLMENT_TABLES, *RECORD_TABLES))
            beside = _kept_name(path, aside)
            return salvage_here(database, beside, cause=cause, witness=statement) is not None
        finally:
            database.close()
    except StoreDamaged:
        return False
    except (PeeweeException, sqlite3.Error) as exc:
        raise translate(exc) from exc


def _remove(rebuild: Path) -> None:
    for suffix in _PARTS:
        rebuild.with_name(rebuild.name + suffix).unlink(missing_ok=True)


def _usable(path: Path, max_pages: int | None, stamp: Stamp) -> SqliteDatabase:
    database = open_database(path, max_pages=max_pages)
    try:
        check_tables(database)
        migrate(database, stamp.wall_ms)
        database.bind((*TABLES, *COMMAND_TABLES, *ENROLMENT_TABLES, *RECORD_TABLES))
        check_tail()
    except (PeeweeException, sqlite3.Error) as exc:
        database.close()
        raise translate(exc) from exc
    except (StoreDamaged, StartError):
        database.close()
        raise
    return database


def _heed(path: Path) -> None:
    """Raise `StoreDamaged` when the last run left its note, or where SQLite would delete what was committed."""
    wal = path.with_name(path.name + "-wal")
    if path.exists() and not path.stat().st_size and wal.exists() and wal.stat().st_size:
        raise StoreDamaged("the file is empty, its WAL is not")
    note = _note_of(path)
    if not note.exists():
        return
    if path.exists():
        raise StoreDamaged(note.read_text().strip() or "noted by the run before")
    note.unlink()


def _note_of(path: Path) -> Path:
    return path.with_name(path.name + ".suspect")


def _pending(path: Path) -> Path | None:
    """The newest damaged file whose salvage was not finished."""
    found = [one for one in path.parent.glob(path.name + ".salvaging-*") if one.name[-1].isdigit()]
    return max(found, default=None, key=lambda one: int(one.name.rpartition("-")[2]))


def _kept_name(path: Path, aside: Path) -> Path:
    return path.with_name(f"{path.name}.damaged-{aside.name.rpartition('-')[2]}")


def _rename_all(old: Path, new: Path) -> None:
    """Rename a store and its WAL. Evidence is never deleted by the gateway."""
    old.rename(new)
    _rename_rest(old, new)
    sync_folder(new.parent)


def _rename_rest(old: Path, new: Path) -> None:
    for suffix in _PARTS[1:]:
        part = old.with_name(old.name + suffix)
        if part.exists():
            part.rename(new.with_name(new.name + suffix))


def _take_lock(path: Path) -> int:
    handle = os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        take(handle, path)
    except StartError:
        os.close(handle)
        raise
    return handle
