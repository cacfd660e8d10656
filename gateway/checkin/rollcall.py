"""A roll call (点名): who is asked for, what was answered, and the one event it ends in. Pure.

It is opened by a command of the center or by staff, for named people or for all who are present. Each is
answered present, absent or unknown; the last answer counts. It ends when somebody ends it or when its time is
over, and whoever was not answered for then is said to be unanswered, never absent.

A note is a word of a list: free text would stand in the store and in an event as it was typed, names included.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from gateway.errors import ContractError
from gateway.evidence.canonical import Json

MOST_PERSONS = 400  # so that every answer fits into one event
LEAST_MS, MOST_MS = 60_000, 24 * 3_600_000


class Answer(StrEnum):
    """What was found."""

    PRESENT = "present"  # 在场
    ABSENT = "absent"  # 不在场
    UNKNOWN = "unknown"  # 无法确认


class Note(StrEnum):
    """Why, where it is known."""

    ON_LEAVE = "on_leave"
    AT_WORK = "at_work"
    ILL = "ill"
    BY_PHONE = "by_phone"  # reached by telephone only
    ON_THE_WAY = "on_the_way"
    NOT_REACHED = "not_reached"


class Ended(StrEnum):
    """How a roll call ended."""

    CLOSED = "closed"  # somebody ended it
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer about one person."""

    answer: Answer
    note: Note | None
    by: str  # account


@dataclass(frozen=True, slots=True, kw_only=True)
class RollCall:
    """One that is open."""

    id: str
    opened_ms: int
    deadline_ms: int
    by: str  # account, or `center`
    persons: tuple[str, ...]  # references, in the order they were named
    answers: Mapping[str, Answered] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def open_for(self) -> int:
        """How many are still without an answer."""
        return len(self.persons) - len(self.answers)


def opened(call: str, persons: Sequence[str], *, now_ms: int, deadline_ms: int, by: str) -> RollCall:
    """A new one; raises `ContractError` (nobody, too_many, bad_time)."""
    named = tuple(dict.fromkeys(persons))
    if not named:
        raise ContractError(
            "nobody", "roll call: it names nobody; name people, or wait until somebody is present"
        )
    if len(named) > MOST_PERSONS:
        raise ContractError("too_many", f"roll call: {len(named)} people; at most {MOST_PERSONS} at once")
    if not LEAST_MS <= deadline_ms - now_ms <= MOST_MS:
        raise ContractError(
            "bad_time", "roll call: its time must end between one minute and 24 hours from now"
        )
    return RollCall(id=call, opened_ms=now_ms, deadline_ms=deadline_ms, by=by, persons=named)


def answered(call: RollCall, ref: str, answer: Answer, note: Note | None, by: str) -> RollCall:
    """With this answer, in place of an earlier one; raises `ContractError` (unknown_person)."""
    if ref not in call.persons:
        raise ContractError("unknown_person", "roll call: this person is not asked for in it")
    return replace(call, answers=MappingProxyType({**call.answers, ref: Answered(answer, note, by)}))


def event_data(call: RollCall, ended: Ended, by: str) -> dict[str, Json]:
    """Data of `system.rollcall_answered`: references and answers, no name."""
    data: dict[str, Json] = {"rollcall": call.id, "opened_by": call.by, "ended": ended, "ended_by": by}
    for answer in Answer:
        data[answer] = [
            ref for ref in call.persons if ref in call.answers and call.answers[ref].answer is answer
        ]
    data["unanswered"] = [ref for ref in call.persons if ref not in call.answers]
    notes: dict[str, Json] = {}
    for note in Note:
        noted: list[Json] = [
            ref for ref in call.persons if ref in call.answers and call.answers[ref].note is note
        ]
        if noted:
            notes[note] = noted
    data["notes"] = notes
    by_whom: list[Json] = [*sorted({one.by for one in call.answers.values()})]
    data["answered_by"] = by_whom
    return data


def to_text(call: RollCall) -> str:
    """As it is kept on disk."""
    return json.dumps(
        {
            "opened_ms": call.opened_ms,
            "deadline_ms": call.deadline_ms,
            "by": call.by,
            "persons": list(call.persons),
            "answers": {ref: [one.answer, one.note, one.by] for ref, one in call.answers.items()},
        }
    )


def from_text(call: str, text: str) -> RollCall:
    """What `to_text` made; raises `ContractError` (rollcall_unreadable)."""
    try:
        kept = json.loads(text)
        return RollCall(
            id=call,
            opened_ms=int(kept["opened_ms"]),
            deadline_ms=int(kept["deadline_ms"]),
            by=str(kept["by"]),
            persons=tuple(str(ref) for ref in kept["persons"]),
            answers=MappingProxyType(
                {
                    str(ref): Answered(Answer(answer), None if note is None else Note(note), str(by))
                    for ref, (answer, note, by) in kept["answers"].items()
                }
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ContractError(
            "rollcall_unreadable", f"roll call {call}: its note in the store cannot be understood"
        ) from exc
