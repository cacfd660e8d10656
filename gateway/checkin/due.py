"""What this gateway can say of who was due: done, late, missed, or not to be said, and why. Pure.

`missed` is a statement of this gateway, not a verdict, and it is never made on a doubt. It needs all of:
the time is over whatever the clocks got wrong, and somebody has vouched for the clock for ten minutes; the
roster has not expired and names this gateway as responsible; the person was known here, and the roster
issued, before it could be too late; the province has said what day it was; gateway and kiosk could take
check-ins through every window, to its end, but for gaps so short that a person waits; and no check-in may,
by what is known of its time, be the one that is missed. Otherwise it is `unassessed`, with the first reason.

A check-in that was taken while the clock was unset counts, without "on time" or "late": the center judges.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from enum import StrEnum

from gateway.checkin.roster import Person, Roster
from gateway.checkin.schedule import Occurrence, Where, occurrences
from gateway.checkin.timeline import FOREVER_MS, Moment, Placed, Span, Timeline, both

STEADY_S = 600  # so long a clock must have been vouched for, without a step
SURE_MS = (
    60_000  # a check-in whose time is known as well as this is judged by the best known time, as at the kiosk
)
MOST_GAP_MS = 5 * 60_000  # a person at a dark kiosk waits so long, or is told by staff to


class State(StrEnum):
    """How a duty stands."""

    UPCOMING = "upcoming"
    OPEN = "open"  # can be done now
    OVER = "over"  # nothing can be said yet: the clock is not vouched for, or not for long enough
    DONE = "done"
    LATE = "late"  # done, in the grace
    MISSED = "missed"
    UNASSESSED = "unassessed"
    ON_LEAVE = "on_leave"
    ELSEWHERE = "elsewhere"  # another gateway is responsible


class Reason(StrEnum):
    """Why nothing can be said of a duty."""

    CLOCK = "clock"  # nobody vouches for the time with a bound
    ROSTER_EXPIRED = "roster_expired"
    ROSTER_LATE = "roster_late"  # issued, or the person known here, when it was open already
    CALENDAR_UNKNOWN = "calendar_unknown"
    UNAVAILABLE = "unavailable"  # gateway or kiosk could not take check-ins
    CHECKIN_TIME = "checkin_time"  # there is a check-in that may be the one
    OUTSIDE_WINDOW = "outside_window"  # somebody came on the day, before or between the windows
    REVIEW = "review"  # a check-in that may be the one waits for staff


@dataclass(frozen=True, slots=True)
class CheckIn:
    """A check-in that was recorded; `unsynced`: its clock was not set."""

    id: str
    person: str
    at: Moment
    unsynced: bool
    claimed_ms: int | None = None  # by somebody's word it was then: entered by hand, and counted


@dataclass(frozen=True, slots=True)
class Statement:
    """A `checkin.missed` or `checkin.unassessed` that was recorded."""

    id: str
    state: State
    reason: Reason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The moment of asking."""

    at: Moment
    wall_ms: int  # as the clock shows it
    steady_s: int  # synced or in holdover for so long without a step; 0 while unset


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What happened, as recorded."""

    timeline: Timeline
    check_ins: Sequence[CheckIn]
    gateway_up: Sequence[Span]  # events could be stored
    kiosk_up: Sequence[Span]  # some kiosk could take a check-in
    applied: Moment  # when the roster came into force
    known_since: Mapping[str, Moment]  # whom the rosters before had, with the same number and duties
    said: Mapping[tuple[str, date], Statement]  # by person and day
    waiting: Sequence[CheckIn] = ()  # for the decision of staff


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far check-ins could be taken in the windows and the grace, for certain."""

    window_s: int
    available_s: int
    longest_gap_s: int
    through: bool  # every window to its end, but for short gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What can be said of one duty."""

    occurrence: Occurrence
    state: State
    reason: Reason | None = None
    check_in: str | None = None  # the one that counts
    where: Where | None = None  # of it: on time, late; None where the center judges
    late_arrival: str | None = None  # one after it was over; it refers to `said`
    said: Statement | None = None  # what was stated before
    coverage: Coverage | None = None  # with a new statement
    roster_version: int | None = None
    roster_age_s: int | None = None


