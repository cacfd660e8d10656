"""The store as the gateway sees it: open, append, read on, settle, close. Everything else is behind it.

Law: `append` returns after COMMIT. Whoever waits for it may then confirm the event to a device, a
person or the uplink; nobody may before.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from gateway.clock import Stamp
from gateway.envelope import Draft
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.store import diary, rekeying, starting
from gateway.store.database import PAGE_SIZE, StoreDamaged
from gateway.store.db_thread import Announce, DbThread, Kind, Told
from gateway.store.epochs import EpochView
from gateway.store.opening import Opened, StoreSettings, note_suspect, open_files
from gateway.store.outbox import Levels, Outbox, Row
from gateway.store.retention import DAY_MS, QUOTA_FILL, Purge, Retention, used_pages
from gateway.store.room import MIB, Level
from gateway.store.starting import MakeEvent, Started
from gateway.store.tail import Committed, Ledger, Mark, Tail
from gateway.store.witness import FileMark, Seen, Statement

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
MakeDraft = Callable[[dict[str, Json]], Draft]
OnCommit = Callable[[float, Sequence[Committed], Sequence[Row]], object]

REISSUED = 200  # events that get a new place in one transaction
TESTIFY_EVERY_S = 5.0  # settles in quick succession are witnessed together: each costs the card a block
LOOK_EVERY_S = 0.5  # at the room left


@dataclass(frozen=True, slots=True)
class Left:
    """What leaving an epoch came to."""

    count: int  # events that were issued again
    opened: bool  # a new epoch was opened for it


class Store:
    """One gateway's events on disk. Build with `open_store`."""

    def __init__(self, settings: StoreSettings, opened: Opened, signer: Signer) -> None:
        self.started: Started | None = None
        self.committed_total = 0  # events of this run
        self._settings = settings
        self._signer = signer
        self._opened = opened
        self._database = opened.database
        self._room = opened.room
        self._retention = Retention(
            days=settings.retention_days,
            fix_days=settings.retention_fix_days,
        )
        self._ledger = Ledger()
        self._outbox = Outbox(
            opened.database, self._ledger, signer, settings.org, settings.gateway, lambda: self._room.level
        )
        self._on_commit: OnCommit = lambda _seconds, _events, _rows: None
        self._receipts_fd = settings.receipts_fd
        self._purge: Purge | None = None
        self._boot_id = ""
        self._run = secrets.token_hex(8)
        self._purged_day: int | None = None
        self._used = 0  # bytes in pages, as last looked at
        self._settled_since = False  # something was settled that the witness does not know
        self._testified_s = self._looked_s = 0.0
        self._db = DbThread(opened.database, self, make_room=self._room.squeeze, on_damage=self.suspect)

    # -- start and end --------------------------------------------------------------------------------

    async def start(self, stamp: Stamp, make: MakeEvent) -> Started:
        """Decide which epoch runs; a new one begins with what `make` makes of it. Committed when it returns."""
        self._db.start()
        self._boot_id = stamp.boot_id
        await self._db.run(self._announce_run, Kind.READ)
        self.started = await self._db.run(lambda: self._choose(stamp, make))
        await self.testify()
        return self.started

    def _choose(self, stamp: Stamp, make: MakeEvent) -> Started:
        self._look()
        if diary.fill(self._outbox.connection):
            log.info("diary made from the events")
        return starting.choose(
            self._outbox,
            self._ledger,
            stamp,
            make,
            statement=self._opened.statement,
            file=FileMark.of(self._settings.path),
            left=self._opened.left,
            run=self._run,
        )

    def _announce_run(self) -> None:
        """Tell the witness, before anything is committed, by what this run will be known."""
        said = self._opened.statement
        if said is None:
            return
        try:
            self._opened.witness.write(replace(said, next_run=self._run))
        except OSError as exc:  # then the store will carry what no witness knows, and the next start sees it
            log.warning("witness not written", extra={"cause": exc.strerror})

    async def close(self, *, clean: bool) -> None:
        """Finish what waits and close; `clean` leaves the mark that nothing was cut off."""
        statement: Statement | None = None
        if clean:
            # Without a mark the next start opens an epoch.
            with contextlib.suppress(StoreRefused, StoreDamaged, OSError):
                statement = await self._db.run(self._statement, Kind.READ)
        await self._db.stop()
        try:
            if statement is not None:
                await asyncio.get_running_loop().run_in_executor(None, self._leave, statement)
        finally:
            os.close(self._opened.lock)

    def _leave(self, statement: Statement) -> None:
        path = self._settings.path
        wal = path.with_name(path.name + "-wal")
        try:
            if wal.exists() and wal.stat().st_size:
                log.warning("store not closed whole; the next start opens a new epoch")
                return
            left = FileMark.of(path)
            self._opened.witness.write(replace(statement, left=left))
        except OSError as exc:
            log.warning(
                "clean stop not marked; the next start opens a new epoch", extra={"cause": exc.strerror}
            )

    # -- epochs ---------------------------------------------------------------------------------------

    async def leave_epoch(self, epoch: str, reason: str, stamp: Stamp, opening: MakeDraft) -> Left:
        """For a chain that the center does not share: its waiting events get a place in the running epoch.

        Where `epoch` is the running one, another is opened first. In steps; cut off in the middle, the
        rest still waits in the old place, and the next ack that differs brings it here again.
        """
        opened = await self._db.run(lambda: self._switch(epoch, reason, stamp, opening))
        if opened:
            await self.testify()  # an epoch that the witness does not name would count as settled
        count = 0
        while True:
            left, issued = await self._db.run(lambda: self._reissue(epoch, stamp))
            count += issued
            if not left:
                return Left(count, opened)

    async def take_up_keys(self, believed: Collection[str], stamp: Stamp, make: MakeEvent) -> Left:
        """After an enrolment: the running epoch is signed by the present key alone, and what waits under a key
        that is not among `believed` is issued again (`rekeying`). Nothing where the keys are those of before.
        """
        before = self.tail.epoch
        disowned = await self._db.run(
            lambda: rekeying.take_up(self._outbox, self._ledger, self._signer.kid, believed, stamp, make)
        )
        opened = self.tail.epoch != before
        if opened:
            await self.testify()
        count = 0
        for epoch in disowned:
            left = REISSUED
            while left:
                left, issued = await self._db.run(partial(self._reissue, epoch, stamp))
                count += issued
        return Left(count, opened)

    def _switch(self, epoch: str, reason: str, stamp: Stamp, opening: MakeDraft) -> bool:
        last = self._outbox.lineage()[-1]
        if last.epoch != epoch:
            return False
        starting.open_epoch(self._outbox, self._ledger, reason, stamp, opening, last)
        return True

    def _reissue(self, epoch: str, stamp: Stamp) -> tuple[int, int]:
        view = next((one for one in self._outbox.lineage() if one.epoch == epoch), None)
        if view is None:
            return 0, 0
        return self._outbox.reissue(view.first_n, view.last_n, stamp, REISSUED)

    async def lineage(self) -> list[EpochView]:
        """All epochs, oldest first."""
        return await self.read(lambda box: box.lineage())

    # -- the witness ----------------------------------------------------------------------------------

    async def testify(self) -> None:
        """Tell the second witness how far the store has come. A witness that cannot be written is said once."""
        with contextlib.suppress(StoreRefused):
            await self._db.run(self._testify, Kind.READ)

    def _testify(self) -> None:
        self._settled_since = False
        self._testified_s = time.monotonic()
        try:
            statement = self._statement()
        except OSError as exc:  # the store's own file cannot be looked at
            log.warning("witness not written", extra={"cause": exc.strerror})
            return
        last = self._opened.witness.last
        if last is not None and replace(last, count=0) == statement:
            return
        try:
            self._opened.witness.write(statement)
        except OSError as exc:
            log.warning("witness not written", extra={"cause": exc.strerror})

    def _statement(self) -> Statement:
        """The running epoch, and older ones with something that waits, newest first."""
        seen: list[Seen] = []
        for view in reversed(self._outbox.lineage()):
            lowest = self._outbox.lowest_waiting(view.first_n, view.last_n)
            if lowest is None and seen:
                continue
            settled = view.last_seq if lowest is None else lowest - view.first_n
            seen.append(Seen(view.epoch, view.first_n, view.last_seq, view.last_hash, settled))
        inode = FileMark.of(self._settings.path).inode
        return Statement(self._boot_id, inode, tuple(seen), run=self._run)

    # -- events ---------------------------------------------------------------------------------------

    def on_commit(self, listener: OnCommit) -> None:
        """Call `listener(seconds, events, rows)` on the loop for each commit of events, before its callers hear of it.

        `rows` are the same events as they go out, so that nobody has to read them back.
        """
        self._on_commit = listener

    @property
    def tail(self) -> Tail:
        """The end of the chain on disk."""
        return self._ledger.committed

    @property
    def waiting(self) -> int:
        """Unsettled events on disk."""
        return self._ledger.waiting

    @property
    def level(self) -> Level:
        """How much room is left."""
        return self._room.level

    @property
    def reserve_bytes(self) -> int:
        """What is held back on the disk."""
        return self._room.held

    async def append(
        self,
        drafts: Sequence[Draft],
        recorded: Stamp,
        *,
        patient: bool = False,
        notes: Sequence[tuple[str, str | None]] = (),
        told: Told | None = None,
    ) -> list[Committed]:
        """Store events in this order; returns when they are on disk. Raises `StoreRefused`: nothing was stored.

        `patient` ones may wait up to a second for company, so that a flood of positions wears the card less.
        `notes`: small facts, kept (or with None forgotten) in the same transaction. `told`: see `DbThread.run`.
        """

        def work() -> list[Committed]:
            committed = self._outbox.append(drafts, recorded)
            for key, value in notes:
                self._outbox.note(key, value)
            return committed

        return await self._db.run(work, Kind.PATIENT if patient else Kind.WRITE, told=told)

    async def after(self, lane: int, n: int, limit: int, *, below: int | None = None) -> list[Row]:
        """The next waiting events of a lane."""
        return await self.read(lambda box: box.after(lane, n, limit, below=below))

    async def run(self, fn: Callable[[Outbox], ResultT], *, soon: bool = False) -> ResultT:
        """Run `fn` in one transaction of the db thread; `soon`: with the next one, if that comes within a moment."""
        return await self._db.run(lambda: fn(self._outbox), Kind.SOON if soon else Kind.WRITE)

    async def read(self, fn: Callable[[Outbox], ResultT]) -> ResultT:
        """Run `fn`, which only reads, on the db thread; works where nothing can be written."""
        return await self._db.run(lambda: fn(self._outbox), Kind.READ)

    async def settle(self, ranges: Iterable[tuple[int, int]]) -> int:
        """The center has these ranges of `n`; how many waited."""
        fixed = list(ranges)
        return await self._db.run(lambda: self._outbox.settle(fixed))

    def retain(self, *, days: int, fix_days: int) -> None:
        """How long settled events stay, from the next pass on."""
        self._retention = Retention(days=days, fix_days=fix_days)
        self._purged_day = None  # a pass is due, whatever the day

    async def purge(self, now_ms: int | None) -> int:
        """Delete settled events that may go (`retention`), in steps; how many went. None: the clock is not trusted."""
        await self.levels()  # looks at the room as it is now
        short = self._room.level >= Level.THIN or self._near_quota()
        day = None if now_ms is None else now_ms // DAY_MS
        if day == self._purged_day and not short:
            return 0  # nothing has become old since the last pass
        purge = Purge(self._database, self._retention, now_ms, short=short)
        while not purge.done:
            await self._db.run(purge.step)
        self._purged_day = day
        return purge.gone

    def _near_quota(self) -> bool:
        most = self._settings.max_mib
        return most is not None and self._used > QUOTA_FILL * most * MIB

    async def levels(self) -> Levels:
        """How full the outbox is."""
        return await self.read(self._levels)

    def _levels(self, box: Outbox) -> Levels:
        self._look()
        return box.levels()

    def _look(self) -> None:
        self._looked_s = time.monotonic()
        self._used = used_pages(self._database) * PAGE_SIZE
        self._room.look(self._used)

    async def ping(self) -> None:
        """A no-op answered by the db thread: the watchdog's question."""
        await self._db.run(lambda: None, Kind.READ)

    def suspect(self, damage: StoreDamaged) -> None:
        """Leave a note for the next start; raises `OSError` where that cannot be written."""
        note_suspect(self._settings.path, damage)

    # -- memory, moved on by the db thread in step with the disk ----------------------------------------

    def mark(self) -> object:
        """`db_thread.Memory`."""
        return self._ledger.mark()

    def undo(self, mark: object) -> None:
        """`db_thread.Memory`."""
        if isinstance(mark, Mark):
            self._ledger.undo(mark)

    def rollback(self) -> None:
        """`db_thread.Memory`."""
        self._ledger.rollback()

    def commit(self, seconds: float) -> Announce | None:
        """`db_thread.Memory`."""
        self._settled_since = self._settled_since or self._ledger.settled > 0
        fresh, rows = self._ledger.commit()
        self.committed_total += len(fresh)
        self._receipt(fresh)
        return partial(self._announce, seconds, fresh, rows) if fresh else None

    def afterwards(self) -> None:
        """`db_thread.Memory`."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_EVERY_S or self._room.level > Level.NORMAL:
            self._look()
        if self._settled_since and now_s - self._testified_s >= TESTIFY_EVERY_S:
            self._testify()

    def _announce(self, seconds: float, fresh: Sequence[Committed], rows: Sequence[Row]) -> None:
        self._on_commit(seconds, fresh, rows)

    def _receipt(self, fresh: Sequence[Committed]) -> None:
        if self._receipts_fd is None:
            return
        try:
            write_receipts(self._receipts_fd, fresh)
        except OSError as exc:  # whoever read them went away; the events are on disk all the same
            log.warning("receipts cannot be written any more", extra={"cause": exc.strerror})
            self._receipts_fd = None


def write_receipts(fd: int, events: Sequence[Committed]) -> None:
    """One line per event: epoch, sequence, id, hash. The drills judge by these."""
    lines = "".join(f"{e.epoch} {e.seq} {e.id} {e.hash.hex()}\n" for e in events).encode()
    while lines:
        lines = lines[os.write(fd, lines) :]


async def open_store(settings: StoreSettings, signer: Signer, stamp: Stamp) -> Store:
    """Open the file, bring its tables up to date, look at its end; salvage it when it is damaged.

    Raises `StoreRefused` (no permission, read-only, disk full) and `StartError` (store_in_use, store_newer).
    """
    opened = await asyncio.get_running_loop().run_in_executor(None, open_files, settings, stamp)
    return Store(settings, opened, signer)
