"""One kiosk's sessions: every ending recorded, nothing shown before it is stored, two people never mixed."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from drivers.factors import Factor, Matched, NotMatched
from gateway.checkin.facts import (
    Action,
    AskFactor,
    Clear,
    Outcome,
    RosterState,
    Show,
    Shown,
    Standing,
    StopAsking,
    Store,
    Visitor,
)
from gateway.checkin.purposes import Purpose
from gateway.checkin.roster import Method
from gateway.checkin.schedule import Where
from gateway.checkin.session import SHOWN_S, STEP_S, TRIES, Card, Session, Stage
from gateway.event_types import TYPES
from gateway.ingest.facts import Fact

MODULE = "module-1"
ANNA = Visitor("p-anna", "安*", frozenset({Method.FINGER, Method.FACE}))
BORIS = Visitor("p-boris", "鲍*思", frozenset({Method.FINGER}))
CHILD = Visitor("p-child", "小*", frozenset({Method.FINGER}), protected=True)
GONE = Visitor("p-gone", "戈*", frozenset({Method.FINGER}), ended=True)
WORDLESS = Visitor("p-word", "文*", frozenset({Method.STAFF}))
PEOPLE = [ANNA, BORIS, CHILD, GONE, WORDLESS]


class Roster:
    """Cards are `hmac-<ref>`, slots count from 0."""

    def __init__(self) -> None:
        self.state: RosterState | None = RosterState(7, 60, expired=False)
        self.standings: dict[str, Standing] = {}

    def by_card(self, number_hmac: str) -> Visitor | None:
        return next((one for one in PEOPLE if number_hmac == f"hmac-{one.ref}"), None)

    def by_slot(self, module: str, slot: int) -> Visitor | None:
        return PEOPLE[slot] if module == MODULE and 0 <= slot < len(PEOPLE) else None

    def standing(self, ref: str) -> Standing | None:
        return self.standings.get(ref)


def card(person: Visitor | None, event: str = "event-1") -> Card:
    return Card("hmac-nobody" if person is None else f"hmac-{person.ref}", event)


def finger(person: Visitor) -> Matched:
    return Matched(PEOPLE.index(person), 90, MODULE)


class Kiosk:
    """A session whose store says yes at once, unless told otherwise."""

    def __init__(self, roster: Roster | None = None) -> None:
        self.roster = roster or Roster()
        self.count = 0
        self.session = Session("kiosk-1", self.roster, self._new_id)
        self.facts: list[Fact] = []
        self.shown: list[Shown] = []
        self.done: list[Action] = []
        self.store_code: str | None = None
        self.now_s = 0.0

    def _new_id(self) -> str:
        self.count += 1
        return f"s{self.count}"

    def do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self.done.append(action)
            match action:
                case Store(session, facts, _) if self.store_code is None:
                    self.facts += facts
                    self.do(self.session.stored(session, self.now_s))
                case Store(session, _, _):
                    self.do(self.session.refused(session, self.store_code or "", self.now_s))
                case Show(shown):
                    self.shown.append(shown)

    def card(self, person: Visitor | None) -> None:
        self.do(self.session.card(card(person), self.now_s))

    def touch(self, purpose: Purpose = Purpose.REPORT) -> None:
        self.do(self.session.touch(purpose, self.now_s))

    def finger(self, result: Matched | NotMatched) -> None:
        self.do(self.session.factor(self.session.id, Factor.FINGER, result))

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.do(self.session.tick(self.now_s))

    @property
    def types(self) -> list[str]:
        return [fact.type for fact in self.facts]


@pytest.mark.parametrize("touch_first", [True, False])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_card_and_finger_count(purpose: Purpose, *, touch_first: bool) -> None:
    kiosk = Kiosk()
    if touch_first:
        kiosk.touch(purpose)
        kiosk.card(ANNA)
    else:
        kiosk.card(ANNA)
        kiosk.touch(purpose)
    assert kiosk.done[-1] == AskFactor("s1", frozenset({Factor.FINGER, Factor.FACE}))
    assert kiosk.shown == []
    kiosk.finger(finger(ANNA))
    assert kiosk.types == ["checkin.opened", "identity.finger_matched", "checkin.completed"]
    assert {fact.subject for fact in kiosk.facts} == {"person/p-anna"}
    assert {fact.data["session"] for fact in kiosk.facts} == {"s1"}
    ended = kiosk.facts[-1].data
    assert ended["purpose"] == purpose
    assert (ended["method"], ended["card_event"], ended["roster_version"]) == ("finger", "event-1", 7)
    assert kiosk.shown == [Shown(Outcome.COMPLETED, None, "安*")]


def test_nothing_is_shown_before_it_is_stored() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    actions = kiosk.session.factor("s1", Factor.FINGER, finger(ANNA))
    assert [type(action) for action in actions] == [StopAsking, Store]
    assert kiosk.session.stage is Stage.STORING
    assert [type(action) for action in kiosk.session.stored("s1", 0.0)] == [Show]


def test_what_the_store_refuses_is_told_and_does_not_count() -> None:
    for at in ("opened", "completed"):
        kiosk = Kiosk()
        kiosk.card(ANNA)
        kiosk.store_code = "store_full" if at == "opened" else None
        kiosk.touch()
        kiosk.store_code = "store_full"
        kiosk.finger(finger(ANNA))
        assert kiosk.shown == [Shown(Outcome.NOT_STORED, "store_full")]
        assert "checkin.completed" not in kiosk.types
        assert (AskFactor("s1", frozenset({Factor.FINGER, Factor.FACE})) in kiosk.done) is (at == "completed")
        assert (StopAsking() in kiosk.done) is (at == "completed")


def test_the_card_of_one_and_the_finger_of_another_is_rejected_with_both_facts() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    kiosk.finger(finger(BORIS))
    assert kiosk.types == ["checkin.opened", "identity.finger_matched", "checkin.rejected"]
    assert kiosk.facts[1].subject == "person/p-boris"
    ended = kiosk.facts[2]
    assert ended.subject == "person/p-anna"
    assert (ended.data["reason"], ended.data["card"], ended.data["factor"]) == (
        "not_the_same_person", "p-anna", "p-boris",
    )  # fmt: skip
    assert kiosk.shown == [Shown(Outcome.REJECTED, "not_the_same_person", "安*")]


@pytest.mark.parametrize(
    ("person", "state", "reason"),
    [
        (None, RosterState(7, 60, expired=False), "unknown_person"),
        (ANNA, RosterState(7, 9_000_000, expired=True), "roster_expired"),
        (ANNA, None, "no_roster"),
        (None, None, "no_roster"),
        (GONE, RosterState(7, 60, expired=False), "supervision_ended"),
    ],
)
def test_whoever_cannot_be_judged_is_recorded_for_review(
    person: Visitor | None, state: RosterState | None, reason: str
) -> None:
    kiosk = Kiosk()
    kiosk.roster.state = state
    kiosk.touch()
    kiosk.card(person)
    assert kiosk.types == ["checkin.opened", "checkin.pending_review"]
    assert kiosk.facts[-1].data["reason"] == reason
    assert kiosk.shown[0].outcome is Outcome.PENDING_REVIEW
    assert not any(isinstance(action, AskFactor) for action in kiosk.done)


def test_a_finger_that_is_not_found_may_be_tried_again_and_then_staff_decide() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    for _ in range(TRIES - 1):
        kiosk.finger(NotMatched("unknown"))
        assert isinstance(kiosk.done[-1], AskFactor)
    kiosk.finger(Matched(4_000, 90, MODULE))
    assert kiosk.types == ["checkin.opened", *["identity.finger_refused"] * TRIES, "checkin.rejected"]
    assert [fact.data["reason"] for fact in kiosk.facts[1:]] == [
        "unknown",
        "unknown",
        "unassigned",
        "factor_failed",
    ]
    assert {fact.subject for fact in kiosk.facts} == {"person/p-anna"}


def test_a_terminal_cannot_prove_by_what_the_roster_does_not_allow() -> None:
    kiosk = Kiosk()
    kiosk.touch()
    kiosk.card(BORIS)  # a finger, and no face
    said = kiosk.session.factor(kiosk.session.id, Factor.FACE, finger(BORIS), reported_by="kiosk-1")
    assert said == []
    assert kiosk.session.stage is Stage.PROVING
    kiosk.finger(finger(BORIS))
    assert kiosk.shown[-1].outcome is Outcome.COMPLETED


def test_the_word_of_staff_counts_and_says_whose_it_was_and_why() -> None:
    kiosk = Kiosk()
    kiosk.card(WORDLESS)
    kiosk.touch()
    assert kiosk.done[-1] == AskFactor("s1", frozenset())
    kiosk.do(kiosk.session.staff_word(kiosk.session.id, "staff-3", "finger injured"))
    ended = kiosk.facts[-1]
    assert ended.type == "checkin.completed"
    assert (ended.data["method"], ended.data["staff"], ended.data["staff_reason"]) == (
        "staff", "staff-3", "finger injured",
    )  # fmt: skip


def test_nobody_speaks_for_a_session_that_is_over() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    kiosk.wait(STEP_S)
    before = list(kiosk.facts)
    kiosk.finger(finger(ANNA))
    kiosk.do(kiosk.session.staff_word(kiosk.session.id, "staff-3", "late"))
    assert kiosk.facts == before
    assert kiosk.types[-1] == "checkin.abandoned"


def test_another_person_s_card_ends_the_session_and_begins_its_own() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    kiosk.card(BORIS)
    assert kiosk.types[-1] == "checkin.abandoned"
    assert (kiosk.facts[-1].subject, kiosk.facts[-1].data["reason"]) == ("person/p-anna", "another_card")
    kiosk.touch(Purpose.STUDY_IN)
    kiosk.finger(finger(BORIS))
    assert kiosk.shown == [Shown(Outcome.COMPLETED, None, "鲍*思")]
    assert kiosk.facts[-1].data["session"] == "s2"


def test_a_late_answer_of_the_store_does_not_reach_the_next_session() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    kiosk.session.card(card(BORIS), 0.0)  # the end of the first session is being stored
    assert kiosk.session.refused("s1", "store_full", 0.0) == []
    assert kiosk.session.stored("s1", 0.0) == []
    assert kiosk.session.stage is Stage.CHOOSING


def test_what_was_asked_or_said_for_one_session_counts_for_no_other() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    kiosk.card(BORIS)
    kiosk.touch()
    before = list(kiosk.facts)
    kiosk.do(kiosk.session.factor("s1", Factor.FACE, finger(ANNA)))
    kiosk.do(kiosk.session.factor("s1", Factor.FACE, NotMatched("poor")))
    kiosk.do(kiosk.session.staff_word("s1", "staff-3", "meant Anna"))
    assert kiosk.facts == before
    assert kiosk.session.stage is Stage.PROVING


def test_the_same_card_again_changes_nothing() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    count = len(kiosk.done)
    kiosk.card(ANNA)
    assert len(kiosk.done) == count


def test_a_person_who_walks_away_leaves_nothing_on_the_screen() -> None:
    kiosk = Kiosk()
    kiosk.card(ANNA)
    kiosk.touch()
    kiosk.finger(finger(ANNA))
    kiosk.wait(SHOWN_S)
    assert kiosk.done[-1] == Clear()
    assert kiosk.session.stage is Stage.IDLE
    assert kiosk.session.person is None
    kiosk.card(BORIS)
    kiosk.wait(STEP_S)
    assert kiosk.types[-1] == "checkin.abandoned"
    assert kiosk.done[-1] == Clear()
    assert kiosk.session.person is None


def test_touches_alone_make_no_events() -> None:
    kiosk = Kiosk()
    for purpose in Purpose:
        kiosk.touch(purpose)
    kiosk.do(kiosk.session.leave())
    kiosk.touch()
    kiosk.wait(STEP_S)
    assert kiosk.facts == []
    assert kiosk.session.stage is Stage.IDLE


def test_a_kiosk_for_one_purpose_asks_for_nothing_but_the_proof() -> None:
    kiosk = Kiosk()
    kiosk.session = Session("kiosk-1", kiosk.roster, lambda: "s1", only=Purpose.REPORT)
    kiosk.card(ANNA)
    kiosk.finger(finger(ANNA))
    assert kiosk.types == ["checkin.opened", "identity.finger_matched", "checkin.completed"]
    assert {fact.data["purpose"] for fact in kiosk.facts} == {"report"}
    assert all(fact.restricted for fact in kiosk.facts)


def test_of_a_protected_person_no_name_is_shown() -> None:
    kiosk = Kiosk()
    kiosk.card(CHILD)
    kiosk.touch()
    kiosk.finger(finger(CHILD))
    assert kiosk.shown == [Shown(Outcome.COMPLETED, None, None)]


class AnyOrder(RuleBasedStateMachine):
    """Whatever comes in whatever order: the promises of a session."""

    @initialize(expired=st.booleans())
    def begin(self, *, expired: bool) -> None:
        self.kiosk = Kiosk()
        self.kiosk.roster.state = RosterState(7, 60, expired=expired)

    @rule(person=st.sampled_from([None, *PEOPLE]))
    def lay_card(self, person: Visitor | None) -> None:
        self.kiosk.card(person)

    @rule(purpose=st.sampled_from(list(Purpose)))
    def touch(self, purpose: Purpose) -> None:
        self.kiosk.touch(purpose)

    @rule(person=st.sampled_from(PEOPLE))
    def right_finger(self, person: Visitor) -> None:
        self.kiosk.finger(finger(person))

    @rule()
    def no_finger(self) -> None:
        self.kiosk.finger(NotMatched("poor"))

    @rule()
    def word(self) -> None:
        self.kiosk.do(self.kiosk.session.staff_word(self.kiosk.session.id, "staff-1", "reason"))

    @rule()
    def leave(self) -> None:
        self.kiosk.do(self.kiosk.session.leave())

    @rule(seconds=st.sampled_from([1.0, SHOWN_S, STEP_S]))
    def wait(self, seconds: float) -> None:
        self.kiosk.wait(seconds)

    @rule(code=st.sampled_from([None, "store_full"]))
    def disk(self, code: str | None) -> None:
        self.kiosk.store_code = code

    @invariant()
    def every_type_is_of_the_contract(self) -> None:
        assert {fact.type for fact in self.kiosk.facts} <= TYPES.keys()

    @invariant()
    def a_session_ends_at_most_once(self) -> None:
        ends = [
            fact.data["session"]
            for fact in self.kiosk.facts
            if fact.type.startswith("checkin.") and fact.type != "checkin.opened"
        ]
        assert len(ends) == len(set(ends))

    @invariant()
    def what_counts_was_opened_and_proven_for_one_person(self) -> None:
        for fact in self.kiosk.facts:
            if fact.type != "checkin.completed":
                continue
            same = [one for one in self.kiosk.facts if one.data["session"] == fact.data["session"]]
            proofs = {"identity.finger_matched", "identity.face_matched"}
            proven = fact.data["method"] == "staff" or any(one.type in proofs for one in same)
            assert proven
            assert same[0].type == "checkin.opened"
            assert {one.subject for one in same} == {fact.subject}

    @invariant()
    def what_is_shown_as_counted_is_stored(self) -> None:
        counted = sum(shown.outcome is Outcome.COMPLETED for shown in self.kiosk.shown)
        assert counted == self.kiosk.types.count("checkin.completed")

    @invariant()
    def nobody_is_asked_when_no_session_wants_proof(self) -> None:
        asked = [action for action in self.kiosk.done if isinstance(action, AskFactor | StopAsking)]
        if asked and self.kiosk.session.stage is not Stage.PROVING:
            assert isinstance(asked[-1], StopAsking)

    @invariant()
    def an_idle_kiosk_knows_nobody(self) -> None:
        if self.kiosk.session.stage in (Stage.IDLE, Stage.SHOWN):
            assert self.kiosk.session.person is None


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_a_report_says_how_it_lies_to_the_duty_and_nothing_else_does() -> None:
    standing = Standing(Where.ON_TIME, date(2026, 11, 30), date(2026, 11, 23), "event-9")
    for purpose, expected in [
        (
            Purpose.REPORT,
            {"counts_as": "on_time", "duty_day": "2026-11-23", "late_arrival_of": "event-9"},
        ),
        (Purpose.STUDY_IN, {}),
    ]:
        kiosk = Kiosk()
        kiosk.roster.standings[ANNA.ref] = standing
        kiosk.touch(purpose)
        kiosk.card(ANNA)
        kiosk.finger(finger(ANNA))
        data = kiosk.facts[-1].data
        members = ("counts_as", "duty_day", "late_arrival_of")
        assert {name: data[name] for name in members if name in data} == expected
        assert kiosk.shown[-1].standing == (standing if expected else None)


def test_with_an_unset_clock_nothing_is_said_of_the_duty() -> None:
    kiosk = Kiosk()
    kiosk.roster.standings[ANNA.ref] = Standing(None, None)
    kiosk.touch()
    kiosk.card(ANNA)
    kiosk.finger(finger(ANNA))
    assert "counts_as" not in kiosk.facts[-1].data
