"""The roster in force, and what is known of templates beside it, asked by what devices say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta, tzinfo

from gateway.checkin.facts import RosterState, Standing, Visitor
from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.modules import Modules
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.references import DOUBTS, State, said_at
from gateway.checkin.roster import Method, Person, Roster
from gateway.checkin.said import Said
from gateway.checkin.schedule import Where, local_day, next_occurrence, occurrence_at, occurrences
from gateway.clock import Clock, ClockQuality

_DAY = timedelta(days=1)


class RosterDirectory:
    """`facts.Directory` over the running gateway's roster. `zone`: the center's; a day is a day there."""

    def __init__(
        self,
        keeper: RosterKeeper,
        references: ReferenceKeeper,
        clock: Clock,
        zone: tzinfo,
        said: Said | None = None,
    ) -> None:
        """`said`: what was stated of whom, for a late arrival to refer to."""
        self._said = said or Said()
        self._keeper = keeper
        self._references = references
        self._clock = clock
        self._zone = zone

    @property
    def state(self) -> RosterState | None:
        """Which roster decides; None: there is none."""
        if self._keeper.in_force is None:
            return None
        head, now_ms = self._keeper.in_force.roster.head, self._clock.now().wall_ms
        age_s = max(0, now_ms - head.issued_ms) // 1000
        return RosterState(head.version, age_s, expired=head.expired(now_ms))

    def by_card(self, number_hmac: str) -> Visitor | None:
        """By the keyed hash, in hex digits, that `identity.card_read` carries."""
        in_force = self._keeper.in_force
        return None if in_force is None else self._seen(in_force.roster.of_number(bytes.fromhex(number_hmac)))

    def by_slot(self, module: str, slot: int) -> Visitor | None:
        """By the place of a template; nobody where two are meant, or where there is a doubt."""
        in_force = self._keeper.in_force
        if in_force is None:
            return None
        owner = self._references.book.owner(module, slot, in_force.roster)
        return None if owner is None else self._seen(in_force.roster.of_ref(owner))

    def standing(self, ref: str) -> Standing | None:
        """Where now lies to the duty of today, and the day of the next one."""
        in_force = self._keeper.in_force
        person = None if in_force is None else in_force.roster.of_ref(ref)
        if in_force is None or person is None or person.schedule is None:
            return None
        now = self._clock.now()
        if now.quality is ClockQuality.UNSYNCED:
            return Standing(None, None)
        return self.standing_at(in_force.roster, person, now.wall_ms)

    def standing_at(self, roster: Roster, person: Person, at_ms: int) -> Standing:
        """The same of any moment."""
        workdays, today = roster.head.workdays, local_day(at_ms, self._zone)
        duty = occurrence_at(person, workdays, self._zone, at_ms)
        where = Where.NOT_DUE if duty is None else duty.where(at_ms)
        again = duty is not None and where in {Where.EARLY, Where.OUTSIDE} and at_ms < duty.close_ms
        following = next_occurrence(person, workdays, self._zone, today if again else today + _DAY)
        return Standing(
            where,
            None if following is None else following.day,
            None if duty is None or duty.on_leave else duty.day,
            self._late_arrival(roster, person, where, today),
        )

    def _late_arrival(self, roster: Roster, person: Person, where: Where, today: date) -> str | None:
        """What was stated of the last duty, where this is the first check-in since then and before the next."""
        said = self._said.of(person.ref)
        if said is None or said.day > today or where in {Where.ON_TIME, Where.LATE}:
            return None
        since = occurrences(person, roster.head.workdays, self._zone, said.day + _DAY, today + _DAY)
        return None if any(not duty.on_leave for duty in since) else said.event

    def _seen(self, person: Person | None) -> Visitor | None:
        if person is None:
            return None
        today = local_day(self._clock.now().wall_ms, self._zone)
        return Visitor(
            person.ref,
            person.name,
            person.methods,
            ended=today > person.until,
            protected=person.protected,
            reenrol=self._references.book.doubtful(person.ref),
        )


class DirectoryOfTerminals(RosterDirectory):
    """The same for machines that compare themselves: the roster alone says whose place it is.

    What is kept here is about modules in which this gateway enrols and deletes. A doubt about those (a store that
    was put back) would make everybody a stranger at a terminal, for good: nobody is enrolled anew there by us.
    """

    def by_slot(self, module: str, slot: int) -> Visitor | None:
        """`facts.Directory`."""
        in_force = self._keeper.in_force
        said = None if in_force is None else said_at(in_force.roster, module, slot)
        if in_force is None or said is None or self._released(said[1]):
            return None
        return self._seen(in_force.roster.of_ref(said[0]))

    def _released(self, enrolment: str) -> bool:
        """Nothing of a person who was released counts, whether or not the terminal has heard of it."""
        known = self._references.book.find(enrolment)
        gone = known is not None and known.state in {State.ERASING, State.ERASED}
        return gone and known is not None and known.reason not in DOUBTS


class DirectoryAt:
    """The same at one kiosk: nobody is asked for a finger that no module there holds."""

    def __init__(self, directory: RosterDirectory, modules: Modules, devices: Sequence[str]) -> None:
        self._directory = directory
        self._modules = modules
        self._devices = devices

    @property
    def state(self) -> RosterState | None:
        """`facts.Directory`."""
        return self._directory.state

    def by_card(self, number_hmac: str) -> Visitor | None:
        """`facts.Directory`; the word of staff is left where nothing else is."""
        person = self._directory.by_card(number_hmac)
        if person is None:
            return None
        usable = self._modules.usable(person.ref, self._devices)
        return replace(person, methods=person.methods & (usable | {Method.STAFF}))

    def by_slot(self, module: str, slot: int) -> Visitor | None:
        """`facts.Directory`."""
        return self._directory.by_slot(module, slot)

    def standing(self, ref: str) -> Standing | None:
        """`facts.Directory`."""
        return self._directory.standing(ref)
