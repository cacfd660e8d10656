"""Enrol, erase, swap, reset, cut the power, put the store back, in any order: nobody is ever taken for another."""

from contextlib import suppress

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from drivers.errors import DriverError, LinkLost
from gateway.checkin.enrolment_steps import Outcome
from gateway.checkin.references import State
from gateway.checkin.roster import DeviceReference, Method, Roster
from tests.gateway.enrolment_bench import Center, Disk, Module, PowerCut, person

PEOPLE = ("p-anna", "p-boris", "p-clara", "p-dora")
DEVICES = ("finger-1", "finger-2")
refs = st.sampled_from(PEOPLE)
devices = st.sampled_from(DEVICES)
serials = st.sampled_from(("M1", "M2", "M3"))
cuts = st.none() | st.none() | st.tuples(st.integers(1, 8), st.booleans())


class Enrolments(RuleBasedStateMachine):
    """A finger is named after its person, so that what lies in a slot says whose it is."""

    @initialize()
    def start(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.center = Center()
        self.boxes = {serial: Module(serial) for serial in ("M1", "M2", "M3")}
        self.backup: tuple[Disk, Roster | None] | None = None
        self.released: set[str] = set()
        self.acknowledged: dict[str, tuple[str, str]] = {}  # enrolment -> person, module
        self.center.apply([person(ref) for ref in PEOPLE])
        for place, serial in zip(self.center.places, ("M1", "M2"), strict=True):
            place.put(self.boxes[serial])
        self.look_at_all()

    def place(self, device: str):  # type: ignore[no-untyped-def]
        return self.center.places[DEVICES.index(device)]

    def count_enrolled(self) -> None:
        with suppress(InvalidArgument):  # by hand
            event("enrolled")

    def look_at_all(self) -> None:
        for place in self.center.places:
            if place.module is not None:
                self.center.look(place.device)

    @rule(ref=refs, finger=refs, device=devices, cut=cuts, lost=st.just(0) | st.integers(0, 6))
    def enrol(self, ref: str, finger: str, device: str, cut: tuple[int, bool] | None, lost: int) -> None:
        """`finger`: who really lays theirs; staff see that it is `ref`, so another's is laid only by one enrolled."""
        place = self.place(device)
        if place.module is None or ref in self.released:
            return
        with suppress(DriverError):
            self.center.look(device)
        serial, fingers = place.module.serial, place.module.fingers
        claims = self.center.keeper.book.claims
        known = any(own == finger and claims(serial, slot, None) for slot, own in fingers.items())
        place.finger = finger if known else ref
        asked = self.center.asked(ref, device)
        if asked is None:
            return
        if cut is not None:
            self.center.fuse.left, self.center.fuse.after = cut
        actions = iter(range(1, 99))

        def pull(_action: object) -> None:
            if next(actions) == lost:
                place.errors.append(LinkLost("unplugged", "gone"))

        try:
            ending = self.center.enrol(asked, on=pull if lost else None)
        except PowerCut:
            self.center.power_on()
            return
        finally:
            self.center.fuse.left = None
            place.errors.clear()
        if ending.outcome is Outcome.ENROLLED:
            assert place.finger == ref
            row = self.center.disk.rows[asked.id]
            assert row.state is State.ACTIVE, "acknowledged before it was on disk"
            assert place.module.fingers[row.slot] == ref
            assert "identity.enrolled" in self.center.types
            self.count_enrolled()
            self.acknowledged[asked.id] = (ref, place.module.serial)

    @rule(device=devices, serial=st.none() | serials)
    def swap(self, device: str, serial: str | None) -> None:
        module = None if serial is None else self.boxes[serial]
        for other in self.center.places:
            if module is not None and other.module is module and other.device != device:
                other.put(None)
        self.place(device).put(module)

    @rule(device=devices)
    def replug(self, device: str) -> None:
        self.place(device).put(self.place(device).module)

    @rule(serial=serials)
    def reset(self, serial: str) -> None:
        self.boxes[serial].fingers.clear()

    @rule(serial=serials, slot=st.integers(0, 5))
    def write_by_another_tool(self, serial: str, slot: int) -> None:
        """Into a place of which nothing is known; elsewhere nobody could tell."""
        fingers = self.boxes[serial].fingers
        claimed = any(
            (one.module, one.slot) == (serial, slot) for one in self.center.disk.rows.values() if one.held
        )
        if slot not in fingers and not claimed and "stranger" not in fingers.values():
            fingers[slot] = "stranger"

    @rule(device=devices, cut=cuts)
    def look(self, device: str, cut: tuple[int, bool] | None) -> None:
        if self.place(device).module is None:
            return
        if cut is not None:
            self.center.fuse.left, self.center.fuse.after = cut
        try:
            with suppress(DriverError):
                self.center.look(device)
        except PowerCut:
            self.center.power_on()
        self.center.fuse.left = None

    @rule(ref=refs)
    def release(self, ref: str) -> None:
        self.released.add(ref)
        coroutine = self.center.releases.release(ref, by="staff-1", reason="over")
        with suppress(StopIteration):
            coroutine.send(None)

    @rule(stale=st.booleans(), swapped=st.booleans())
    def roster(self, *, stale: bool, swapped: bool) -> None:
        """What the center has learnt of; `stale`: also what is gone; `swapped`: two people in each other's place."""
        rows = self.center.disk.rows.values()
        states = {State.ACTIVE, State.VOID} if stale else {State.ACTIVE}
        held = {ref: {} for ref in PEOPLE}  # type: dict[str, dict[tuple[str, int], str]]
        taken: set[tuple[str, int]] = set()
        for one in rows:
            place = (one.module, one.slot or 0)
            if one.slot is not None and one.state in states and place not in taken:
                taken.add(place)
                ref = PEOPLE[PEOPLE.index(one.person) ^ 1] if swapped else one.person
                held[ref][place] = f"wrong-{one.id}" if swapped else one.id
        self.center.apply(
            [
                person(
                    ref, [DeviceReference(Method.FINGER, *place, ident) for place, ident in held[ref].items()]
                )
                for ref in PEOPLE
                if ref not in self.released
            ]
        )

    @rule()
    def power_cut(self) -> None:
        self.center.power_on()

    @rule()
    def back_up(self) -> None:
        self.backup = self.center.disk.copy(), self.center.roster

    @precondition(lambda self: self.backup is not None)
    @rule()
    def put_back(self) -> None:
        assert self.backup is not None
        disk, self.center.roster = self.backup
        self.center.disk = disk.copy()
        self.acknowledged.clear()
        self.center.doubt()
        for ref in self.released.copy():  # said again: the backup does not know of it
            self.release(ref)

    @invariant()
    def nobody_is_taken_for_another(self) -> None:
        if not hasattr(self, "center"):
            return
        for serial, module in self.boxes.items():
            for slot, finger in module.fingers.items():
                owner = self.center.owner(serial, slot)
                assert owner in (None, finger), f"{finger} at {serial}/{slot} is taken for {owner}"

    @invariant()
    def what_was_acknowledged_is_on_disk(self) -> None:
        for enrolment, (ref, module) in getattr(self, "acknowledged", {}).items():
            row = self.center.disk.rows[enrolment]
            assert (row.person, row.module) == (ref, module)
            assert row.state is not State.PENDING

    def teardown(self) -> None:
        """Every module comes once more: nothing of anybody who was released is left."""
        if not hasattr(self, "center"):
            return
        self.center.power_on()
        for serial in self.boxes:
            self.swap("finger-1", serial)
            for _ in range(3):
                self.look("finger-1", None)
            left = set(self.boxes[serial].fingers.values()) & self.released
            assert not left, f"{left} is still in {serial}"
            pending = [one for one in self.center.disk.rows.values() if one.state is State.PENDING]
            assert not [one for one in pending if one.module == serial]


class Trusting(Enrolments):
    """Believes the references of a store that was put back."""

    def begin(self) -> None:
        super().begin()
        self.center.doubt = self.center.power_on  # type: ignore[method-assign]


@pytest.mark.parametrize(("machine", "fails"), [(Trusting, True), (Enrolments, False)])
def test_control_a_store_that_is_put_back_and_trusted_takes_one_for_another(
    machine: type[Enrolments], *, fails: bool
) -> None:
    run = machine()
    run.begin()
    run.enrol("p-boris", "p-boris", "finger-1", None, 0)
    run.back_up()
    run.reset("M1")
    run.replug("finger-1")
    run.enrol("p-anna", "p-anna", "finger-1", None, 0)
    assert run.boxes["M1"].fingers == {0: "p-anna"}
    run.put_back()
    if fails:
        with pytest.raises(AssertionError, match="p-anna at M1/0 is taken for p-boris"):
            run.nobody_is_taken_for_another()
    else:
        run.nobody_is_taken_for_another()


TestEnrolments = Enrolments.TestCase
TestEnrolments.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
