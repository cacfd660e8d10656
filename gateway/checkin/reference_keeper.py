"""The book of references, on disk and in memory: disk first.

It is the keeper's companion: what a roster names becomes rows in the transaction in which the roster comes into
force, so that whom a later one leaves out is still known, and can be deleted.

Where the store was put back, or a salvage lost something, slots may have changed hands since: every reference
is void for good, and what it left in a module is deleted.
A later roster does not help: what happened to a slot after the backup may never have reached the center.
"""

import logging
from collections.abc import Callable, Sequence

from gateway.checkin.at_rest import RosterSeal
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

log = logging.getLogger(__name__)


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
        note: tuple[str, str | None] | None = None,
    ) -> None:
        """Facts, rows and note together; raises `StoreRefused`: then nothing has changed."""

        def change(box: Outbox) -> None:
            put_enrolments(box.connection, sealed(rows, self._seal))
            if note is not None:
                box.note(*note)

        await self._ingest.store_with(facts, device, change)
        self.book.take(rows)

    async def module_at(self, device: str) -> str | None:
        """Which module stood there when it was last looked at."""
        return await self._store.read(lambda box: box.noted(MODULE + device))

    # -- the keeper's companion -------------------------------------------------------------------------

    async def opened(self, roster: Roster) -> None:
        """The roster that was in force before this start."""
        try:
            await self._store.run(lambda box: self._mirror(roster, box))
        except StoreRefused as exc:
            log.warning("references of the roster not kept", extra={"code": exc.code})
        await self.taken(roster)

    def put(self, roster: Roster, box: Outbox) -> None:
        """In the transaction in which it comes into force."""
        self._mirror(roster, box)

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
            put_enrolments(box.connection, sealed(_doubted(self._rows(), since), self._seal))
            box.note(DOUBTED, str(since))
            box.note(SUSPECT, None)
        box.note(EPOCH, box.lineage()[-1].epoch)

    def _mirror(self, roster: Roster, box: Outbox) -> None:
        since = box.noted(DOUBTED)
        rows = mirrored(Book(self._rows()), roster, doubted_ms=None if since is None else int(since))
        put_enrolments(box.connection, sealed(rows, self._seal))

    async def _reload(self) -> None:
        rows = await self._store.read(lambda _box: self._rows())
        if self._unkept_doubt is not None:  # in memory alone, until a start finds a disk that takes it
            rows += _doubted(rows, self._unkept_doubt)
        self.book = Book(rows)

    def _rows(self) -> list[Reference]:
        """Those that open. What damage took lies in a slot of which nothing is known, and matches nobody."""
        rows = [opened(row, self._seal) for row in all_enrolments()]
        found = [one for one in rows if one is not None]
        if len(found) < len(rows):
            log.error("references do not open", extra={"count": len(rows) - len(found)})
        return found


def _doubted(rows: Sequence[Reference], since_ms: int) -> list[Reference]:
    return [one.doubted(RESTORED, since_ms) for one in rows if one.state is State.ACTIVE]
