"""A module came: what it holds beside what should lie in it. Pure.

What is missing counts no more; what nobody knows is nobody's; what an enrolment left that was cut off is deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.checkin.references import REPLACED, Book, Reference, State
from gateway.checkin.roster import Roster

CUT_OFF = (
    "cut_off"  # of an enrolment: the power went, or the module was lost, between its write and our commit
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one look at a module came to."""

    changed: Sequence[Reference] = ()  # to be written
    orphans: frozenset[int] = frozenset()  # left by an enrolment that was cut off: to be deleted
    unknown: frozenset[int] = frozenset()  # nobody here enrolled these
    pending: Sequence[Reference] = ()  # the enrolments that were cut off, over when the orphans are gone


def compared(book: Book, roster: Roster | None, module: str, slots: frozenset[int]) -> Findings:
    """Serial number `module`, with these slots taken. Not while somebody is being enrolled in it."""
    mine = book.of_module(module)
    changed: list[Reference] = []
    for one in mine:
        if one.slot in slots or one.state in {State.PENDING, State.ERASING}:
            continue
        changed.append(one.lost() if one.state is State.ACTIVE else replace(one, held=False))
    pending = [one for one in mine if one.state is State.PENDING]
    known = {one.slot for one in mine if one.state is not State.PENDING}
    named = {
        one.slot
        for person in (() if roster is None else roster.persons)
        for one in person.references
        if one.module == module
    }
    foreign = slots - known - named
    orphans = frozenset(slot for slot in foreign if any(_may_have_left(one, slot) for one in pending))
    return Findings(changed=changed, orphans=orphans, unknown=foreign - orphans, pending=pending)


def replaced(book: Book, module: str, now_ms: int) -> list[Reference]:
    """Another module stands in the place of this one: nobody vouches any more for what it holds."""
    return [one.doubted(REPLACED, now_ms) for one in book.of_module(module) if one.state is State.ACTIVE]


def _may_have_left(pending: Reference, slot: int) -> bool:
    return pending.slots_before is None or slot not in pending.slots_before
