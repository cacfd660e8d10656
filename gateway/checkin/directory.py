"""The roster in force, asked by what devices say."""

from datetime import timedelta, tzinfo

from gateway.checkin.facts import RosterState, Standing, Visitor
from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.roster import Person
from gateway.checkin.schedule import Where, local_day, next_occurrence, occurrence_at
from gateway.clock import Clock, ClockQuality


class RosterDirectory:
    """`facts.Directory` over the running gateway's roster. `zone`: the center's; a day is a day there."""

    def __init__(self, keeper: RosterKeeper, clock: Clock, zone: tzinfo) -> None:
        self._keeper = keeper
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
        """By the place of a template."""
        in_force = self._keeper.in_force
        return None if in_force is None else self._seen(in_force.roster.of_slot(module, slot))

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
            person.ref, person.name, person.methods, ended=today > person.until, protected=person.protected
        )
