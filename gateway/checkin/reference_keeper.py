"""The book of references, on disk and in memory: disk first.

It is the keeper's companion: what a roster names becomes rows in the transaction in which the roster comes into
force, so that whom a later one leaves out is still known, and can be deleted.

Where the store was put back, or a salvage lost something, slots may have changed hands since: every reference
is void for good, and what it left in a module is deleted.
A later roster does not help: what happened to a slot after the backup may never have reached the center.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.checkin.at_rest import RosterSeal
from gateway.checkin.beside import aside
from gateway.checkin.reference_rows import opened, sealed
from gateway.checkin.references import RESTORED, Book, Reference, State, mirrored
from gateway.checkin.roster import Roster
from gateway.errors import StoreRefused
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.store.enrolments import (
    SUSPECT,
    all_enrolments,
    memory_doubted_since,
    put_enrolments,
)
from gateway.store.outbox import Outbox
from gateway.store.store import Store

EPOCH = "references_epoch"  # state: the epoch that ran when the references were last vouched for
DOUBTED = "references_doubted_ms"  # state: when the store was put back last
MODULE = "module:"  # state: which module stood last at a device
EXPECTED = "expected:"  # state: which others may come there, as a list in JSON

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a roster comes to, made before the transaction, and on what it rests."""

    roster: bytes  # digest
    before: list[bytes]
    doubted: str | None
    rows: list[tuple[bytes, bytes]]


class ReferenceKeeper:
    """Holds the references in force."""

    def __init__(self, store: Store, ingest: Ingest, seal: RosterSeal, now_ms: Callable[[], int]) -> None:
        self.book = Book()
        self.roster: Roster | None = None
        self._store = store
        self._ingest = ingest
        self._seal = seal
        self._now_ms = now_ms
        self._unkept_doubt: int | None = None
        self._ready: _Ready | None = None
        self._changes = 0  # of the book, in this run

    async def load(self) -> None:
        """Before anything is asked of it, and before the roster is opened. A disk that takes nothing stops nothing."""
        try:
            await self._store.run(self._doubt)
        except StoreRefused as exc:
            log.warning("references not vouched for on disk", extra={"code": exc.code})
            self._unkept_doubt = await self._store.read(self._since)
        await self._reload()

    async def commit(
        self,
        facts: Sequence[Fact],
        rows: Sequence[Reference],
        device: str,
        *,
        notes: Mapping[str, str | None] | None = None,
    ) -> None:
        """Facts, rows and notes together; raises `StoreRefused`: then nothing has changed."""

        def change(box: Outbox) -> None:
            put_enrolments(box.connection, sealed(rows, self._seal))
            for key, value in (notes or {}).items():
                box.note(key, value)

        await self._ingest.store_with(facts, device, change)
        self.book.take(rows)
        self._changes += 1

    async def module_at(self, device: str) -> str | None:
        """Which module stood there when it was last looked at."""
        return await self._store.read(lambda box: box.noted(MODULE + device))

    async def expected_at(self, device: str) -> Sequence[str]:
        """Modules that may come there, because the one that stood there was found in their place."""
        text = await self._store.read(lambda box: box.noted(EXPECTED + device))
        try:
            found = json.loads(text or "[]")
        except ValueError:
            return ()  # damage; the modules are looked for no more
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else ()

    # -- the keeper's companion -------------------------------------------------------------------------

    async def opened(self, roster: Roster) -> None:
        """The roster that was in force before this start."""
        try:
            await self.prepare(roster)
            await self._store.run(lambda box: self.put(roster, box))
        except StoreRefused as exc:
            log.warning("references of the roster not kept", extra={"code": exc.code})
        await self.taken(roster)

    async def prepare(self, roster: Roster) -> None:
        """Thousands of rows are opened and sealed beside the db thread: check-ins wait behind a transaction."""
        before, doubted = await self._store.read(lambda box: (all_enrolments(), box.noted(DOUBTED)))
        rows = await aside(lambda: self._mirrored(before, roster, doubted))
        self._ready = _Ready(roster.digest, before, doubted, rows)

    def put(self, roster: Roster, box: Outbox) -> None:
        """In the transaction in which it comes into force; what was prepared holds only if nothing changed since."""
        before, doubted = all_enrolments(), box.noted(DOUBTED)
        ready, self._ready = self._ready, None
        if ready is None or (ready.roster, ready.before, ready.doubted) != (roster.digest, before, doubted):
            rows = self._mirrored(before, roster, doubted)
        else:
            rows = ready.rows
        put_enrolments(box.connection, rows)

    async def taken(self, roster: Roster) -> None:
        """It is in force."""
        await self._reload()
        self.roster = roster

    # -- on the db thread -------------------------------------------------------------------------------

    def _since(self, box: Outbox) -> int | None:
        return self._now_ms() if box.noted(SUSPECT) is not None else memory_doubted_since(box.noted(EPOCH))

    def _doubt(self, box: Outbox) -> None:
        since = self._since(box)
        if since is not None:
            put_enrolments(
                box.connection, sealed(_doubted(self._opened(all_enrolments()), since), self._seal)
            )
            box.note(DOUBTED, str(since))
            box.note(SUSPECT, None)
        box.note(EPOCH, box.lineage()[-1].epoch)

    # -- beside the loop, or on the db thread -----------------------------------------------------------

    def _mirrored(
        self, before: Sequence[bytes], roster: Roster, doubted: str | None
    ) -> list[tuple[bytes, bytes]]:
        book = Book(self._opened(before))
        rows = mirrored(book, roster, doubted_ms=None if doubted is None else int(doubted))
        return list(sealed(rows, self._seal))

    def _opened(self, rows: Sequence[bytes]) -> list[Reference]:
        """Those that open. What damage took lies in a slot of which nothing is known, and matches nobody."""
        found = [one for one in (opened(row, self._seal) for row in rows) if one is not None]
        if len(found) < len(rows):
            log.error("references do not open", extra={"count": len(rows) - len(found)})
        return found

    async def _reload(self) -> None:
        changes = -1
        while changes != self._changes:  # what was enrolled while this was read is not in it
            changes = self._changes
            sealed_rows = await self._store.read(lambda _box: all_enrolments())
            rows = await aside(partial(self._opened, sealed_rows))
        if self._unkept_doubt is not None:  # in memory alone, until a start finds a disk that takes it
            rows += _doubted(rows, self._unkept_doubt)
        self.book = Book(rows)


def _doubted(rows: Sequence[Reference], since_ms: int) -> list[Reference]:
    return [one.doubted(RESTORED, since_ms) for one in rows if one.state is State.ACTIVE]