def assess(
    roster: Roster, record: Record, now: Now, zone: tzinfo, first: date, end: date
) -> list[Assessment]:
    """Every duty from the day `first` up to, not including, the day `end`, in the order of the roster."""
    judge = Judge(roster, record, now)
    return [
        judged
        for person in roster.persons
        for judged in judge.of(person, occurrences(person, roster.head.workdays, zone, first, end))
    ]


class Judge:
    """What is the same for all persons, looked up once."""

    def __init__(self, roster: Roster, record: Record, now: Now) -> None:
        self._head = roster.head
        self._record = record
        self._now = now
        self._now_placed = record.timeline.place(now.at)
        self._up = record.timeline.certain(both(record.gateway_up, record.kiosk_up))
        self._applied_ms = record.timeline.place(record.applied).latest_ms
        self._check_ins: dict[str, list[tuple[CheckIn, Placed]]] = {}
        for one in record.check_ins:
            self._check_ins.setdefault(one.person, []).append((one, self._placed(one)))
        self._waiting: dict[str, list[Placed]] = {}
        for one in record.waiting:
            self._waiting.setdefault(one.person, []).append(self._placed(one))

    def _placed(self, one: CheckIn) -> Placed:
        if one.claimed_ms is not None:
            return Placed(one.claimed_ms, one.claimed_ms)
        return self._record.timeline.place(one.at)

    def of(self, person: Person, duties: Sequence[Occurrence]) -> Iterable[Assessment]:
        """The duties of one person, in order."""
        for index, duty in enumerate(duties):
            until_ms = duties[index + 1].day_start_ms if index + 1 < len(duties) else FOREVER_MS
            yield self._one(person, duty, until_ms)

    def _one(self, person: Person, duty: Occurrence, until_ms: int) -> Assessment:
        said = self._record.said.get((duty.person, duty.day))
        if duty.on_leave:
            return Assessment(occurrence=duty, state=State.ON_LEAVE, said=said)
        came = self._check_ins.get(duty.person, [])
        done = _done(duty, came)
        if done is not None:
            state, where, check_in = done
            return Assessment(occurrence=duty, state=state, where=where, check_in=check_in, said=said)
        arrival = _arrival(duty, came, until_ms)
        if said is not None:
            return Assessment(
                occurrence=duty, state=said.state, reason=said.reason, said=said, late_arrival=arrival
            )
        state, reason = self._state(person, duty, came)
        if state not in {State.MISSED, State.UNASSESSED}:
            return Assessment(occurrence=duty, state=state, reason=reason, late_arrival=arrival)
        return Assessment(
            occurrence=duty,
            state=state,
            reason=reason,
            late_arrival=arrival,
            coverage=coverage(duty, self._up),
            roster_version=self._head.version,
            roster_age_s=max(0, self._now.wall_ms - self._head.issued_ms) // 1000,
        )

    def _state(
        self, person: Person, duty: Occurrence, came: Sequence[tuple[CheckIn, Placed]]
    ) -> tuple[State, Reason | None]:
        if person.responsible != self._head.gateway:
            return State.ELSEWHERE, None
        steady = self._now.steady_s >= STEADY_S
        if self._now_placed.earliest_ms < duty.late_until_ms:
            return self._not_surely_over(duty, steady=steady)
        if not steady:
            return State.OVER, Reason.CLOCK
        reason = self._doubt(person, duty, came)
        return (State.MISSED, None) if reason is None else (State.UNASSESSED, reason)

    def _not_surely_over(self, duty: Occurrence, *, steady: bool) -> tuple[State, Reason | None]:
        if self._now_placed.latest_ms >= duty.late_until_ms and self._now.wall_ms >= duty.late_until_ms:
            if self._now_placed.latest_ms - self._now_placed.earliest_ms <= STEADY_S * 1000:
                return State.OVER, None  # sure in a moment
            # By a clock chip, or by one of two opinions about the time.
            return (State.UNASSESSED if steady else State.OVER), Reason.CLOCK
        opened = self._now.wall_ms >= duty.open_ms
        return (State.OPEN if opened else State.UPCOMING), None

    def _doubt(
        self, person: Person, duty: Occurrence, came: Sequence[tuple[CheckIn, Placed]]
    ) -> Reason | None:
        """The first reason not to say `missed`."""
        if self._now_placed.latest_ms >= FOREVER_MS:
            return Reason.CLOCK
        if self._head.expired(self._now_placed.latest_ms):
            return Reason.ROSTER_EXPIRED
        if max(self._head.issued_ms, self._known_ms(person)) > duty.open_ms:
            return Reason.ROSTER_LATE
        if not duty.known:
            return Reason.CALENDAR_UNKNOWN
        if any(_may_be(duty, placed) for _, placed in came):
            return Reason.CHECKIN_TIME
        if any(_may_be(duty, placed) for placed in self._waiting.get(duty.person, ())):
            return Reason.REVIEW
        if any(_is_outside(duty, placed) for _, placed in came):
            return Reason.OUTSIDE_WINDOW
        return None if coverage(duty, self._up).through else Reason.UNAVAILABLE

    def _known_ms(self, person: Person) -> int:
        since = self._record.known_since.get(person.ref)
        return self._applied_ms if since is None else self._record.timeline.place(since).latest_ms


