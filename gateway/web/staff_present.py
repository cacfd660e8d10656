"""From a day to what its pages say: counts, levels, what a filter may choose. Tables and small functions, no HTML."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.checkin.alarm_board import OpenAlarm
from gateway.checkin.day import Day, Duty, Visit
from gateway.checkin.due import State
from gateway.checkin.facts import Outcome
from gateway.checkin.purposes import Purpose
from gateway.view import Level
from gateway.web.messages import Speaker
from gateway.web.times import Times

# The order in which a duty asks for attention, and how it is drawn: `staff_shapes.html` has an outline for each.
ORDER = (
    State.MISSED,
    State.UNASSESSED,
    State.OVER,
    State.LATE,
    State.OPEN,
    State.UPCOMING,
    State.DONE,
    State.ON_LEAVE,
    State.ELSEWHERE,
)
LEVELS: Mapping[State, Level] = {
    State.MISSED: Level.FAULT,
    State.UNASSESSED: Level.ATTENTION,
    State.OVER: Level.ATTENTION,
    State.LATE: Level.ATTENTION,
    State.OPEN: Level.UNKNOWN,
    State.UPCOMING: Level.UNKNOWN,
    State.DONE: Level.OK,
    State.ON_LEAVE: Level.UNKNOWN,
    State.ELSEWHERE: Level.UNKNOWN,
}
OUTCOMES: Mapping[str, Level] = {
    Outcome.COMPLETED: Level.OK,
    Outcome.PENDING_REVIEW: Level.ATTENTION,
    Outcome.REJECTED: Level.FAULT,
    Outcome.ABANDONED: Level.UNKNOWN,
}
SEVERITIES: Mapping[str, Level] = {
    "critical": Level.FAULT,
    "major": Level.ATTENTION,
    "minor": Level.UNKNOWN,
}
BY_HAND = tuple(one for one in Purpose if one is not Purpose.ENROL)  # what staff may enter or name
NOT_DUE = frozenset({State.ON_LEAVE, State.ELSEWHERE})

# Members of audit events: those whose values are codes, with where their words stand, and those that are moments.
FAMILIES: Mapping[str, Sequence[str]] = {
    "role": ("role",),
    "kind": ("health",),
    "method": ("method",),
    "outcome": ("enrol_outcome", "evidence_value"),
    "reason": ("enrol_reason", "reason", "template_reason"),
} | dict.fromkeys(("what", "part", "form", "ended", "via", "source"), ("evidence_value",))
MOMENTS = frozenset({"issued", "expires"})

# Why staff say what they say: a word of a list, and more in their own words.
VOUCH_REASONS = ("finger_unreadable", "face_unreadable", "module_broken", "injured", "other")
REVIEW_REASONS = ("known_here", "papers_checked", "wrong_person", "ended", "other")
ENTRY_REASONS = ("kiosk_broken", "power_cut", "store_full", "no_card", "other")


@dataclass(frozen=True, slots=True)
class Count:
    """One figure of the summary."""

    key: str
    value: int
    level: Level


def summary(day: Day) -> list[Count]:
    """What the day comes to."""
    states = Counter(duty.state for duty in day.duties)
    due = sum(count for state, count in states.items() if state not in NOT_DUE)
    waiting = len(to_review(day))
    return [
        Count("due", due, Level.UNKNOWN),
        Count("done", states[State.DONE], _if(states[State.DONE], Level.OK)),
        Count("late", states[State.LATE], _if(states[State.LATE], Level.ATTENTION)),
        Count("open", states[State.OPEN] + states[State.UPCOMING] + states[State.OVER], Level.UNKNOWN),
        Count("missed", states[State.MISSED], _if(states[State.MISSED], Level.FAULT)),
        Count("unassessed", states[State.UNASSESSED], _if(states[State.UNASSESSED], Level.ATTENTION)),
        Count("review", waiting, _if(waiting, Level.ATTENTION)),
    ]


def stamp(day: Day) -> str:
    """What the frame around the regions rests on: where it differs, an open page loads itself anew."""
    return f"{day.day.isoformat()}/{day.roster_version}"


def _if(count: int, level: Level) -> Level:
    return level if count else Level.UNKNOWN


def to_review(day: Day) -> Sequence[Visit]:
    """Check-ins that wait for staff, oldest first."""
    waiting = [one for one in day.visits if one.outcome == Outcome.PENDING_REVIEW and one.reviewed is None]
    return waiting[::-1]


def in_order(duties: Sequence[Duty]) -> Sequence[Duty]:
    """What asks for attention first, then by unit and reference."""
    return sorted(duties, key=lambda one: (ORDER.index(one.state), one.unit, one.ref))


def units(day: Day) -> Sequence[str]:
    """The units that the list shows."""
    return sorted({duty.unit for duty in day.duties})


def states(day: Day) -> Sequence[State]:
    """The states that the list shows, in its order."""
    shown = {duty.state for duty in day.duties}
    return [state for state in ORDER if state in shown]


def stated(day: Day) -> Sequence[Duty]:
    """Of whom it was said that they were missed, or that nothing can be said."""
    return [duty for duty in in_order(day.duties) if duty.state in {State.MISSED, State.UNASSESSED}]


def category(code: str, t: Speaker) -> str:
    """The class of management in words; a code that the province added stays as it is."""
    return t.find(f"person_class.{code}") or code


def alarm_what(alarm: OpenAlarm, t: Speaker) -> str:
    """What an alarm means."""
    return t(f"health.{alarm.kind}")


def alarm_todo(alarm: OpenAlarm, t: Speaker) -> str:
    """What to do about it; a kind that this page has no words for still says something."""
    return t.find(f"health.{alarm.kind}.do") or t("staff_alarms.unknown_todo")


def evidence(key: str, value: str | float | bool, t: Speaker, times: Times) -> str:  # noqa: FBT001 - JSON
    """A member of an audit event in words; what this page has no words for stays as it was recorded."""
    if isinstance(value, bool):
        return t("staff.yes" if value else "evidence.no")
    if not isinstance(value, str):
        return str(value)
    if key in MOMENTS:
        return _moment(value, times)
    for family in FAMILIES.get(key, ()):
        said = t.find(f"{family}.{value}")
        if said is not None:
            return said
    return value


def _moment(value: str, times: Times) -> str:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if at.tzinfo is None else times.full(round(at.timestamp() * 1000))
