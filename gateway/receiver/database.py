"""The center's SQLite file: opened by one receiver, written by one thread, each batch one transaction.

WAL with synchronous=FULL: an ack is a promise, so COMMIT must be on disk when it returns.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from peewee import DatabaseError, PeeweeException, SqliteDatabase

from gateway.errors import ConfigError, StartError, StoreRefused
from gateway.receiver.migrations import check_known, migrate

ResultT = TypeVar("ResultT")
SCHEME = "sqlite:///"
PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "temp_store": "memory",
    "secure_delete": 1,
    "cache_size": -32 * 1024,  # KiB
    "busy_timeout": 5000,  # ms; a backup or an inspecting person may hold the lock
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


def path_of(url: str) -> Path:
    """The file of `sqlite:///relative`, `sqlite:////absolute` or a bare path; raises `ConfigError`."""
    if url.startswith(SCHEME):
        url = url.removeprefix(SCHEME)
    elif "://" in url:
        raise ConfigError(
            "database", f"{url.partition('://')[0]}: only SQLite is built; give a path or {SCHEME}PATH"
        )
    if not url or url == ":memory:":
        raise ConfigError(
            "database", "the database must be a file: acks promise that it outlives this process"
        )
    return Path(url)


class Database:
    """Runs functions on the connection, each in one transaction, on a thread of its own."""

    def __init__(self, path: Path, database: SqliteDatabase, lock: int) -> None:
        self.path = path
        self._database = database
        self._lock = lock
        self._thread = ThreadPoolExecutor(1, "receiver-db")

    @classmethod
    async def open(cls, path: Path, now_ms: int) -> "Database":
        """Open or make the file; raises `StoreRefused` and `StartError` (store_in_use, store_newer, not_ours)."""
        return await asyncio.get_running_loop().run_in_executor(None, cls._open, path, now_ms)

    @classmethod
    def _open(cls, path: Path, now_ms: int) -> "Database":
        lock = _take_lock(path)
        database = SqliteDatabase(
            str(path), pragmas=PRAGMAS, thread_safe=False, autoconnect=False, check_same_thread=False
        )
        try:
            database.connect()
            migrate(database, now_ms)
        except (PeeweeException, sqlite3.Error) as exc:
            database.close()
            os.close(lock)
            raise translate(exc, path) from exc
        except StartError:
            database.close()
            os.close(lock)
            raise
        return cls(path, database, lock)

    async def run(self, fn: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Run `fn` in a transaction; returns after COMMIT. Raises `StoreRefused`: nothing of it was stored."""
        # Shielded: a caller that is cancelled must not leave the connection in the middle of something.
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._transact, fn)
        return await asyncio.shield(work)

    def _transact(self, fn: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        connection: sqlite3.Connection = self._database.connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = fn(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as exc:
            raise translate(exc, self.path) from exc
        finally:
            # SQLite ends the transaction by itself on some errors (disk full) and not on others.
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # the first error is the one to tell
                    connection.execute("ROLLBACK")
        return result

    async def close(self) -> None:
        """Finish what runs, close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()
        os.close(self._lock)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A second, read-only connection, beside a running receiver; raises `StoreRefused`, `StartError`."""
    if not path.is_file():
        raise StoreRefused("store_io", f"{path}: there is no such database; name the file of --db")
    database = SqliteDatabase(f"file:{_quoted(path)}?mode=ro", uri=True, pragmas={"busy_timeout": 5000})
    try:
        database.connect()
        if "migration" not in database.get_tables():
            raise StartError("not_ours", f"{path}: is not a receiver's database; name another file")
        check_known(database)
        connection: sqlite3.Connection = database.connection()
        connection.execute("BEGIN")  # one view of everything, however long the reading takes
    except (DatabaseError, sqlite3.Error) as exc:
        raise translate(exc, path) from exc
    return connection


def translate(exc: PeeweeException | sqlite3.Error, path: Path) -> Exception:
    """What an SQLite error means for a person: `StoreRefused`, or the error itself (a bug)."""
    cause: BaseException | None = exc
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__ or cause.__context__
    code = getattr(cause, "sqlite_errorcode", None)
    refusal = None if code is None else _REFUSALS.get(code & 0xFF)  # the low byte is the primary code
    return exc if refusal is None else StoreRefused(refusal[0], f"{path}: {refusal[1]}")


def _take_lock(path: Path) -> int:
    """One receiver per file: each keeps cursors in memory. The lock ends with the process, however it ends."""
    lock = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as exc:
        raise StoreRefused(
            "store_io", f"{lock}: {exc.strerror}; the receiver must own and may write the folder"
        ) from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(handle)
        raise StartError(
            "store_in_use", f"{path}: another receiver uses this database; stop it or name another file"
        ) from exc
    return handle


def _quoted(path: Path) -> str:
    """A path inside an SQLite URI."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
