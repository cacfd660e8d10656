"""Opening the SQLite file, and what its errors mean.

WAL with synchronous=FULL: over simulated power cuts it lost none of 252,000 acknowledged commits;
synchronous=NORMAL lost up to 38 at each cut (docs/decisions/0003).
"""

import sqlite3
from pathlib import Path

from peewee import DatabaseError, PeeweeException, SqliteDatabase

from gateway.errors import StoreRefused, StoreTrouble

PAGE_SIZE = 4096  # bytes; the file system's block: smaller pages write less but tear more
PRAGMAS = {
    "page_size": PAGE_SIZE,
    "auto_vacuum": 2,  # incremental: purged pages can be given back, a few at a time
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
    "temp_store": "memory",
    "secure_delete": 1,  # purged rows leave nothing behind on the card
    "busy_timeout": 5000,  # ms; only a backup or an inspecting technician can hold the lock
    "journal_size_limit": 8 * 1024 * 1024,  # bytes the WAL may keep after a checkpoint
}

_REFUSALS = {
    sqlite3.SQLITE_FULL: (
        "store_full",
        "the disk or the store's quota is full; free space or raise [store] max_mib",
    ),
    sqlite3.SQLITE_READONLY: (
        "store_readonly",
        "the file system is read-only; check the card, then remount it",
    ),
    sqlite3.SQLITE_IOERR: ("store_io", "the disk reports errors; back up and replace the card"),
    sqlite3.SQLITE_CANTOPEN: (
        "store_io",
        "the database file cannot be opened; check the folder and its owner",
    ),
    sqlite3.SQLITE_PERM: (
        "store_readonly",
        "no permission to write the database; check the owner of its folder",
    ),
    sqlite3.SQLITE_BUSY: ("store_io", "another program holds the database; stop it"),
}
# The index of the WAL is made of real blocks: these two say that there are none left.
_FULL = (sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class StoreDamaged(StoreTrouble):
    """The file is torn or is no database. At start it is salvaged; while running the process ends and restarts."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            "store_damaged",
            f"the event store is damaged ({cause}); the next start sets it aside and keeps what can be read",
        )
        self.cause = cause


def open_database(path: Path, *, max_pages: int | None) -> SqliteDatabase:
    """Open (or make) the file with the settings above; raises what `translate` returns."""
    # Opened on one thread, then owned by the db thread alone: handed over, never shared.
    database = SqliteDatabase(
        str(path), pragmas=PRAGMAS, thread_safe=False, autoconnect=False, check_same_thread=False
    )
    try:
        database.connect()
        database.execute_sql("SELECT count(*) FROM sqlite_master").fetchone()
        if max_pages is not None:
            database.execute_sql(f"PRAGMA max_page_count = {int(max_pages)}")
    except (DatabaseError, sqlite3.Error, UnicodeDecodeError) as exc:
        database.close()
        raise _not_opened(path, exc) from exc
    return database


def _not_opened(path: Path, exc: PeeweeException | sqlite3.Error | UnicodeDecodeError) -> Exception:
    """Damage that SQLite does not call so: the statements of an opening are sound, whatever the file says."""
    if isinstance(exc, UnicodeDecodeError):  # Python could not read what SQLite said of the schema
        return StoreDamaged("the schema is no text")
    code = _code(exc)
    if code == sqlite3.SQLITE_ERROR:
        return StoreDamaged("SQLite does not know the format of the file")
    if code == sqlite3.SQLITE_READONLY and _asks_for_newer_sqlite(path):
        return StoreDamaged("its header forbids writing")
    return translate(exc)


def _asks_for_newer_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(19)[18:] not in {b"\x01", b"\x02"}
    except OSError:
        return False


def translate(exc: PeeweeException | sqlite3.Error) -> Exception:
    """What an SQLite error means for the gateway: `StoreRefused`, `StoreDamaged`, or itself (a bug)."""
    code = _code(exc)
    if code is None:
        return exc
    if code in _FULL:
        code = sqlite3.SQLITE_FULL
    primary = code & 0xFF  # extended result codes carry the primary one in the low byte
    if primary in _DAMAGE:
        return StoreDamaged(f"SQLite reports {getattr(_cause(exc), 'sqlite_errorname', primary)}")
    if primary in _REFUSALS:
        name, text = _REFUSALS[primary]
        return StoreRefused(name, f"nothing was stored: {text}")
    return exc


def _cause(exc: BaseException) -> sqlite3.Error | None:
    cause: BaseException | None = exc
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__ or cause.__context__
    return cause


def _code(exc: PeeweeException | sqlite3.Error) -> int | None:
    code = getattr(_cause(exc), "sqlite_errorcode", None)
    return code if isinstance(code, int) else None
