"""One thread, one writing connection, group commit.

What waits is committed together: under load a commit carries many jobs, when idle a job is committed
at once. A job that fails is undone alone (savepoint); when the commit itself fails, the jobs are run
again one by one, so that one refused insert takes no good one with it.

Memory must not run ahead of the disk: `after_commit(seconds)` is called on this thread once COMMIT
returned and before any caller hears of it; `after_rollback` when a commit came to nothing.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from peewee import PeeweeException, SqliteDatabase

from gateway.store.database import StoreDamaged, translate

ResultT = TypeVar("ResultT")
MAX_BATCH = 512  # jobs in one commit: bounds what a refused commit has to repeat


@dataclass(slots=True)
class _Job(Generic[ResultT]):
    run: Callable[[], ResultT]
    future: "asyncio.Future[ResultT]"


_Outcome: TypeAlias = tuple[_Job[object], object, BaseException | None]


class DbThread:
    """Runs jobs on the database in their own thread. Start it inside the loop that awaits them."""

    def __init__(
        self,
        database: SqliteDatabase,
        *,
        after_commit: Callable[[float], None],
        after_rollback: Callable[[], None],
        on_damage: Callable[[StoreDamaged], None],
    ) -> None:
        self._database = database
        self._after_commit = after_commit
        self._after_rollback = after_rollback
        self._on_damage = on_damage
        self._jobs: queue.SimpleQueue[_Job[object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = False

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._work, name="zhijiao-db", daemon=True)
        self._thread.start()

    async def run(self, fn: Callable[[], ResultT]) -> ResultT:
        """Run `fn` inside a transaction; returns when it is committed. Raises `StoreRefused` or what `fn` raised.

        Cancelling the caller does not undo the job.
        """
        if self._closing:
            raise RuntimeError("the store is closed")
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(fn, future))  # type: ignore[arg-type]  # a queue of jobs of any result
        return await asyncio.shield(future)

    async def stop(self) -> None:
        """Finish what waits, close the connection, end the thread."""
        self._closing = True
        self._jobs.put(None)
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        while True:
            batch, last = self._take()
            if batch:
                self._commit(batch)
            if last:
                self._database.close()
                return

    def _take(self) -> tuple[list[_Job[object]], bool]:
        job = self._jobs.get()
        batch: list[_Job[object]] = []
        while job is not None:
            batch.append(job)
            if len(batch) >= MAX_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Job[object]]) -> None:
        try:
            outcomes = self._transaction(batch)
        except (PeeweeException, sqlite3.Error) as exc:
            self._after_rollback()
            if len(batch) > 1:
                for job in batch:
                    self._commit([job])
                return
            error = translate(exc)
            if isinstance(error, StoreDamaged):
                self._on_damage(error)
            outcomes = [(batch[0], None, error)]
        _resolve(outcomes)

    def _transaction(self, batch: list[_Job[object]]) -> list[_Outcome]:
        # Written out because SQLite ends the transaction by itself when the disk is full, which
        # peewee's context managers do not expect: their rollback would hide the first error.
        outcomes: list[_Outcome] = []
        began = time.monotonic()
        sql = self._sql
        try:
            sql("BEGIN IMMEDIATE")
            for job in batch:
                sql("SAVEPOINT job")
                try:
                    outcomes.append((job, job.run(), None))
                except (PeeweeException, sqlite3.Error):
                    raise  # the disk, not the job: the whole batch is at stake
                except Exception as exc:  # noqa: BLE001 - carried to the awaiting caller, not handled here
                    sql("ROLLBACK TO job")
                    outcomes.append((job, None, exc))
                sql("RELEASE job")
            sql("COMMIT")
        except (PeeweeException, sqlite3.Error):
            if self._database.connection().in_transaction:
                sql("ROLLBACK")
            raise
        self._after_commit(time.monotonic() - began)
        return outcomes

    def _sql(self, statement: str) -> None:
        self._database.execute_sql(statement)


def _resolve(outcomes: list[_Outcome]) -> None:
    def deliver() -> None:
        for job, result, error in outcomes:
            if job.future.done():
                continue
            if error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)

    outcomes[0][0].future.get_loop().call_soon_threadsafe(deliver)
