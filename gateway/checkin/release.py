"""Whose templates are to be deleted, and when that is sure enough. Pure.

A kept template of somebody who was released is against the law, a wrong deletion costs a visit. So a roster that
has expired, or a clock that nobody vouches for, deletes nobody; an end that the roster itself gives counts the
day after; somebody whom a newer roster leaves out is given a day, in which the center may put a mistake right;
and when a roster leaves out many at once, staff are asked instead.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from gateway.checkin.references import DOUBTS, Book, Reference, State, said_at
from gateway.checkin.roster import Roster

ENDED = "supervision_ended"  # `until` is over
LEFT_OUT = "left_out"  # a newer roster does not name the person
STAFF = "staff"
ABSENT_MS = 24 * 3600 * 1000
FEW = 5  # so many may be left out at once; beyond that not more than a quarter
SHARE = 4
_KEPT = frozenset({State.ACTIVE, State.VOID})


@dataclass(frozen=True, slots=True)
class Due:
    """What a look at roster and clock says."""

    reasons: Mapping[str, str] = field(default_factory=dict)  # person -> why everything is to be deleted
    marked: Sequence[Reference] = ()  # rows whose time of absence begins or ends
    held_back: frozenset[str] = frozenset()  # left out together with many: staff decide


def due(book: Book, roster: Roster | None, *, today: date, now_ms: int, vouched: bool) -> Due:
    """Who is to be released. `vouched`: somebody vouches for the clock."""
    if roster is None or not vouched or roster.head.expired(now_ms):
        return Due()
    kept = {one.person for one in book if one.state in _KEPT}
    reasons: dict[str, str] = {}
    absent: set[str] = set()
    for ref in kept:
        person = roster.of_ref(ref)
        if person is None:
            absent.add(ref)
        elif today > person.until:
            reasons[ref] = ENDED
    marked: list[Reference] = []
    since: dict[str, int] = {}
    for one in book:
        if one.person in absent and one.state in _KEPT:
            # A clock that was set back must not make the day longer than it is.
            begun = now_ms if one.absent_ms is None else min(one.absent_ms, now_ms)
            since[one.person] = min(begun, since.get(one.person, begun))
            if one.absent_ms is None:
                marked.append(replace(one, absent_ms=now_ms))
        elif one.absent_ms is not None and roster.of_ref(one.person) is not None:
            marked.append(replace(one, absent_ms=None))
    if len(absent) > max(FEW, len(kept) // SHARE):
        return Due(reasons, marked, frozenset(absent))
    reasons |= {ref: LEFT_OUT for ref in absent if now_ms - since[ref] >= ABSENT_MS}
    return Due(reasons, marked)


def released(book: Book, person: str, *, by: str | None, reason: str, now_ms: int) -> list[Reference]:
    """Everything of somebody is to be deleted; from here on none of it counts."""
    return [
        replace(one, state=State.ERASING, reason=reason, requested_by=by, requested_ms=now_ms)
        for one in book.of_person(person)
        if one.state in _KEPT or (one.state is State.ERASING and one.reason in DOUBTS)
    ]


def to_erase(book: Book, module: str | None) -> Mapping[str, Sequence[Reference]]:
    """By person: what is to be deleted in a module; None: what no module holds any more, in any."""
    found: defaultdict[str, list[Reference]] = defaultdict(list)
    for one in book:
        if one.state is State.ERASING and (
            (module is None and not one.held) or (one.held and one.module == module)
        ):
            found[one.person].append(one)
    return found


def to_forget(book: Book, roster: Roster | None, terminal: str) -> Mapping[str, Sequence[Reference]]:
    """The same in an attendance terminal, where the roster alone says whose number it is.

    A doubt about our own store deletes nobody there. A number that the roster has given to another enrolment, of
    whomever, is left alone: to delete it would delete that one.
    """
    if roster is None:
        return {}
    found: dict[str, Sequence[Reference]] = {}
    for person, rows in to_erase(book, terminal).items():
        mine = [one for one in rows if one.reason not in DOUBTS and one.slot is not None]
        ids = {one.id for one in mine}
        said = [said_at(roster, terminal, one.slot) for one in mine if one.slot is not None]
        if mine and all(one is None or one[1] in ids for one in said):
            found[person] = mine
    return found


def erased(rows: Iterable[Reference], now_ms: int) -> list[Reference]:
    """The module has shown that none of these is there."""
    return [replace(one, state=State.ERASED, held=False, done_ms=now_ms) for one in rows]