def coverage(duty: Occurrence, up: Sequence[tuple[int, int]]) -> Coverage:
    """How far check-ins could be taken; `up` as `Timeline.certain` gives it."""
    window_ms = available_ms = longest_ms = 0
    through = True
    for begin, end in _counted(duty):
        gaps = _gaps(begin, end, up)
        lost_ms = sum(stop - start for start, stop in gaps)
        window_ms += end - begin
        available_ms += end - begin - lost_ms
        longest_ms = max([longest_ms, *(stop - start for start, stop in gaps)])
        # Who comes into a gap that lasts to the end finds nobody when he has waited.
        through = through and not any(stop == end or stop - start > MOST_GAP_MS for start, stop in gaps)
    return Coverage(window_ms // 1000, available_ms // 1000, -(-longest_ms // 1000), through)


def _gaps(begin: int, end: int, up: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    gaps = []
    at = begin
    for start, stop in up:
        if stop <= at or start >= end:
            continue
        if start > at:
            gaps.append((at, start))
        at = max(at, stop)
    if at < end:
        gaps.append((at, end))
    return gaps


def _done(duty: Occurrence, came: Sequence[tuple[CheckIn, Placed]]) -> tuple[State, Where | None, str] | None:
    """The check-in that surely fulfils a duty, one on time before a late one, and what is known of its time."""
    found: dict[State, tuple[Where | None, str]] = {}
    for one, placed in came:
        if placed.latest_ms - placed.earliest_ms > SURE_MS:
            continue
        best_ms = (placed.earliest_ms + placed.latest_ms) // 2
        if not any(begin <= best_ms < end for begin, end in _counted(duty)):
            continue
        where = None if one.unsynced else duty.where(best_ms)
        found.setdefault(State.LATE if where is Where.LATE else State.DONE, (where, one.id))
    for state in (State.DONE, State.LATE):
        if state in found:
            return state, *found[state]
    return None


def _counted(duty: Occurrence) -> list[tuple[int, int]]:
    """Where a check-in counts: the windows, the last with its grace."""
    *before, (last_open, _) = duty.windows
    return [*before, (last_open, duty.late_until_ms)]


def _may_be(duty: Occurrence, placed: Placed) -> bool:
    """Whether a check-in whose time is not sure may lie where it would count."""
    return any(placed.earliest_ms < end and placed.latest_ms >= begin for begin, end in _counted(duty))


def _is_outside(duty: Occurrence, placed: Placed) -> bool:
    """Whether somebody came on the day before it was over, for nothing."""
    return duty.day_start_ms <= placed.earliest_ms and placed.latest_ms < duty.late_until_ms


def _arrival(duty: Occurrence, came: Sequence[tuple[CheckIn, Placed]], until_ms: int) -> str | None:
    """The first check-in that surely came when it was over, and before the next duty's day."""
    after = [
        (placed.earliest_ms, one.id)
        for one, placed in came
        if placed.earliest_ms >= duty.late_until_ms and placed.latest_ms < until_ms
    ]
    return min(after)[1] if after else None
