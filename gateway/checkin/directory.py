"""The roster in force, and what is known of templates beside it, asked by what devices say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo

from gateway.checkin.facts import RosterState, Standing, Visitor
from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.modules import Modules
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.roster import Method, Person
from gateway.checkin.schedule import Where, local_day, next_occurrence, occurrence_at
from gateway.clock import Clock, ClockQuality


class RosterDirectory:
    """`facts.Directory` over the running gateway's roster. `zone`: the center's; a day is a day there."""

    def __init__(self, keeper: RosterKeeper, references: ReferenceKeeper, clock: Clock, zone: tzinfo) -> None:
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
        now, workdays = self._clock.now(), in_force.roster.head.workdays
        if now.quality is ClockQuality.UNSYNCED:
            return Standing(None, None)
        duty = occurrence_at(person, workdays, self._zone, now.wall_ms)
        where = Where.NOT_DUE if duty is None else duty.where(now.wall_ms)
        today = local_day(now.wall_ms, self._zone)
        again = duty is not None and where in {Where.EARLY, Where.OUTSIDE} and now.wall_ms < duty.close_ms
        following = next_occurrence(
            person, workdays, self._zone, today if again else today + timedelta(days=1)
        )
        return Standing(where, None if following is None else following.day)

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
