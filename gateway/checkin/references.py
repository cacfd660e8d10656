"""Whose template lies where, as far as this gateway knows: its own enrolments and those of the roster. Pure.

A reference is (serial number of the module, slot, enrolment id). Nothing else is ever believed: a match counts
for somebody only while exactly one person has a claim on the slot, and no doubt is on record about it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.checkin.roster import Method, Roster


class State(StrEnum):
    """What an enrolment has come to."""

    PENDING = (
        "pending_write"  # the module is being asked; where the power goes now, nobody knows what it holds
    )
    ACTIVE = "active"
    VOID = "void"  # counts for nobody any more
    ERASING = "erasing"  # to be deleted as soon as its module is there
    ERASED = "erased"


class Origin(StrEnum):
    """Who said so first."""

    HERE = "here"
    ROSTER = "roster"


REPLACED = "replaced"  # another module stands in the place of its module
MISSING = "missing"  # its module came without it: a factory reset
RESTORED = (
    "restored"  # the store was put back or salvaged: what was done to the slots since then is not known
)
WITHDRAWN = "withdrawn"  # the roster that named it does no longer
DOUBTS = frozenset({REPLACED, MISSING, RESTORED})  # the person must be enrolled anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One enrolment."""

    id: str
    person: str
    method: Method
    module: str
    slot: int | None  # None: not chosen yet
    origin: Origin
    state: State
    reason: str | None = None
    held: bool = True  # the module may still hold the template
    label: str | None = None  # which finger
    made_by: str | None = None
    made_ms: int | None = None
    consent: str | None = None  # version of the text that the person agreed to
    slots_before: frozenset[int] | None = None  # of a pending one: what was taken before
    absent_ms: int | None = None  # since when no roster names the person
    requested_ms: int | None = None  # of its deletion
    requested_by: str | None = None
    done_ms: int | None = None

    def lost(self) -> "Reference":
        """Its module came without it."""
        return replace(self, state=State.VOID, reason=MISSING, held=False)

    def doubted(self, reason: str, now_ms: int) -> "Reference":
        """It never counts again, so what it left in a module is of no use to anybody, and is to be deleted."""
        return replace(self, state=State.ERASING, reason=reason, requested_ms=now_ms, requested_by=None)


class Book:
    """All references of this gateway, in memory; what is on disk comes first."""

    def __init__(self, references: Iterable[Reference] = ()) -> None:
        self.version = 0  # rises with each change
        self._all = {one.id: one for one in references}
        self._places: Mapping[tuple[str, int], Sequence[Reference]] = {}
        self._people: Mapping[str, Sequence[Reference]] = {}
        self._index()

    def take(self, changed: Iterable[Reference]) -> None:
        """These are on disk now."""
        self._all.update((one.id, one) for one in changed)
        self.version += 1
        self._index()

    def _index(self) -> None:
        places: defaultdict[tuple[str, int], list[Reference]] = defaultdict(list)
        people: defaultdict[str, list[Reference]] = defaultdict(list)
        for one in self._all.values():
            people[one.person].append(one)
            if one.slot is not None and one.held:
                places[one.module, one.slot].append(one)
        self._places, self._people = places, people

    def __iter__(self) -> Iterator[Reference]:
        return iter(tuple(self._all.values()))

    def find(self, enrolment: str) -> Reference | None:
        """By id."""
        return self._all.get(enrolment)

    def of_person(self, person: str) -> Sequence[Reference]:
        """Everything about somebody."""
        return tuple(self._people.get(person, ()))

    def of_module(self, module: str) -> Sequence[Reference]:
        """What this module may hold."""
        return tuple(one for one in self._all.values() if one.module == module and one.held)

    def at(self, module: str, slot: int) -> Sequence[Reference]:
        """What may lie in one slot."""
        return tuple(self._places.get((module, slot), ()))

    def claims(self, module: str, slot: int, roster: Roster | None) -> frozenset[str]:
        """Everybody who may be meant by a slot, by our own word or by that of the roster."""
        here = {one.person for one in self.at(module, slot)}
        person = None if roster is None else roster.of_slot(module, slot)
        return frozenset(here if person is None else here | {person.ref})

    def owner(self, module: str, slot: int, roster: Roster | None) -> str | None:
        """Whose match it is. None: nobody's, because nobody is enrolled there or because there is a doubt."""
        here = self.at(module, slot)
        if any(one.state in {State.PENDING, State.ERASING} for one in here):
            return None
        active = {one.person for one in here if one.state is State.ACTIVE}
        if any(one.person not in active for one in here):
            return None  # something of somebody else may lie there, though it counts no more
        claims = set(active)
        said = said_at(roster, module, slot)
        if said is not None:
            person, enrolment = said
            known = self._all.get(enrolment)
            if known is None:
                claims.add(person)
            elif known.state is State.ACTIVE:
                # The same id at another place or of another person: one of the two is wrong.
                fits = (known.person, known.module, known.slot) == (person, module, slot)
                claims |= {person} if fits else {person, ""}
        return claims.pop() if len(claims) == 1 else None

    def usable(self, person: str, method: Method, modules: Iterable[str], roster: Roster | None) -> bool:
        """Whether one of these modules can recognise somebody."""
        wanted = set(modules)
        places = {
            (one.module, one.slot)
            for one in self.of_person(person)
            if one.state is State.ACTIVE and one.method is method and one.module in wanted
        }
        named = None if roster is None else roster.of_ref(person)
        if named is not None:
            places |= {
                (one.module, one.slot)
                for one in named.references
                if one.method is method and one.module in wanted
            }
        return any(slot is not None and self.owner(module, slot, roster) == person for module, slot in places)

    def doubtful(self, person: str, method: Method | None = None) -> bool:
        """Whether references of somebody were voided and nothing took their place."""
        mine = [one for one in self.of_person(person) if method in (None, one.method)]
        voided = {one.method for one in mine if one.state is not State.ACTIVE and one.reason in DOUBTS}
        return bool(voided - {one.method for one in mine if one.state is State.ACTIVE})


