"""The record in an SQLite file.

WAL with synchronous=FULL: an ack is a promise, so COMMIT must be on disk when it returns.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from peewee import DatabaseError, PeeweeException, SqliteDatabase

from gateway.errors import StartError, StoreRefused
from gateway.receiver.migrations import check_known
from gateway.receiver.sql import Connection, Parameters, Reading, RowT

PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "temp_store": "memory",
    "secure_delete": 1,
    "cache_size": -32 * 1024,  # KiB
    "busy_timeout": 5000,  # ms; a backup, an inspecting person or another worker may hold the lock
    "journal_size_limit": 64 * 1024 * 1024,  # bytes the WAL may keep after a checkpoint
}
_REFUSALS = {
    sqlite3.SQLITE_FULL: ("store_full", "the disk is full; free space"),
    sqlite3.SQLITE_READONLY: ("store_readonly", "it cannot be written; check file system, folder and owner"),
    sqlite3.SQLITE_PERM: ("store_readonly", "no permission to write it; check the owner of its folder"),
    sqlite3.SQLITE_IOERR: ("store_io", "the disk reports errors; back up and replace it"),
    sqlite3.SQLITE_CANTOPEN: ("store_io", "it cannot be opened; check the folder and its owner"),
    sqlite3.SQLITE_BUSY: ("store_io", "another program holds it; stop that program"),
    sqlite3.SQLITE_CORRUPT: ("store_damaged", "it is damaged; restore it from a backup"),
    sqlite3.SQLITE_NOTADB: ("store_damaged", "it is not an SQLite database; name another file"),
}


class SqliteFile:
    """One file: of one receiver, or of workers on one machine (`shared`)."""

    errors: tuple[type[Exception], ...] = (PeeweeException, sqlite3.Error)

    def __init__(self, path: Path, *, shared: bool) -> None:
        self.name = str(path)
        self._path = path
        self._shared = shared
        self._lock: int | None = None
        self._database = SqliteDatabase(
            str(path), pragmas=PRAGMAS, thread_safe=False, autoconnect=False, check_same_thread=False
        )

    def open(self) -> SqliteDatabase:
        """Lock and open, or make, the file."""
        self._lock = _take_lock(self._path, shared=self._shared)
        self._database.connect()
        return self._database

    def begin(self) -> Connection:
        """One writer at a time, for the whole file."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def commit(self) -> None:
        """Returns when it is on disk."""
        self._connection().execute("COMMIT")

    def rollback(self) -> None:
        """SQLite ends the transaction by itself on some errors (disk full) and not on others."""
        if not self._database.is_closed() and self._connection().in_transaction:
            with suppress(sqlite3.Error):  # the first error is the one to tell
                self._connection().execute("ROLLBACK")

    def now_ms(self, _connection: Connection, wall_ms: Callable[[], int]) -> int:
        """All workers on a file are on one machine."""
        return wall_ms()

    def broken(self) -> bool:
        """A file does not go away."""
        return False

    def translate(self, exc: Exception) -> Exception:
        """See `Engine`."""
        return translate(exc, self._path)

    def close(self) -> None:
        """Close the file; the lock ends with it."""
        self._database.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = self._database.connection()
        return connection


class _Reading(sqlite3.Connection):
    """See `sql.Reading`: SQLite hands out rows as they are asked for."""

    def each(self, sql: str, parameters: Parameters = (), /) -> Iterator[RowT]:
        """The rows of a large result."""
        yield from self.execute(sql, parameters)


def open_for_reading(path: Path) -> Reading:
    """A second, read-only connection, beside a running receiver; raises `StoreRefused`, `StartError`."""
    if not path.is_file():
        raise StoreRefused("store_io", f"{path}: there is no such database; name the file of --db")
    database = SqliteDatabase(
        f"file:{_quoted(path)}?mode=ro", uri=True, factory=_Reading, pragmas={"busy_timeout": 5000}
    )
    try:
        database.connect()
        if "migration" not in database.get_tables():
            raise StartError("not_ours", f"{path}: is not a receiver's database; name another file")
        check_known(database, str(path))
        connection: _Reading = database.connection()
        connection.execute("BEGIN")  # one view of everything, however long the reading takes
    except (DatabaseError, sqlite3.Error) as exc:
        raise translate(exc, path) from exc
    return connection


def translate(exc: Exception, path: Path) -> Exception:
    """What an SQLite error means for a person: `StoreRefused`, or the error itself (a bug)."""
    cause: BaseException | None = exc
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__ or cause.__context__
    code = getattr(cause, "sqlite_errorcode", None)
    refusal = None if code is None else _REFUSALS.get(code & 0xFF)  # the low byte is the primary code
    return exc if refusal is None else StoreRefused(refusal[0], f"{path}: {refusal[1]}")


def _take_lock(path: Path, *, shared: bool) -> int:
    """One receiver per file, or any number of workers. The lock ends with the process, however it ends."""
    lock = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as exc:
        raise StoreRefused(
            "store_io", f"{lock}: {exc.strerror}; the receiver must own and may write the folder"
        ) from exc
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(handle)
        raise StartError(
            "store_in_use", f"{path}: another receiver uses this database; stop it or name another file"
        ) from exc
    return handle


def _quoted(path: Path) -> str:
    """A path inside an SQLite URI."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
