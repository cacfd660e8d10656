"""The store as the gateway sees it: open, append, read on, settle, close. Everything else is behind it.

Law: `append` returns after COMMIT. Whoever waits for it may then confirm the event to a device, a
person or the uplink; nobody may before.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from peewee import PeeweeException, SqliteDatabase

from gateway.clock import Stamp
from gateway.envelope import Draft
from gateway.errors import StartError, StoreRefused
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.store import epochs
from gateway.store.database import PAGE_SIZE, StoreDamaged, open_database, translate
from gateway.store.db_thread import DbThread
from gateway.store.epochs import EpochView
from gateway.store.migrations import migrate
from gateway.store.models import TABLES
from gateway.store.outbox import Levels, Outbox, Row
from gateway.store.retention import Retention, purge_step
from gateway.store.salvage import Salvage, check_tail, salvage
from gateway.store.tail import Committed, Ledger, Tail

ResultT = TypeVar("ResultT")
MakeDraft = Callable[[dict[str, Json]], Draft]
OnCommit = Callable[[float, Sequence[Committed]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """How the store is kept."""

    path: Path
    org: str
    gateway: str
    max_mib: int | None = None  # quota of the file; None: the disk is the limit
    retention_days: int = 180  # settled events stay this long
    retention_fix_days: int = 30  # settled tracker fixes among them
    receipts_fd: int | None = None  # one line per event, written only after COMMIT returned


class Store:
    """One gateway's events on disk. Build with `open_store`."""

    def __init__(
        self, settings: StoreSettings, database: SqliteDatabase, signer: Signer, salvaged: Salvage | None
    ) -> None:
        self.salvaged = salvaged
        self._settings = settings
        self._database = database
        self._retention = Retention(
            days=settings.retention_days,
            fix_days=settings.retention_fix_days,
            max_pages=_pages(settings.max_mib),
        )
        self._ledger = Ledger()
        self._outbox = Outbox(database, self._ledger, signer, settings.org, settings.gateway)
        self._on_commit: OnCommit = lambda _seconds, _events: None
        self._db = DbThread(
            database,
            after_commit=self._committed,
            after_rollback=self._ledger.rollback,
            on_damage=self._suspect,
        )

    async def start(self, stamp: Stamp, opening: MakeDraft) -> str | None:
        """Decide which epoch runs; open one where needed, with `opening`'s event as its sequence 1.

        Returns the reason of a new epoch, None where the last one goes on.
        """
        self._db.start()
        return await self._db.run(lambda: self._choose_epoch(stamp, opening))

    def _choose_epoch(self, stamp: Stamp, opening: MakeDraft) -> str | None:
        self._ledger.waiting = self._outbox.count_waiting()
        lineage = epochs.lineage()
        reason = epochs.reason_for_new(stamp.boot_id, salvaged=self.salvaged is not None)
        epochs.note_running(stamp.boot_id)
        last = lineage[-1] if lineage else None
        if reason is None and last is not None:
            self._ledger.pending = Tail(last.epoch, last.first_n, last.last_seq, last.last_hash)
            return None
        self._open_epoch(reason or "new_store", stamp, opening, last)
        return reason

    def _open_epoch(self, reason: str, stamp: Stamp, opening: MakeDraft, last: EpochView | None) -> None:
        first_n = 1 if last is None else max(last.first_n, last.last_n + 1, self._outbox.highest_n() + 1)
        self._ledger.pending = epochs.insert(first_n, reason, stamp.wall_ms)
        previous: Json = None
        if last is not None:
            previous = {
                "epoch": last.epoch,
                "last_seq": last.last_seq,
                "last_hash": last.last_hash.hex(),
            }
        self._outbox.append([opening({"reason": reason, "previous": previous})], stamp)

    async def abandon_epoch(
        self, epoch: str, reason: str, stamp: Stamp, opening: MakeDraft, *, reissue: bool
    ) -> int | None:
        """Close the running epoch and open another; with `reissue`, its waiting events get a place there.

        For a chain that the center does not share. In one transaction. How many were issued again;
        None where another epoch runs already.
        """

        def switch() -> int | None:
            last = epochs.lineage()[-1]
            if last.epoch != epoch:
                return None
            self._open_epoch(reason, stamp, opening, last)
            return self._outbox.reissue(last.first_n, last.last_n, stamp) if reissue else 0

        return await self._db.run(switch)

    def on_commit(self, listener: OnCommit) -> None:
        """Call `listener(seconds, events)` on the db thread after each commit. It must post and return."""
        self._on_commit = listener

    @property
    def tail(self) -> Tail:
        """The end of the chain on disk."""
        return self._ledger.committed

    @property
    def waiting(self) -> int:
        """Unsettled events on disk."""
        return self._ledger.waiting

    async def append(self, drafts: Sequence[Draft], recorded: Stamp) -> list[Committed]:
        """Store events in this order; returns when they are on disk. Raises `StoreRefused`: nothing was stored."""
        return await self._db.run(lambda: self._outbox.append(drafts, recorded))

    async def after(self, lane: int, n: int, limit: int, *, below: int | None = None) -> list[Row]:
        """The next waiting events of a lane."""
        return await self._db.run(lambda: self._outbox.after(lane, n, limit, below=below))

    async def run(self, fn: Callable[[Outbox], ResultT]) -> ResultT:
        """Run `fn` in one transaction of the db thread."""
        return await self._db.run(lambda: fn(self._outbox))

    async def settle(self, ranges: Iterable[tuple[int, int]]) -> int:
        """The center has these ranges of `n`; how many waited."""
        fixed = list(ranges)
        return await self._db.run(lambda: self._outbox.settle(fixed))

    async def purge_step(self, now_ms: int) -> int:
        """Delete a few settled events that may go (`retention`); how many went."""
        return await self._db.run(lambda: purge_step(self._database, self._retention, now_ms))

    async def levels(self) -> Levels:
        """How full the outbox is."""
        return await self._db.run(self._outbox.levels)

    async def lineage(self) -> list[EpochView]:
        """All epochs, oldest first."""
        return await self._db.run(epochs.lineage)

    async def ping(self) -> None:
        """A no-op answered by the db thread: the watchdog's question."""
        with contextlib.suppress(StoreRefused):  # a refusal is an answer: the thread is there
            await self._db.run(lambda: None)

    async def close(self, *, clean: bool) -> None:
        """Finish what waits and close; `clean` records that nothing was cut off."""
        if clean:
            await self._db.run(epochs.note_clean_stop)
        await self._db.stop()

    def _suspect(self, damage: StoreDamaged) -> None:
        """Leave a note for the next start: this damage may lie where a start does not look."""
        _note_of(self._settings.path).write_text(f"{damage}\n")

    def _committed(self, seconds: float) -> None:
        fresh = self._ledger.commit()
        if self._settings.receipts_fd is not None:
            write_receipts(self._settings.receipts_fd, fresh)
        self._on_commit(seconds, fresh)


