"""When somebody has to come, and where a moment lies. Pure: days, times and the zone are handed in.

A duty has a nominal day (the schedule's) and a day (the one it is really due on, moved by days off). There
is at most one duty on a day: what is moved onto the day of another one is one with it, and `nominal` names
both, so that none is lost and nobody has to come twice at once. A duty belongs to its day: it is due in a
stretch of days exactly when its day is, wherever the stretch is cut.

Windows are local times. Where the zone changes its clocks, a window that begins or ends in the change is
the longer of what could be meant.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache

from gateway.checkin.roster import DayOff, Person, Repeat, Schedule
from gateway.checkin.workdays import MOST_OFF, Workdays

_DAY = timedelta(days=1)
_MS = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN = timedelta(days=MOST_OFF + 1)  # so far a day off can move a duty
_STEP = timedelta(
    days=62
)  # searched at once for the next duty: two months hold one of any schedule but `dates`


class Where(StrEnum):
    """Where a moment lies to a duty."""

    NOT_DUE = "not_due"  # another day, or leave
    EARLY = "early"  # on the day, before it opens
    ON_TIME = "on_time"
    LATE = "late"  # in the grace after the last window
    OUTSIDE = "outside"  # on the day, between windows or after the grace


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One duty to come. Times in ms since 1970, UTC; an end is not part of what it ends."""

    person: str
    day: date
    nominal: tuple[date, ...]
    day_start_ms: int
    windows: tuple[tuple[int, int], ...]
    late_until_ms: int  # the end of the grace
    day_end_ms: int
    on_leave: bool
    known: bool  # the province has said what days these are; else an ordinary week was assumed

    @property
    def open_ms(self) -> int:
        """The first moment that is on time."""
        return self.windows[0][0]

    @property
    def close_ms(self) -> int:
        """The end of the last window."""
        return self.windows[-1][1]

    def where(self, moment_ms: int) -> Where:
        """Where a moment lies."""
        if self.on_leave or not self.day_start_ms <= moment_ms < self.day_end_ms:
            return Where.NOT_DUE
        if any(opens <= moment_ms < closes for opens, closes in self.windows):
            return Where.ON_TIME
        if moment_ms < self.open_ms:
            return Where.EARLY
        if self.close_ms <= moment_ms < self.late_until_ms:
            return Where.LATE
        return Where.OUTSIDE


def occurrences(
    person: Person, workdays: Workdays, zone: tzinfo, first: date, end: date
) -> tuple[Occurrence, ...]:
    """The duties of `person` from the day `first` up to, not including, the day `end`, in order."""
    schedule = person.schedule
    if schedule is None:
        return ()
    first, end = max(first, person.since), min(end, person.until + _DAY)
    found: dict[date, tuple[list[date], bool]] = {}
    for nominal, moved in _moved_days(schedule, workdays, first - _MARGIN, end + _MARGIN):
        if not person.since <= nominal <= person.until:
            continue
        if moved is None or not first <= moved[0] < end:
            continue
        day, known = moved
        names, all_known = found.setdefault(day, ([], True))
        names.append(nominal)
        found[day] = names, all_known and known
    return tuple(
        _occurrence(person, schedule, day, tuple(names), zone, known=known)
        for day, (names, known) in sorted(found.items())
    )


def occurrence_at(person: Person, workdays: Workdays, zone: tzinfo, moment_ms: int) -> Occurrence | None:
    """The duty of the local day on which a moment lies; on leave too."""
    day = local_day(moment_ms, zone)
    return next(iter(occurrences(person, workdays, zone, day, day + _DAY)), None)


def next_occurrence(person: Person, workdays: Workdays, zone: tzinfo, first: date) -> Occurrence | None:
    """The next duty from the day `first` on that no leave covers: what a person is told. None: no more."""
    while first <= person.until:
        for one in occurrences(person, workdays, zone, first, first + _STEP):
            if not one.on_leave:
                return one
        first += _STEP
    return None


