"""What staff record: a check-in for which no kiosk was there (补录), and a decision about one that waited.

Both are events like any other, signed and never rewritten: the entry says who wrote it, when it is said to
have been, and why; the decision names the event it decides, which stays as it is. Each is recorded once,
asked in the transaction of the event: of an entry by its key, of a decision by the event it is about.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from sqlite3 import Connection

from gateway.checkin.beside import aside
from gateway.checkin.directory import RosterDirectory
from gateway.checkin.facts import standing_data
from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.purposes import Purpose
from gateway.checkin.roster import Method, Person, Roster
from gateway.clock import Clock, ClockQuality, iso_ms
from gateway.envelope import GATEWAY_DEVICE
from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.store import diary, diary_reading
from gateway.store.diary_reading import Entry, moment_of
from gateway.store.outbox import Outbox

MOST_BACK_MS = 31 * 86_400_000  # an entry is about this month; older ones are for the center
MOST_REASON = 500  # characters
MOST_KEY = 128
REFUSED = "review_refused"  # reason of a `checkin.rejected`


class ByHand:
    """What signed-in staff may record."""

    def __init__(
        self, *, path: Path, ingest: Ingest, keeper: RosterKeeper, directory: RosterDirectory, clock: Clock
    ) -> None:
        """`path`: of the store."""
        self._path = path
        self._ingest = ingest
        self._keeper = keeper
        self._directory = directory
        self._clock = clock

    async def enter(
        self, *, ref: str, purpose: Purpose, at_ms: int, staff: str, reason: str, key: str
    ) -> str:
        """`day.DayBook.enter`."""
        reason = _reason(reason)
        if not 0 < len(key) <= MOST_KEY:
            raise ContractError("bad_key", f"the key of an entry has 1 to {MOST_KEY} characters")
        roster, person = self._known(ref)
        now = self._clock.now()
        vouched = now.quality is not ClockQuality.UNSYNCED
        if not vouched or not now.wall_ms - MOST_BACK_MS <= at_ms <= now.wall_ms:
            raise ContractError(
                "bad_time",
                "the time of an entry lies within the last 31 days, by a clock that is set; correct the time, "
                "or wait until the gateway has the time",
            )
        data: dict[str, Json] = {
            "purpose": purpose,
            "method": Method.STAFF,
            "entered_by": staff,
            "staff_reason": reason,
            "occurred": iso_ms(at_ms),
            "entry": key,
        }
        if purpose is Purpose.REPORT and person.schedule is not None:
            data |= standing_data(self._directory.standing_at(roster, person, at_ms))
        return await self._once("completed", person.ref, data, partial(diary.entered, entry=key))

    async def review(
        self, *, event: str, accept: bool, staff: str, reason: str, ref: str | None, purpose: Purpose | None
    ) -> str:
        """`day.DayBook.review`."""
        reason = _reason(reason)
        waiting = await aside(partial(self._look, event))
        if waiting is None or waiting.verb != "pending_review":
            raise ContractError("not_waiting", "no check-in of this id waits for review; read the day again")
        whose = waiting.ref or ref
        if waiting.ref is not None and ref not in (None, waiting.ref):
            raise ContractError(
                "unknown_person", "the card was another person's than is named; leave the person out"
            )
        if accept or (waiting.ref is None and whose is not None):
            whose = self._known(whose or "")[1].ref
        said = waiting.data.get("purpose")
        if said is not None and purpose not in (None, said):
            raise ContractError(
                "bad_purpose", "the check-in was for another purpose than is named; leave the purpose out"
            )
        if accept and said is None and purpose is None:
            raise ContractError("no_purpose", "the check-in does not say what it was for; name the purpose")
        verb = "completed" if accept else "rejected"
        data: dict[str, Json] = {
            "review_of": event,
            "method": Method.STAFF,
            "staff": staff,
            "staff_reason": reason,
        }
        if not accept:
            data["reason"] = REFUSED
        data |= {name: waiting.data[name] for name in ("purpose", "kiosk", "session") if name in waiting.data}
        if purpose is not None:
            data["purpose"] = purpose

        def decided(connection: Connection) -> str | None:
            before = diary.reviewed(connection, event)
            if before is None:
                return None
            if before[1:] != (verb, whose, data.get("purpose")):
                raise ContractError("not_waiting", "somebody decided otherwise already; read the day again")
            return before.id

        return await self._once(verb, whose, data, decided)

    def _look(self, event: str) -> Entry | None:
        with moment_of(self._path) as reading:
            return diary_reading.by_id(reading, event)

    def _known(self, ref: str) -> tuple[Roster, Person]:
        in_force = self._keeper.in_force
        person = None if in_force is None else in_force.roster.of_ref(ref)
        if in_force is None or person is None:
            raise ContractError("unknown_person", "the roster in force knows nobody of this reference")
        return in_force.roster, person

    async def _once(
        self,
        verb: str,
        ref: str | None,
        data: Mapping[str, Json],
        before: Callable[[Connection], str | None],
    ) -> str:
        """Store it, unless `before` names the event that says so already; the id of either."""
        state = self._directory.state
        told: dict[str, Json] = {}
        if state is not None:
            told = {"roster_version": state.version, "roster_age_s": state.age_s}
        subject = f"device/{GATEWAY_DEVICE}" if ref is None else f"person/{ref}"
        fact = Fact(f"checkin.{verb}", subject, {**data, **told}, restricted=True)
        known: list[str] = []

        def choose(box: Outbox) -> Collection[int]:
            known.clear()
            found = before(box.connection)
            if found is None:
                return (0,)
            known.append(found)
            return ()

        (committed,) = await self._ingest.store_chosen([fact], GATEWAY_DEVICE, choose)
        return known[0] if committed is None else committed.id


def _reason(text: str) -> str:
    text = text.strip()
    if not 0 < len(text) <= MOST_REASON:
        raise ContractError("no_reason", f"a reason of 1 to {MOST_REASON} characters is needed")
    return text