def write_receipts(fd: int, events: Sequence[Committed]) -> None:
    """One line per event: epoch, sequence, id, hash. The drills judge by these."""
    lines = "".join(f"{e.epoch} {e.seq} {e.id} {e.hash.hex()}\n" for e in events).encode()
    while lines:
        lines = lines[os.write(fd, lines) :]


async def open_store(settings: StoreSettings, signer: Signer, stamp: Stamp) -> Store:
    """Open the file, bring its tables up to date, look at its end; salvage it when it is damaged.

    Raises `StoreRefused` (no permission, read-only, disk full) and `StartError` (written by a newer release).
    """
    return await asyncio.get_running_loop().run_in_executor(None, _open, settings, signer, stamp)


def _open(settings: StoreSettings, signer: Signer, stamp: Stamp) -> Store:
    max_pages = _pages(settings.max_mib)
    salvaged: Salvage | None = None
    note = _note_of(settings.path)
    try:
        settings.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _heed(note)
            database = _usable(settings.path, max_pages, stamp)
        except StoreDamaged as damage:
            aside = _set_aside(settings.path, stamp)
            database = _usable(settings.path, max_pages, stamp)
            salvaged = salvage(aside, database, cause=str(damage))
            note.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreRefused(
            "store_io", f"{settings.path.parent}: {exc.strerror}; the service user must own and may write it"
        ) from exc
    return Store(settings, database, signer, salvaged)


def _pages(mib: int | None) -> int | None:
    return None if mib is None else mib * 1024 * 1024 // PAGE_SIZE


def _heed(note: Path) -> None:
    """Raise `StoreDamaged` when the last run left its note."""
    if note.exists():
        raise StoreDamaged(note.read_text().strip())


def _note_of(path: Path) -> Path:
    """The file that says: the store was found damaged while running."""
    return path.with_name(path.name + ".suspect")


def _usable(path: Path, max_pages: int | None, stamp: Stamp) -> SqliteDatabase:
    database = open_database(path, max_pages=max_pages)
    try:
        migrate(database, stamp.wall_ms)
        database.bind(TABLES)
        check_tail()
    except (PeeweeException, sqlite3.Error) as exc:
        database.close()
        raise translate(exc) from exc
    except (StoreDamaged, StartError):
        database.close()
        raise
    return database


def _set_aside(path: Path, stamp: Stamp) -> Path:
    """Rename the damaged file and its WAL; they are evidence and are never deleted by the gateway."""
    aside = path.with_name(f"{path.name}.damaged-{stamp.wall_ms}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