def local_day(moment_ms: int, zone: tzinfo) -> date:
    """The day in the center's zone."""
    return (_EPOCH + moment_ms * _MS).astimezone(zone).date()


def nominal_days(schedule: Schedule, first: date, end: date) -> Iterator[date]:
    """The days that a schedule names, days off or not, rising."""
    match schedule.repeat:
        case Repeat.DATES:
            yield from (day for day in schedule.dates if first <= day < end)
        case Repeat.WEEKLY:
            for count in range((end - first).days):
                day = first + timedelta(days=count)
                if day.isoweekday() in schedule.days:
                    yield day
        case Repeat.HALF_MONTHLY | Repeat.MONTHLY:
            year, month = first.year, first.month
            while date(year, month, 1) < end:
                last = calendar.monthrange(year, month)[1]
                for number in schedule.days:
                    day = date(year, month, min(number, last))
                    if first <= day < end:
                        yield day
                year, month = (year, month + 1) if month < 12 else (year + 1, 1)


@lru_cache(maxsize=256)  # thousands of persons share a few schedules
def _moved_days(
    schedule: Schedule, workdays: Workdays, first: date, end: date
) -> tuple[tuple[date, tuple[date, bool] | None], ...]:
    """The nominal days of a stretch, and what became of each."""
    return tuple(
        (nominal, _moved(nominal, schedule.day_off, workdays))
        for nominal in nominal_days(schedule, first, end)
    )


def _moved(nominal: date, day_off: DayOff, workdays: Workdays) -> tuple[date, bool] | None:
    """(day, whether every day that was looked at is known); None: the duty falls away."""
    if day_off is DayOff.KEEP:
        return nominal, True
    if day_off is DayOff.SKIP:
        return None if workdays.is_off(nominal) else (nominal, workdays.is_known(nominal))
    search = workdays.next_workday if day_off is DayOff.NEXT else workdays.previous_workday
    day = search(nominal)
    if day is None:  # more than a month of days off: reading refuses such a calendar
        return nominal, False
    return day, workdays.is_known(nominal) and workdays.is_known(day)


def _occurrence(
    person: Person, schedule: Schedule, day: date, nominal: tuple[date, ...], zone: tzinfo, *, known: bool
) -> Occurrence:
    day_start_ms, day_end_ms, windows = _times(schedule, day, zone)
    return Occurrence(
        person=person.ref,
        day=day,
        nominal=nominal,
        day_start_ms=day_start_ms,
        windows=windows,
        late_until_ms=min(windows[-1][1] + schedule.grace_min * 60_000, day_end_ms),
        day_end_ms=day_end_ms,
        on_leave=person.on_leave(day),
        known=known,
    )


@lru_cache(maxsize=256)
def _times(schedule: Schedule, day: date, zone: tzinfo) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """Begin and end of the day, and the windows."""
    day_start_ms, day_end_ms = midnight_ms(day, zone), midnight_ms(day + _DAY, zone)
    windows = tuple(
        (max(day_start_ms, _begin(day, one.open, zone)), min(day_end_ms, _end(day, one.close, zone)))
        for one in schedule.windows
    )
    return day_start_ms, day_end_ms, windows


def midnight_ms(day: date, zone: tzinfo) -> int:
    """Where clocks leap over midnight, the leap is it."""
    return _both(day, time(), zone)[0]


def _begin(day: date, at: time, zone: tzinfo) -> int:
    return min(_both(day, at, zone))


def _end(day: date, at: time | None, zone: tzinfo) -> int:
    return midnight_ms(day + _DAY, zone) if at is None else max(_both(day, at, zone))


def _both(day: date, at: time, zone: tzinfo) -> tuple[int, int]:
    """What a local time may mean: twice the same, but where clocks are changed."""
    local = datetime.combine(day, at, zone)
    early, late = ((local.replace(fold=fold) - _EPOCH) // _MS for fold in (0, 1))
    return early, late
