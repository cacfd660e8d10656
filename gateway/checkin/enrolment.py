"""One person is enrolled at one module, under the eyes of staff. Pure: it says what to do and is told what came of it.

    identify ── duplicate check ── reserve ── take ── verify ── commit

A generator: it yields an action, gets its answer sent, and returns how it ended. What goes wrong with a device
(`DriverError`), with the disk (`StoreRefused`), or with patience (`Withdrawn`) is thrown in where it happened.
The slot is reserved on disk before the module is asked, so that what a power cut leaves in the module is known
for what it is; and nothing is shown as done before `identity.enrolled` and the row are on disk.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from drivers.errors import DriverError
from drivers.factors import Enrolled, Factor, Identified, Matched, NotMatched
from gateway.checkin.enrolment_steps import (
    Action,
    Answer,
    Asked,
    AwaitPerson,
    Ending,
    Erase,
    Keep,
    ListSlots,
    Look,
    Outcome,
    Procedure,
    Proof,
    Take,
    Withdrawn,
)
from gateway.checkin.facts import METHOD_OF
from gateway.checkin.references import Book, Origin, Reference, State, free_slot
from gateway.checkin.release import erased
from gateway.checkin.roster import Method, Roster
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact

TRIES = 3  # of each look at a finger or face
FIRST_SLOT = {Factor.FINGER: 0, Factor.FACE: 1}
GONE = "not_kept"  # reason of an enrolment that came to nothing


class _Stopped(Exception):  # noqa: N818 - the way out, with its ending
    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.outcome)
        self.ending = ending


class Enrolling:
    """The steps of one enrolment. `book` and `roster` are looked at when they are needed."""

    def __init__(self, asked: Asked, book: Callable[[], Book], roster: Callable[[], Roster | None]) -> None:
        self._asked = asked
        self._book = book
        self._roster = roster
        self._proof: Proof | None = None
        self._row: Reference | None = None  # what is reserved

    def run(self) -> Procedure:
        """Play it."""
        try:
            return (yield from self._steps())
        except _Stopped as stopped:
            return (yield from self._end(stopped.ending))
        except Withdrawn as exc:
            return (yield from self._end(Ending(Outcome.CANCELLED, exc.code)))
        except DriverError as exc:
            return (yield from self._end(Ending(Outcome.FAILED, exc.code)))
        except StoreRefused as exc:
            return (yield from self._end(Ending(Outcome.NOT_STORED, exc.code)))

    def _steps(self) -> Procedure:
        asked = self._asked
        if asked.consent is None:
            raise _Stopped(Ending(Outcome.NO_CONSENT, "no_consent"))
        yield from self._identified()
        yield from self._not_known_yet()
        taken = yield from self._slots()
        yield from self._reserve(taken)
        yield from self._taken_in()
        yield from self._verified()
        return (yield from self._done())

    # -- steps ------------------------------------------------------------------------------------------

    def _identified(self) -> Generator[Action, Answer, None]:
        hint = None
        while True:
            proof = yield AwaitPerson(hint)
            if isinstance(proof, Proof) and (
                proof.staff_reason is not None or proof.person == self._asked.person
            ):
                self._proof = proof
                return
            hint = "another_card"  # it stays with the one who was asked for

    def _not_known_yet(self) -> Generator[Action, Answer, None]:
        """The same finger must not be in the module under two names, nor twice under one."""
        asked = self._asked
        found = yield from self._looked(verify=False)
        if not isinstance(found, Matched):
            return
        roster = self._roster()
        claims = self._book().claims(found.module, found.slot, roster)
        others = sorted(claims - {asked.person})
        if others:
            where: dict[str, Json] = {"module": found.module, "slot": found.slot, "score": found.score}
            told = self._fact(
                f"identity.{asked.factor}_refused",
                {**self._of_enrolment(), "reason": "known_as_another", "other": others[0], **where},
            )
            yield Keep([told], [])
            raise _Stopped(Ending(Outcome.REFUSED, "known_as_another", others[0]))
        if self._book().owner(found.module, found.slot, roster) == asked.person:
            raise _Stopped(Ending(Outcome.KNOWN, "known"))
        # A slot that is nobody's, or of an enrolment of this person that counts no more. Its owner stands here.
        yield Erase(frozenset({found.slot}))
        now_ms = asked.now_ms()
        rows = erased(self._book().at(found.module, found.slot), now_ms)
        yield Keep([self._erased("unassigned", [found.slot], rows)], rows)

    def _looked(self, *, verify: bool) -> Generator[Action, Answer, Identified]:
        hint = None
        for _ in range(TRIES):
            found = yield Look(verify, hint)
            if isinstance(found, Matched):
                if found.module != self._asked.module:
                    raise _Stopped(Ending(Outcome.FAILED, "module_changed"))
                return found
            assert isinstance(found, NotMatched)  # noqa: S101 - for the type checker
            if found.reason == "unknown":
                return found
            hint = found.reason
        raise _Stopped(Ending(Outcome.FAILED, hint))

    def _slots(self) -> Generator[Action, Answer, frozenset[int]]:
        taken = yield ListSlots()
        assert isinstance(taken, frozenset)  # noqa: S101
        return taken

    def _reserve(self, taken: frozenset[int]) -> Generator[Action, Answer, None]:
        asked = self._asked
        slot = free_slot(self._book(), self._roster(), asked.module, taken, first=FIRST_SLOT[asked.factor])
        row = Reference(
            id=asked.id,
            person=asked.person,
            method=METHOD_OF[asked.factor],
            module=asked.module,
            slot=slot,
            origin=Origin.HERE,
            state=State.PENDING,
            label=asked.label,
            made_by=asked.staff,
            made_ms=asked.now_ms(),
            consent=asked.consent,
            slots_before=taken,
        )
        yield Keep([], [row])
        self._row = row

    def _taken_in(self) -> Generator[Action, Answer, None]:
        row = self._reserved()
        reason: str | None = None
        for _ in range(TRIES):
            assert row.slot is not None  # noqa: S101
            outcome = yield Take(row.slot)
            if isinstance(outcome, Enrolled):
                if outcome.module != row.module:
                    # In a module that nothing was reserved in: what it holds is found as nobody's there.
                    raise _Stopped(Ending(Outcome.FAILED, "module_changed"))
                self._row = replace(row, slot=outcome.slot)  # a face module chooses itself
                return
            reason = getattr(outcome, "reason", None)
            if reason not in {"poor", "not_alike", "nothing_presented", "liveness"}:
                break
        raise _Stopped(Ending(Outcome.FAILED, "full" if reason == "no_such_slot" else reason))

    def _verified(self) -> Generator[Action, Answer, None]:
        found = yield from self._looked(verify=True)
        if not isinstance(found, Matched) or found.slot != self._reserved().slot:
            raise _Stopped(Ending(Outcome.FAILED, "verify_failed"))

    def _done(self) -> Procedure:
        asked, proof = self._asked, self._proof
        row = replace(self._reserved(), state=State.ACTIVE, slots_before=None)
        data: dict[str, Json] = {**self._of_enrolment(), "slot": row.slot, "consent": asked.consent}
        if asked.label is not None:
            data["label"] = asked.label
        if proof is not None and proof.staff_reason is not None:
            data |= {"identified_by": "staff", "staff_reason": proof.staff_reason}
        else:
            data["identified_by"] = "card"
        enrolled = self._fact("identity.enrolled", data)
        yield Keep([enrolled, self._audit(Ending(Outcome.ENROLLED))], [row])
        return Ending(Outcome.ENROLLED)

    # -- endings ----------------------------------------------------------------------------------------

    def _end(self, ending: Ending) -> Procedure:
        """Nothing came of it: leave nothing behind, and say so."""
        row = self._row
        try:
            rows: list[Reference] = []
            facts: list[Fact] = []
            if row is not None:
                left = yield from self._taken_back(row)
                if left is not None:
                    rows = [replace(one, reason=GONE) for one in erased([row], self._asked.now_ms())]
                    facts = [self._erased(GONE, sorted(left), rows)] if left else []
            yield Keep([*facts, self._audit(ending)], rows)
        except StoreRefused as exc:  # the row stays reserved, and is cleared when its module is next seen
            return Ending(Outcome.NOT_STORED, exc.code)
        except Withdrawn:
            return ending
        return ending

    def _taken_back(self, row: Reference) -> Generator[Action, Answer, frozenset[int] | None]:
        """Delete what the module may have taken in; None: it cannot be asked now."""
        try:
            now = yield ListSlots()
            assert isinstance(now, frozenset)  # noqa: S101
            known = {one.slot for one in self._book().of_module(row.module) if one.id != row.id}
            left = now - (row.slots_before or frozenset()) - known
            if left:
                yield Erase(left)
        except DriverError:
            return None
        return left

    # -- what is recorded -------------------------------------------------------------------------------

    def _reserved(self) -> Reference:
        assert self._row is not None  # noqa: S101
        return self._row

    def _of_enrolment(self) -> dict[str, Json]:
        asked = self._asked
        return {
            "enrolment": asked.id,
            "method": METHOD_OF[asked.factor],
            "module": asked.module,
            "kiosk": asked.kiosk,
            "device": asked.device,
            "by": asked.staff,
        }

    def _fact(self, kind: str, data: dict[str, Json]) -> Fact:
        return Fact(kind, f"person/{self._asked.person}", data, restricted=True)

    def _erased(self, reason: str, slots: Sequence[int], rows: Sequence[Reference]) -> Fact:
        data: dict[str, Json] = {
            "module": self._asked.module,
            "slots": list(slots),
            "enrolments": [one.id for one in rows],
            "reason": reason,
            "by": self._asked.staff,
        }
        return self._fact("identity.erased", data)

    def _audit(self, ending: Ending) -> Fact:
        data: dict[str, Json] = {**self._of_enrolment(), "outcome": ending.outcome}
        if ending.reason is not None:
            data["reason"] = ending.reason
        return self._fact("audit.enrolled", data)


def allowed(method: Method, methods: frozenset[Method]) -> bool:
    """Whether a person may be enrolled this way: the roster allows it, and a face is never the only way."""
    return method in methods and bool(methods - {Method.FACE})
