"""The center's database: each batch one transaction, on a thread of its own, in an SQLite file or PostgreSQL."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.errors import ConfigError, GatewayError
from gateway.receiver import postgres, sqlite_file
from gateway.receiver.migrations import migrate
from gateway.receiver.sql import Connection, Engine, Reading

ResultT = TypeVar("ResultT")
SCHEME = "sqlite:///"


def path_of(url: str) -> Path:
    """The file of `sqlite:///relative`, `sqlite:////absolute` or a bare path; raises `ConfigError`."""
    if url.startswith(SCHEME):
        url = url.removeprefix(SCHEME)
    elif "://" in url:
        raise ConfigError(
            "database",
            f"{url.partition('://')[0]}: not built; give a path, {SCHEME}PATH or postgresql://HOST/DATABASE",
        )
    if not url or url == ":memory:":
        raise ConfigError(
            "database", "the database must be a file: acks promise that it outlives this process"
        )
    return Path(url)


def _engine(url: str, *, shared: bool) -> Engine:
    if postgres.is_postgres(url):
        return postgres.Postgres(url, shared=shared)
    return sqlite_file.SqliteFile(path_of(url), shared=shared)


class Database:
    """Runs functions on the connection, each in one transaction, on a thread of its own."""

    def __init__(self, engine: Engine, thread: ThreadPoolExecutor) -> None:
        self.losses = 0  # how often the connection was lost: what memory knows may be behind the disk
        self._engine = engine
        self._thread = thread

    @classmethod
    async def open(cls, url: str, now_ms: int, *, shared: bool = False) -> "Database":
        """Open or make it; raises `ConfigError`, `StoreRefused` and `StartError` (store_in_use, …, not_ours).

        `shared`: by several workers, which take turns; else nobody else may have it.
        """
        engine = _engine(url, shared=shared)
        thread = ThreadPoolExecutor(1, "receiver-db")
        try:
            await asyncio.get_running_loop().run_in_executor(thread, _open, engine, now_ms)
        except BaseException:
            thread.shutdown()
            raise
        return cls(engine, thread)

    async def run(self, fn: Callable[[Connection], ResultT]) -> ResultT:
        """Run `fn` in a transaction; returns after COMMIT. Raises `StoreRefused`: nothing of it is promised.

        Where the connection broke during COMMIT it may be stored all the same; then `losses` has grown.
        """
        # Shielded: a caller that is cancelled must not leave the connection in the middle of something.
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._transact, fn)
        return await asyncio.shield(work)

    def now_ms(self, connection: Connection, wall_ms: Callable[[], int]) -> int:
        """The time by which workers agree, inside of a transaction."""
        return self._engine.now_ms(connection, wall_ms)

    def _transact(self, fn: Callable[[Connection], ResultT]) -> ResultT:
        try:
            result = fn(self._engine.begin())
            self._engine.commit()
        except self._engine.errors as exc:
            raise self._engine.translate(exc) from exc
        finally:
            self._engine.rollback()
            self.losses += self._engine.broken()
        return result

    async def close(self) -> None:
        """Finish what runs, close it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.close)
        self._thread.shutdown()


def _open(engine: Engine, now_ms: int) -> None:
    try:
        migrate(engine.open(), engine.name, now_ms)
    except GatewayError:
        engine.close()
        raise
    except engine.errors as exc:
        engine.close()
        raise engine.translate(exc) from exc


def open_for_reading(url: Path | str) -> Reading:
    """A second, read-only connection, beside a running receiver; raises `StoreRefused`, `StartError`."""
    if isinstance(url, str) and postgres.is_postgres(url):
        return postgres.open_for_reading(url)
    return sqlite_file.open_for_reading(url if isinstance(url, Path) else path_of(url))
