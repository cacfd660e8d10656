"""A day as staff see it (`day.Day`), made of what is recalled and the roster in force. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta, tzinfo

from gateway.checkin.day import Day, Duty, Here, Hours, Visit
from gateway.checkin.due import SURE_MS, Assessment, Judge, Now, State
from gateway.checkin.hours import IN, OUT, Sign, Stay, stays
from gateway.checkin.keeper import InForce
from gateway.checkin.purposes import Purpose
from gateway.checkin.recalled import Recalled, moment
from gateway.checkin.roster import Method, Person, Window
from gateway.checkin.schedule import Where, local_day, occurrences
from gateway.store.diary_reading import Entry

_DAY = timedelta(days=1)
_COUNTS_AS = {Where.ON_TIME.value: State.DONE, Where.LATE.value: State.LATE}
_REVIEWED = {"completed": "accepted", "rejected": "refused"}


class Maker:
    """What is the same for all parts of a day."""

    def __init__(self, recalled: Recalled, in_force: InForce | None, zone: tzinfo) -> None:
        self._recalled = recalled
        self._in_force = in_force
        self._zone = zone
        self._by_id = {one.id: one for one in recalled.entries}
        self._by_id |= {one.id: one for one in recalled.late.values()}

    def day(self, day: date, now: Now) -> Day:
        """One day."""
        some = [one for one in self.stays() if one.day == day]
        head = None if self._in_force is None else self._in_force.roster.head
        return Day(
            day=day,
            roster_version=None if head is None else head.version,
            roster_age_s=None if head is None else max(0, now.wall_ms - head.issued_ms) // 1000,
            roster_expired=head is not None and head.expired(now.wall_ms),
            duties=list(self._duties(day, now)),
            visits=list(self._visits(day)),
            here=[] if day != local_day(now.wall_ms, self._zone) else list(self._here(some)),
            hours=self.hours(some),
        )

    def stays(self) -> list[Stay]:
        """Study and service of the days that were recalled."""
        return stays(self._signs(), self._zone)

    def hours(self, some: Iterable[Stay]) -> list[Hours]:
        """Added up for each person."""
        found: dict[str, Hours] = {}
        for one in some:
            sum_ = found.get(one.ref) or self._no_hours(one.ref)
            if one.seconds is not None and one.begun is Purpose.STUDY_IN:
                sum_ = replace(sum_, study_s=sum_.study_s + one.seconds)
            elif one.seconds is not None:
                sum_ = replace(sum_, service_s=sum_.service_s + one.seconds)
            elif one.open:
                sum_ = replace(sum_, open_pairs=sum_.open_pairs + 1)
            else:
                sum_ = replace(sum_, unsure_pairs=sum_.unsure_pairs + 1)
            found[one.ref] = sum_
        return list(found.values())

    def _no_hours(self, ref: str) -> Hours:
        name, protected = self._name(ref)
        return Hours(ref=ref, name=name or "", protected=protected, study_s=0, service_s=0, open_pairs=0)

    def _signs(self) -> Iterator[Sign]:
        for entry in self._recalled.entries:
            decision = self._recalled.decisions.get(entry.id)
            counts = entry.verb == "completed" or (decision is not None and decision.verb == "completed")
            purpose = self._recalled.purpose(entry)
            ref = entry.ref or (None if decision is None else decision.ref)
            if not counts or ref is None or (purpose not in IN and purpose not in OUT):
                continue
            at = None if entry.claimed_ms is not None else moment(entry)
            placed = self._recalled.placed(entry)
            yield Sign(id=entry.id, ref=ref, purpose=purpose, at=at, placed=placed, wall_ms=entry.wall_ms)

    def _here(self, some: Sequence[Stay]) -> Iterator[Here]:
        last = {(one.ref, one.begun): one for one in some if one.came is not None}
        for (ref, begun), one in last.items():
            if one.left is None and one.came is not None:
                name, protected = self._name(ref)
                since_ms = one.came.best_ms
                yield Here(ref=ref, name=name or "", protected=protected, purpose=begun, since_ms=since_ms)

    # -- duties ---------------------------------------------------------------------------------------

    def _duties(self, day: date, now: Now) -> Iterator[Duty]:
        if self._in_force is None:
            return
        roster = self._in_force.roster
        unsure = self._came_unsure(day)
        judge = Judge(roster, self._recalled.record(self._in_force), now)
        for person in roster.persons:
            duties = occurrences(person, roster.head.workdays, self._zone, day, day + _DAY)
            for judged in judge.of(person, duties):
                yield self._duty(person, judged, unsure.get(person.ref))

    def _duty(self, person: Person, judged: Assessment, unsure: Entry | None) -> Duty:
        arrival = None
        if judged.check_in is None and judged.said is not None:
            referring = self._recalled.late.get(judged.said.id)
            arrival = judged.late_arrival if referring is None else referring.id
        elif judged.check_in is None:
            arrival = judged.late_arrival
        # Nothing is called missed here that was not said to the center.
        unsaid = judged.state is State.MISSED and judged.said is None
        came = self._by_id.get(judged.check_in or arrival or "")
        unsure = unsure if came is None else None
        shown = came or unsure
        return Duty(
            ref=person.ref,
            name=person.name,
            protected=person.protected,
            unit=person.unit,
            category=person.category,
            windows=() if person.schedule is None else tuple(_local(one) for one in person.schedule.windows),
            state=State.OVER if unsaid else judged.state,
            reason=judged.reason,
            said=None if judged.said is None else judged.said.id,
            came_unsure=unsure is not None,
            came_ms=None if shown is None else self._best_ms(shown),
            late_arrival=arrival is not None,
            by_staff=came is not None and self._by_staff(came),
        )

    def _came_unsure(self, day: date) -> dict[str, Entry]:
        """Reports of that day, as the clock showed it, whose true time nobody knows well enough; by person."""
        found: dict[str, Entry] = {}
        for one in self._recalled.entries:
            if (
                one.ref is None
                or one.verb != "completed"
                or self._recalled.purpose(one) is not Purpose.REPORT
            ):
                continue
            placed = self._recalled.placed(one)
            if placed.latest_ms - placed.earliest_ms > SURE_MS and local_day(one.wall_ms, self._zone) == day:
                found[one.ref] = one
        return found

    def _by_staff(self, came: Entry) -> bool:
        return came.data.get("method") == Method.STAFF or came.id in self._recalled.decisions

    # -- visits ---------------------------------------------------------------------------------------

    def _visits(self, day: date) -> Iterator[Visit]:
        found = ((self._best_ms(one), one.n, one) for one in self._recalled.entries)
        today = [one for one in found if local_day(one[0], self._zone) == day]
        for at_ms, _, entry in sorted(today, key=lambda one: one[:2], reverse=True):
            decision = self._recalled.decisions.get(entry.id)
            ref = entry.ref or (None if decision is None else decision.ref)
            name, protected = self._name(ref)
            yield Visit(
                event=entry.id,
                at_ms=at_ms,
                kiosk=entry.data.get("kiosk", ""),
                purpose=self._recalled.purpose(entry),
                outcome=entry.verb,
                reason=entry.data.get("reason"),
                ref=ref,
                name=name,
                protected=protected,
                method=entry.data.get("method"),
                counts_as=_COUNTS_AS.get(entry.data.get("counts_as", "")),
                reviewed=None if decision is None else _REVIEWED[decision.verb],
            )

    def _best_ms(self, entry: Entry) -> int:
        placed = self._recalled.placed(entry)
        if placed.latest_ms - placed.earliest_ms > SURE_MS:
            return entry.wall_ms
        return (placed.earliest_ms + placed.latest_ms) // 2

    def _name(self, ref: str | None) -> tuple[str | None, bool]:
        person = None if ref is None or self._in_force is None else self._in_force.roster.of_ref(ref)
        return (None, False) if person is None else (person.name, person.protected)


def _local(window: Window) -> tuple[str, str]:
    return f"{window.open:%H:%M}", "24:00" if window.close is None else f"{window.close:%H:%M}"
