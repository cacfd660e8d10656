"""The procedure of an enrolment: every way out leaves the module and the disk as they were."""

from dataclasses import replace

import pytest

from drivers.errors import LinkLost
from drivers.factors import Enrolled, Factor, Matched, NotMatched
from gateway.checkin.enrolment import Enrolling, allowed
from gateway.checkin.enrolment_steps import (
    Action,
    AwaitPerson,
    Ending,
    Keep,
    ListSlots,
    Look,
    Outcome,
    Proof,
    Take,
    Withdrawn,
)
from gateway.checkin.references import State
from gateway.checkin.roster import Method
from gateway.errors import StoreRefused
from tests.gateway.enrolment_bench import Center, Module, person

ANNA, BORIS = "p-anna", "p-boris"


@pytest.fixture
def center() -> Center:
    made = Center()
    made.apply([person(ANNA), person(BORIS)])
    made.places[0].put(Module("M1"))
    made.places[0].finger = ANNA
    made.look("finger-1")
    return made


def play(
    center: Center, ref: str = ANNA, when: type[Action] | None = None, error: Exception | None = None
) -> Ending:
    """`error` is raised at the last action of the type `when`."""
    asked = center.asked(ref, "finger-1")
    assert asked is not None

    def on(action: Action) -> None:
        last = not isinstance(action, Keep) or any(f.type == "identity.enrolled" for f in action.facts)
        if when is not None and isinstance(action, when) and last and error is not None:
            raise error

    return center.enrol(asked, on=on)


@pytest.mark.parametrize(
    ("when", "error", "outcome"),
    [
        (Keep, StoreRefused("store_full", "no room"), Outcome.NOT_STORED),
        (Take, Withdrawn(), Outcome.CANCELLED),
        (Take, LinkLost("unplugged", "gone"), Outcome.FAILED),
        (Look, Withdrawn("timeout"), Outcome.CANCELLED),
        (AwaitPerson, Withdrawn("timeout"), Outcome.CANCELLED),
    ],
)
def test_whatever_ends_it_leaves_nothing_in_the_module_and_is_recorded(
    center: Center, when: type[Action], error: Exception, outcome: Outcome
) -> None:
    assert play(center, when=when, error=error).outcome is outcome
    module = center.places[0].module
    assert module is not None
    assert module.fingers == {}
    assert "identity.enrolled" not in center.types
    assert center.types[-1] == "audit.enrolled"
    assert all(row.state is State.ERASED for row in center.disk.rows.values())
    assert play(center).outcome is Outcome.ENROLLED, "it can be done again"


def test_a_disk_that_stays_full_leaves_what_the_next_look_finds(center: Center) -> None:
    asked = center.asked(ANNA, "finger-1")
    assert asked is not None

    def on(action: Action) -> None:
        if isinstance(action, Take):
            center.keeper.refusal = StoreRefused("store_full", "no room")

    assert center.enrol(asked, on=on).outcome is Outcome.NOT_STORED
    center.keeper.refusal = None
    assert center.modules.ready("finger-1") is None, "something is pending"
    center.places[0].put(center.places[0].module)
    center.look("finger-1")
    assert center.modules.ready("finger-1") == "M1"
    assert {row.state for row in center.disk.rows.values()} == {State.ERASED}


def test_a_face_module_chooses_its_slot_and_that_is_what_counts(center: Center) -> None:
    asked = center.asked(ANNA, "finger-1")
    assert asked is not None
    steps = Enrolling(
        replace(asked, factor=Factor.FACE), lambda: center.keeper.book, lambda: center.roster
    ).run()
    assert next(steps) == AwaitPerson()
    assert steps.send(Proof(BORIS)) == AwaitPerson("another_card")
    assert steps.send(Proof(ANNA)) == Look()
    assert steps.send(NotMatched("eyes_closed")) == Look(hint="eyes_closed")
    assert steps.send(NotMatched("unknown")) == ListSlots()
    reserved = steps.send(frozenset({1, 2}))
    assert isinstance(reserved, Keep)
    assert reserved.rows[0].slot == 3
    assert steps.send(None) == Take(3)
    assert steps.send(Enrolled(9, "M1")) == Look(verify=True)
    kept = steps.send(Matched(9, None, "M1"))
    assert isinstance(kept, Keep)
    assert (kept.rows[0].slot, kept.rows[0].state) == (9, State.ACTIVE)
    with pytest.raises(StopIteration) as ended:
        steps.send(None)
    assert ended.value.value == Ending(Outcome.ENROLLED)


def test_what_is_not_recognised_afterwards_is_deleted(center: Center) -> None:
    asked, place = center.asked(ANNA, "finger-1"), center.places[0]
    assert asked is not None

    def on(action: Action) -> None:
        if isinstance(action, Look) and action.verify:
            place.finger = BORIS

    assert center.enrol(asked, on=on) == Ending(Outcome.FAILED, "verify_failed")
    assert place.module is not None
    assert place.module.fingers == {}


def test_a_face_is_never_the_only_way() -> None:
    assert allowed(Method.FACE, frozenset({Method.FACE, Method.STAFF}))
    assert not allowed(Method.FACE, frozenset({Method.FACE}))
    assert not allowed(Method.FINGER, frozenset({Method.STAFF}))
