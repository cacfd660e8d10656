"""Who is released, and what became of it: staff and the roster say so, the modules do it when they are there."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import tzinfo

from gateway.checkin.erasure import proof
from gateway.checkin.modules import UNKNOWN_SLOTS, Modules
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.references import DOUBTS, Book, State
from gateway.checkin.release import STAFF, due, erased, released, to_erase
from gateway.checkin.schedule import local_day
from gateway.clock import Clock, ClockQuality
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact
from gateway.view import HealthItem, Level

log = logging.getLogger(__name__)

LOOK_S = 1.0
PEOPLE_S = 30.0  # between looks at roster and clock


class Releases:
    """The people of all modules."""

    def __init__(
        self,
        modules: Modules,
        references: ReferenceKeeper,
        *,
        clock: Clock,
        zone: tzinfo,
        changed: Callable[[], None],
        enrolling: Callable[[], frozenset[str]] = frozenset,
        terminals: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        """`enrolling`: people who are being enrolled now, and are left alone.

        `terminals`: serial numbers of those in which the roster alone says whose place it is.
        """
        self.held_back: frozenset[str] = frozenset()  # left out by a roster together with many
        self._modules = modules
        self._references = references
        self._clock = clock
        self._zone = zone
        self._changed = changed
        self._enrolling = enrolling
        self._terminals = terminals
        # Book, its version and the terminals; what they came to.
        self._counted: tuple[Book, tuple[int, frozenset[str]], int, int] | None = None

    async def release(self, person: str, *, by: str, reason: str) -> bool:
        """Staff release somebody; from here on nothing of theirs counts. False: there is nothing of theirs."""
        keeper, now_ms = self._references, self._clock.now().wall_ms
        rows = released(keeper.book, person, by=by, reason=STAFF, now_ms=now_ms)
        data: dict[str, Json] = {
            "outcome": "release",
            "by": by,
            "staff_reason": reason,
            "enrolments": [one.id for one in rows],
        }
        await keeper.commit(
            [Fact("audit.enrolled", f"person/{person}", data, restricted=True)], rows, "gateway"
        )
        self._changed()
        return bool(rows)

    async def run(self) -> None:
        """For as long as the gateway runs."""
        roster, looked_s = None, -PEOPLE_S
        while True:
            await asyncio.sleep(LOOK_S)
            if self._references.roster is roster and time.monotonic() - looked_s < PEOPLE_S:
                continue
            if self._references.roster is not roster:
                self._modules.look_again()  # what it names may not be there
            roster, looked_s = self._references.roster, time.monotonic()
            try:
                await self.look()
            except StoreRefused as exc:
                log.warning("releases not noted yet", extra={"code": exc.code})

    async def look(self) -> None:
        """Note who is to be deleted, and close what no module holds any more. Raises `StoreRefused`."""
        keeper, now = self._references, self._clock.now()
        vouched = now.quality is ClockQuality.SYNCED or (
            now.quality is ClockQuality.HOLDOVER and now.error_ms is not None
        )
        today = local_day(now.wall_ms, self._zone)
        found = due(keeper.book, keeper.roster, today=today, now_ms=now.wall_ms, vouched=vouched)
        self.held_back = found.held_back
        if found.marked:
            await keeper.commit([], found.marked, "gateway")
        busy = self._enrolling()
        for person, reason in found.reasons.items():
            if person not in busy:
                rows = released(keeper.book, person, by=None, reason=reason, now_ms=now.wall_ms)
                await keeper.commit([], rows, "gateway")
                log.info("release begun", extra={"cause": reason, "count": len(rows)})
        for person, gone in to_erase(keeper.book, None).items():
            for module in sorted({one.module for one in gone}):
                mine = [one for one in gone if one.module == module]
                fact = proof(module, person, mine, now.wall_ms, gone=True)
                await keeper.commit([fact], erased(mine, now.wall_ms), "gateway")
        self._changed()

    def health(self) -> list[HealthItem]:
        """What somebody should see to; numbers, and no person."""
        anew, waiting = self._counts()
        counts = {"reenrol": anew, "erasing": waiting, "release_held": len(self.held_back)}
        found = [
            HealthItem(code=code, level=Level.ATTENTION, detail=str(count))
            for code, count in counts.items()
            if count
        ]
        found += [
            HealthItem(code=UNKNOWN_SLOTS, level=Level.ATTENTION, subject=device, detail=str(count))
            for device, count in self._modules.unknown.items()
            if count
        ]
        return found

    def _counts(self) -> tuple[int, int]:
        """People to be enrolled anew, and deletions that wait; counted anew only when something changed."""
        book, terminals = self._references.book, self._terminals()
        now = (book.version, terminals)
        if self._counted is None or self._counted[0] is not book or self._counted[1] != now:
            anew = {
                one.person
                for one in book
                if one.reason in DOUBTS and one.module not in terminals and book.doubtful(one.person)
            }
            waiting = {
                (one.person, one.module)
                for one in book
                if one.state is State.ERASING and one.reason not in DOUBTS
            }
            self._counted = book, now, len(anew), len(waiting)
        return self._counted[2], self._counted[3]