def said_at(roster: Roster | None, module: str, slot: int) -> tuple[str, str] | None:
    """Person and enrolment id that the roster names for a slot."""
    person = None if roster is None else roster.of_slot(module, slot)
    if person is None:
        return None
    named = (one.enrolment for one in person.references if (one.module, one.slot) == (module, slot))
    return person.ref, next(named)


def mirrored(book: Book, roster: Roster, *, doubted_ms: int | None) -> list[Reference]:
    """What a roster changes in the book: its references become rows, so that they are known when it is gone.

    `doubted_ms`: when the store was put back, if it was. A row that is missing may have been voided since, and
    the center may never have heard of it, so that its word does not help.
    """
    changed: list[Reference] = []
    named: set[str] = set()
    for person in roster.persons:
        for one in person.references:
            named.add(one.enrolment)
            said = Reference(
                id=one.enrolment,
                person=person.ref,
                method=one.method,
                module=one.module,
                slot=one.slot,
                origin=Origin.ROSTER,
                state=State.ERASING if doubted_ms is not None else State.ACTIVE,
                reason=None if doubted_ms is None else RESTORED,
                requested_ms=doubted_ms,
            )
            known = book.find(one.enrolment)
            if known is None or (_by_roster_alone(known) and not _same_place(known, said)):
                changed.append(said)
            elif _revives(known, said):
                changed.append(replace(known, state=State.ACTIVE, reason=None))
    changed += [
        replace(one, state=State.VOID, reason=WITHDRAWN)
        for one in book
        if _by_roster_alone(one) and one.id not in named
    ]
    return changed


def _by_roster_alone(one: Reference) -> bool:
    return one.origin is Origin.ROSTER and one.state is State.ACTIVE


def _same_place(known: Reference, said: Reference) -> bool:
    return (known.person, known.module, known.slot, known.method) == (
        said.person,
        said.module,
        said.slot,
        said.method,
    )


def _revives(known: Reference, said: Reference) -> bool:
    """The center withdrew it, and names it again."""
    withdrawn = known.origin is Origin.ROSTER and (known.state, known.reason) == (State.VOID, WITHDRAWN)
    return withdrawn and known.held and _same_place(known, said)


def free_slot(book: Book, roster: Roster | None, module: str, taken: frozenset[int], *, first: int) -> int:
    """The lowest slot that is free in the module and that nobody has a claim on."""
    slot = first
    while slot in taken or book.claims(module, slot, roster):
        slot += 1
    return slot
