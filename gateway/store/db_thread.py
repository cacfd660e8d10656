"""One thread, one writing connection, group commit.

What waits is committed together: under load a commit carries many jobs, when idle a job is committed
at once. A patient job (tracker fixes) waits for company, at most a second or until 50 of them wait; what
is wanted soon (settling) at most 20 ms.
Reads run between commits and outside of any: they work on a disk that takes no more writes.

A job that fails is undone alone: its savepoint on disk and its mark in memory. When the disk refuses a
commit, room is made once (`make_room`) and the jobs are run again one by one, so that one refused
insert takes no good one with it.

Memory must not run ahead of the disk: `Memory.commit` is called on this thread once COMMIT returned
and before any caller hears of it; `Memory.rollback` when a commit came to nothing. What `commit` has to
announce runs on the loop in the same turn as the callers' results, before them: waking a loop costs.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, Protocol, TypeAlias, TypeVar

from peewee import PeeweeException, SqliteDatabase

from gateway.errors import StoreRefused
from gateway.store.database import StoreDamaged, translate

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
MAX_BATCH = 512  # jobs in one commit: bounds what a refused commit has to repeat
PATIENCE_S = 1.0  # a patient job waits so long for company (contract: fixes within 1 s or 50)
PATIENT_MOST = 50
# At 100 events a second the next commit comes within 10 ms; what settles goes with it instead of making
# one of its own, which costs a sync and the card a page or two.
SOON_S = 0.02


class Kind(Enum):
    """What a job does, and how it is committed."""

    WRITE = auto()
    PATIENT = auto()  # a write that may wait for company, up to a second
    SOON = auto()  # a write that may wait a moment for one that is coming anyway
    READ = auto()


class Memory(Protocol):
    """What is kept in memory about the disk, moved on in step with it."""

    def mark(self) -> object:
        """Remember where memory stands, before a job."""

    def undo(self, mark: object) -> None:
        """Back to `mark`: the job came to nothing."""

    def commit(self, seconds: float) -> "Announce | None":
        """COMMIT returned; what is to be run on the loop about it."""

    def rollback(self) -> None:
        """The commit came to nothing."""

    def afterwards(self) -> None:
        """The callers have been told: time for what may touch the disk again. Its failures undo nothing."""


@dataclass(slots=True)
class _Job(Generic[ResultT]):
    run: Callable[[], ResultT]
    future: "asyncio.Future[ResultT]"
    kind: Kind
    told: "Told | None" = None


Announce: TypeAlias = Callable[[], None]
Told: TypeAlias = Callable[[BaseException | None], None]
_AnyJob: TypeAlias = "_Job[object]"
_Outcome: TypeAlias = tuple[_AnyJob, object, BaseException | None]


class DbThread:
    """Runs jobs on the database in their own thread. Start it inside the loop that awaits them."""

    def __init__(
        self,
        database: SqliteDatabase,
        memory: Memory,
        *,
        make_room: Callable[[], bool],
        on_damage: Callable[[StoreDamaged], None],
    ) -> None:
        self._database = database
        # Past peewee, whose bookkeeping costs several times what a savepoint does.
        self._connection: sqlite3.Connection = database.connection()
        self._memory = memory
        self._make_room = make_room
        self._on_damage = on_damage
        self._jobs: queue.SimpleQueue[_AnyJob | None] = queue.SimpleQueue()
        self._patient: list[_AnyJob] = []
        self._due_s = 0.0  # when the patient ones have waited long enough
        self._begun = False  # the running transaction has got the lock
        self._thread: threading.Thread | None = None
        self._closing = False

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._work, name="zhijiao-db", daemon=True)
        self._thread.start()

    async def run(
        self, fn: Callable[[], ResultT], kind: Kind = Kind.WRITE, *, told: Told | None = None
    ) -> ResultT:
        """Run `fn` and return when it is committed. Raises `StoreRefused`, `StoreDamaged`, or what `fn` raised.

        `told` is called on the loop with the error, or None, just before; also when nobody waits any more.
        Cancelling the caller does not undo the job: the thread never asks whether somebody still waits. So no
        shield is needed, which would cost another future and another turn of the loop for each job.
        """
        if self._closing:
            raise RuntimeError("the store is closed")
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(fn, future, kind, told))  # type: ignore[arg-type]  # a queue of jobs of any result
        return await future

    async def stop(self) -> None:
        """Finish what waits, close the connection, end the thread."""
        self._closing = True
        self._jobs.put(None)
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # -- the thread -----------------------------------------------------------------------------------

    def _work(self) -> None:
        last = False
        while not last:
            writes, reads, last = self._take()
            if writes:
                self._guard(writes, self._commit)
            if reads:
                self._guard(reads, self._read)
        self._database.close()

    def _guard(self, jobs: Sequence[_AnyJob], work: Callable[[Sequence[_AnyJob]], None]) -> None:
        """A bug of ours must not end this thread in silence: whoever waits is told, and crashes loudly."""
        try:
            work(jobs)
        except Exception as exc:  # noqa: BLE001 - carried to the awaiting callers, who let it rise
            self._memory.rollback()
            _resolve([(job, None, exc) for job in jobs])

    def _take(self) -> tuple[list[_AnyJob], list[_AnyJob], bool]:
        """Writes and reads that are there now, or the first that comes, and whether they are the last.

        Patient writes are among them when they are due or a write goes anyway.
        """
        writes: list[_AnyJob] = []
        reads: list[_AnyJob] = []
        last = False
        patience = max(0.0, self._due_s - time.monotonic()) if self._patient else None
        with contextlib.suppress(queue.Empty):
            job = self._jobs.get(timeout=patience)
            while True:
                if job is None:
                    last = True
                    break
                if job.kind is Kind.WRITE:
                    writes.append(job)
                elif job.kind is Kind.READ:
                    reads.append(job)
                else:
                    self._put_off(job)
                # Asked first: that nothing is left is the rule, and being told by an exception is dear.
                if self._jobs.empty() or len(writes) + len(reads) >= MAX_BATCH:
                    break
                job = self._jobs.get_nowait()
        if self._patient and (writes or last or self._patient_go()):
            writes = self._patient + writes
            self._patient = []
        return writes, reads, last

    def _put_off(self, job: _AnyJob) -> None:
        due_s = time.monotonic() + (SOON_S if job.kind is Kind.SOON else PATIENCE_S)
        self._due_s = min(self._due_s, due_s) if self._patient else due_s
        self._patient.append(job)

    def _patient_go(self) -> bool:
        return time.monotonic() >= self._due_s or len(self._patient) >= PATIENT_MOST

    def _read(self, jobs: Sequence[_AnyJob]) -> None:
        outcomes: list[_Outcome] = []
        for job in jobs:
            try:
                outcomes.append((job, job.run(), None))
            except (PeeweeException, sqlite3.Error) as exc:
                outcomes.append((job, None, self._translated(exc)))
            except Exception as exc:  # noqa: BLE001 - carried to the awaiting caller, not handled here
                self._note(exc)
                outcomes.append((job, None, exc))
        _resolve(outcomes)

    def _commit(self, jobs: Sequence[_AnyJob]) -> None:
        began = time.monotonic()
        try:
            outcomes = self._transaction(jobs)
        except (PeeweeException, sqlite3.Error) as exc:
            self._memory.rollback()
            error = self._translated(exc)
            full = isinstance(error, StoreRefused) and error.code == "store_full"
            if full and self._make_room():
                self._commit(jobs)
            elif len(jobs) > 1 and self._begun:
                for job in jobs:
                    self._commit([job])
            else:  # one job, or nobody could begin: waiting for the lock again for each would take minutes
                _resolve([(job, None, error) for job in jobs])
            return
        # COMMIT has returned: from here on nothing may make these jobs run again.
        _resolve(outcomes, self._memory.commit(time.monotonic() - began))
        self._look_after()

    def _look_after(self) -> None:
        try:
            self._memory.afterwards()
        except (PeeweeException, sqlite3.Error) as exc:
            error = self._translated(exc)
            log.warning("store not looked after", extra={"cause": str(error)})

    def _transaction(self, jobs: Sequence[_AnyJob]) -> list[_Outcome]:
        # Written out because SQLite ends the transaction by itself when the disk is full, which
        # peewee's context managers do not expect: their rollback would hide the first error.
        outcomes: list[_Outcome] = []
        sql = self._sql
        self._begun = False
        try:
            sql("BEGIN IMMEDIATE")
            self._begun = True
            for job in jobs:
                if len(jobs) > 1:  # a job that is alone is undone with the transaction
                    sql("SAVEPOINT job")
                mark = self._memory.mark()
                try:
                    outcomes.append((job, job.run(), None))
                except (PeeweeException, sqlite3.Error):
                    raise  # the disk, not the job: the whole batch is at stake
                except Exception as exc:  # noqa: BLE001 - carried to the awaiting caller, not handled here
                    self._note(exc)
                    outcomes.append((job, None, exc))
                    self._memory.undo(mark)
                    sql("ROLLBACK TO job" if len(jobs) > 1 else "ROLLBACK")
                if len(jobs) > 1:
                    sql("RELEASE job")
            if self._connection.in_transaction:
                sql("COMMIT")
        except (PeeweeException, sqlite3.Error):
            if self._connection.in_transaction:
                with contextlib.suppress(
                    PeeweeException, sqlite3.Error
                ):  # the first error is the one to tell
                    sql("ROLLBACK")
            raise
        return outcomes

    def _translated(self, exc: PeeweeException | sqlite3.Error) -> Exception:
        error = translate(exc)
        self._note(error)
        return error

    def _note(self, error: Exception) -> None:
        """Damage is noted for the next start, whoever met it."""
        if not isinstance(error, StoreDamaged):
            return
        try:
            self._on_damage(error)
        except OSError as failed:
            # The note could not be written; what is wrong is told all the same.
            log.error("damage not noted on disk", extra={"cause": failed.strerror})  # noqa: TRY400

    def _sql(self, statement: str) -> None:
        self._connection.execute(statement)


def _resolve(outcomes: list[_Outcome], announce: Announce | None = None) -> None:
    def deliver() -> None:
        # A listener that fails is a bug that rises; who waits is told all the same.
        with contextlib.ExitStack() as everybody:
            for job, result, error in reversed(outcomes):
                everybody.callback(_tell, job, result, error)
            if announce is not None:
                announce()

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        outcomes[0][0].future.get_loop().call_soon_threadsafe(deliver)


def _tell(job: _AnyJob, result: object, error: BaseException | None) -> None:
    try:
        if job.told is not None:
            job.told(error)
    finally:
        if not job.future.done():
            if error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)
