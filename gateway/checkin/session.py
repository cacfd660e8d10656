"""One kiosk, one person at a time: from a card or a touch to an ending that is recorded. Pure.

    idle ── card ──> choosing ── purpose ──> proving ── second factor ──> storing ──> shown ── 15 s ──> idle
      └── touch ──> waiting ── card ──────────┘

Inputs are methods; each returns what is to be done (`facts.Action`). Nothing is shown before it is stored.
Seconds are handed in and come from a clock that nobody can set.

Two sessions never mix: another person's card ends this session as abandoned and begins its own, and a finger
that is somebody else's ends it as rejected, with both facts. Nobody is refused in silence: who is not on the
roster, or stands on one that has expired, is recorded for review. What a device cannot decide (no module
holds this person, the tries are used up) is left to the word of staff.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from drivers.factors import Factor, Identified, Matched
from gateway.checkin.facts import (
    METHOD_OF,
    Action,
    AskFactor,
    Clear,
    Directory,
    Outcome,
    Reason,
    Show,
    Shown,
    StopAsking,
    Store,
    Visitor,
    review_reason,
    standing_data,
)
from gateway.checkin.purposes import Purpose
from gateway.checkin.roster import Method
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact

STEP_S = 30.0  # for each thing that the person is asked to do
SHOWN_S = 15.0  # then the kiosk is empty again
TRIES = 3  # of the second factor


class Stage(StrEnum):
    """Where a session stands."""

    IDLE = "idle"
    WAITING = "waiting"  # the purpose is chosen, the card is not there yet
    CHOOSING = "choosing"  # the card is there, the purpose is not chosen yet
    PROVING = "proving"  # the second factor is asked for
    STORING = "storing"  # something is on its way to the disk; then the next step, or the ending is shown
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class Card:
    """A card that was read: its keyed hash, and the event that says so."""

    number_hmac: str = field(repr=False)
    event_id: str


NewId: TypeAlias = Callable[[], str]


class Session:
    """The check-ins of one kiosk, one after the other."""

    def __init__(
        self, kiosk: str, directory: Directory, new_id: NewId, *, only: Purpose | None = None
    ) -> None:
        """`only`: the kiosk is for this purpose, and nothing need be chosen."""
        self.stage = Stage.IDLE
        self.person: Visitor | None = None  # for the kiosk's greeting
        self.purpose: Purpose | None = None
        self._kiosk = kiosk
        self._only = only
        self._directory = directory
        self._new_id = new_id
        self.id = ""  # of the session that runs, or of the last one
        self._card: Card | None = None
        self._tries = 0
        self._due_s: float | None = None  # when patience ends
        self.tried: str | None = None  # why the last try of the second factor failed
        self._asked = False  # devices have been asked, and not told to stop
        self._ending: Shown | None = None  # to be shown when it is stored

    @property
    def due_s(self) -> float | None:
        """When patience ends, for the kiosk's bar; None: nothing is waited for."""
        return self._due_s

    @property
    def tries_left(self) -> int:
        """Of the second factor."""
        return TRIES - self._tries

    def recall(self, session: str, purpose: Purpose | None, shown: Shown, now_s: float) -> Sequence[Action]:
        """Tell how the last session ended: the process died, and whoever stood here may not have seen it."""
        if self.stage is not Stage.IDLE:
            return []
        self.id, self.purpose = session, purpose
        return self._show(shown, now_s)

    # -- inputs ---------------------------------------------------------------------------------------

    def touch(self, purpose: Purpose, now_s: float) -> Sequence[Action]:
        """The person chose a purpose on the screen."""
        match self.stage:
            case Stage.IDLE | Stage.SHOWN:
                return [*self._begin(now_s), *self._wait(Stage.WAITING, purpose, now_s)]
            case Stage.WAITING:
                return self._wait(Stage.WAITING, purpose, now_s)
            case Stage.CHOOSING if self._card is not None:
                self.purpose = purpose
                return self._identify(self._card)
        return []

    def card(self, card: Card, now_s: float) -> Sequence[Action]:
        """A card was read at this kiosk."""
        if self.stage is Stage.STORING:
            return []  # for a moment; the card event is stored, and the card can be laid again
        if self.stage in (Stage.CHOOSING, Stage.PROVING):
            if self._card is not None and card.number_hmac == self._card.number_hmac:
                return []
            return [*self._end(Outcome.ABANDONED, Reason.ANOTHER_CARD), *self._anew(card, now_s)]
        if self.stage is Stage.WAITING:
            return self._identify(card)
        return self._anew(card, now_s)

    def factor(
        self, session: str, factor: Factor, result: Identified, *, reported_by: str | None = None
    ) -> Sequence[Action]:
        """What a device of this kiosk answered when it was asked for this session, or a terminal found out."""
        if self.stage is not Stage.PROVING or self.person is None or session != self.id:
            return []  # of a session that is over
        if factor not in self._factors():
            return []  # nobody asked for it: a terminal may say more than the roster allows
        source: dict[str, Json] = {} if reported_by is None else {"reported_by": reported_by}
        if not isinstance(result, Matched):
            return self._tried(self._refused(factor, {"reason": result.reason, **source}))
        where: dict[str, Json] = {
            "module": result.module,
            "slot": result.slot,
            "score": result.score,
            **source,
        }
        whose = self._directory.by_slot(result.module, result.slot)
        if whose is None:
            return self._tried(self._refused(factor, {"reason": Reason.UNASSIGNED, **where}))
        matched = self._fact(f"identity.{factor}_matched", {**self._of_session(), **where}, whose)
        if whose.ref != self.person.ref:
            facts: dict[str, Json] = {
                "card": self.person.ref,
                "factor": whose.ref,
                "method": METHOD_OF[factor],
            }
            return self._end(Outcome.REJECTED, Reason.NOT_THE_SAME_PERSON, facts, matched)
        return self._complete(METHOD_OF[factor], matched)

    def staff_word(self, session: str, staff: str, reason: str) -> Sequence[Action]:
        """A member of staff, signed in, says that it is the person of this session."""
        if self.stage is not Stage.PROVING or session != self.id:
            return []
        data: dict[str, Json] = {"staff": staff, "staff_reason": reason}
        if self.person is not None and self.person.reenrol:
            data["reenrol"] = True
        return self._complete(Method.STAFF, data=data)

    def leave(self, reason: Reason = Reason.CANCELLED) -> Sequence[Action]:
        """The person pressed cancel, or the gateway stops."""
        match self.stage:
            case Stage.CHOOSING | Stage.PROVING:
                return self._end(Outcome.ABANDONED, reason)
            case Stage.WAITING | Stage.SHOWN:
                return self._reset()
        return []

    def tick(self, now_s: float) -> Sequence[Action]:
        """Time passes."""
        if self._due_s is None or now_s < self._due_s:
            return []
        if self.stage in (Stage.SHOWN, Stage.WAITING):
            return self._reset()  # a touch without a card is nobody's: events must not be producible at will
        return self._end(Outcome.ABANDONED, Reason.TIMEOUT)

    def stored(self, session: str, now_s: float) -> Sequence[Action]:
        """What `Store` asked for is on disk."""
        if self.stage is not Stage.STORING or session != self.id:
            return []
        ending, self._ending = self._ending, None
        return self._prove(now_s) if ending is None else self._show(ending, now_s)

    def refused(self, session: str, code: str, now_s: float) -> Sequence[Action]:
        """The store takes nothing now: it does not count, and the person is told so."""
        if self.stage in (Stage.IDLE, Stage.SHOWN) or session != self.id:
            return []
        self._ending = None
        return [*self._stop(), *self._show(Shown(Outcome.NOT_STORED, code), now_s)]

    # -- steps ----------------------------------------------------------------------------------------

    def _begin(self, now_s: float) -> list[Action]:
        self.id = self._new_id()
        self._card = self.person = self.purpose = None
        self._tries, self._ending, self._asked, self.tried = 0, None, False, None
        self._due_s = now_s + STEP_S
        return [Clear()]

    def _wait(self, stage: Stage, purpose: Purpose, now_s: float) -> list[Action]:
        self.stage, self.purpose = stage, purpose
        self._due_s = now_s + STEP_S
        return []

    def _anew(self, card: Card, now_s: float) -> list[Action]:
        begun = self._begin(now_s)
        if self._only is not None:
            self.purpose = self._only
            return [*begun, *self._identify(card)]
        self._card, self.stage = card, Stage.CHOOSING
        self.person = self._directory.by_card(card.number_hmac)
        return begun

    def _identify(self, card: Card) -> list[Action]:
        """Card and purpose are there: who is it, and what proves it?"""
        self._card = card
        self.person = self._directory.by_card(card.number_hmac)
        opened = self._fact("checkin.opened", {**self._of_session(), "card_event": card.event_id})
        review = self._review()
        if review is not None:
            return self._end(Outcome.PENDING_REVIEW, review, None, opened)
        return self._keep(opened)

    def _keep(self, fact: Fact) -> list[Action]:
        """Stored first; then the person is asked."""
        self.stage, self._due_s = Stage.STORING, None
        return [Store(self.id, [fact], goes_on=True)]

    def _prove(self, now_s: float) -> list[Action]:
        self.stage, self._due_s, self._asked = Stage.PROVING, now_s + STEP_S, True
        return [AskFactor(self.id, self._factors())]

    def _stop(self) -> list[Action]:
        asked, self._asked = self._asked, False
        return [StopAsking()] if asked else []

    def _review(self) -> Reason | None:
        """Why staff must look at it before anything is decided."""
        return review_reason(self._directory.state, self.person)

    def _tried(self, fact: Fact) -> list[Action]:
        self._tries += 1
        self.tried = str(fact.data["reason"])
        if self._tries >= TRIES:
            return self._end(Outcome.REJECTED, Reason.FACTOR_FAILED, {"tries": self._tries}, fact)
        return self._keep(fact)

    def _complete(self, method: Method, *before: Fact, data: dict[str, Json] | None = None) -> list[Action]:
        return self._end(Outcome.COMPLETED, None, {"method": method, **(data or {})}, *before)

    def _end(
        self, outcome: Outcome, reason: Reason | None, data: dict[str, Json] | None = None, *before: Fact
    ) -> list[Action]:
        stop = self._stop()
        state = self._directory.state
        body = {**self._of_session(), **(data or {})}
        if reason is not None:
            body["reason"] = reason
        if outcome is Outcome.ABANDONED:
            body["stage"] = self.stage.value
        if state is not None:
            body |= {"roster_version": state.version, "roster_age_s": state.age_s}
        if self._card is not None:
            body["card_event"] = self._card.event_id
        name = None if self.person is None or self.person.protected else self.person.name
        standing = None
        if outcome is Outcome.COMPLETED and self.purpose is Purpose.REPORT and self.person is not None:
            standing = self._directory.standing(self.person.ref)
            body |= standing_data(standing)
        name = name if outcome is not Outcome.ABANDONED else None
        self._ending = Shown(outcome, reason, name, standing)
        ended = self._fact(f"checkin.{outcome}", body)
        self.stage, self._due_s = Stage.STORING, None
        return [*stop, Store(self.id, [*before, ended], goes_on=False, ending=self._ending)]

    def _show(self, shown: Shown, now_s: float) -> list[Action]:
        if shown.outcome is Outcome.ABANDONED:
            return self._reset()
        self.stage, self._due_s = Stage.SHOWN, now_s + SHOWN_S
        self.person = None
        return [Show(shown)]

    def _reset(self) -> list[Action]:
        self.stage, self._due_s = Stage.IDLE, None
        self._card = self.person = self.purpose = None
        return [Clear()]

    def _factors(self) -> frozenset[Factor]:
        allowed = frozenset[Method]() if self.person is None else self.person.methods
        return frozenset(factor for factor, method in METHOD_OF.items() if method in allowed)

    # -- what is recorded -----------------------------------------------------------------------------

    def _fact(self, kind: str, data: dict[str, Json], person: Visitor | None = None) -> Fact:
        whose = person or self.person
        if whose is None:
            return Fact(kind, f"device/{self._kiosk}", data, restricted=False)
        return Fact(kind, f"person/{whose.ref}", data, restricted=True)

    def _of_session(self) -> dict[str, Json]:
        body: dict[str, Json] = {"session": self.id, "kiosk": self._kiosk}
        if self.purpose is not None:
            body["purpose"] = self.purpose
        return body

    def _refused(self, factor: Factor, data: dict[str, Json]) -> Fact:
        return self._fact(f"identity.{factor}_refused", {**self._of_session(), **data})
