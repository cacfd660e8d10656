"""Two modules that change places, one after the other: what each knows stays; what is gone is nobody's any more."""

import pytest

from gateway.checkin.references import State
from tests.gateway.enrolment_bench import Center, Module, person

PEOPLE = ("p-370102-0001", "p-370102-0002")


class Exchange:
    """Somebody is enrolled in each of two modules; a third is in a drawer."""

    def __init__(self) -> None:
        self.center = Center(erase_unknown=False)
        self.center.apply([person(one) for one in PEOPLE])
        self.modules = [Module("A"), Module("B"), Module("C")]
        for place, module, ref in zip(self.center.places, self.modules, PEOPLE, strict=False):
            place.put(module)
            place.finger = ref
            self.center.look(place.device)
            asked = self.center.asked(ref, place.device)
            assert asked is not None
            self.center.enrol(asked)

    def put(self, place: int, module: int | None) -> None:
        self.center.places[place - 1].put(None if module is None else self.modules[module])
        if module is not None:
            self.center.look(f"finger-{place}")

    def active(self) -> set[str]:
        """Modules in which somebody's reference counts."""
        return {one.module for one in self.center.disk.rows.values() if one.state is State.ACTIVE}

    def told(self) -> list[tuple[object, object, object]]:
        facts = [one.data for one in self.center.disk.facts if one.type == "device.replaced"]
        return [(one["was"], one["now"], one["voided"]) for one in facts]


@pytest.fixture
def exchange() -> Exchange:
    one = Exchange()
    assert one.active() == {"A", "B"}
    return one


@pytest.mark.parametrize("restart", [False, True])
def test_an_exchange_whose_other_half_is_away_voids_nothing(exchange: Exchange, restart: bool) -> None:  # noqa: FBT001
    exchange.put(2, None)
    exchange.put(1, 1)
    assert exchange.active() == {"A", "B"}, "the first may be on its way to the place of the second"
    if restart:
        exchange.center.power_on()
        exchange.center.keeper.roster = exchange.center.roster
    exchange.put(2, 0)
    assert exchange.active() == {"A", "B"}
    assert exchange.told() == [("A", "B", 0), ("B", "A", 0)]
    assert not [key for key in exchange.center.disk.notes if key.startswith("expected:")]


def test_where_a_third_comes_instead_the_one_that_is_gone_is_void(exchange: Exchange) -> None:
    exchange.put(2, None)
    exchange.put(1, 1)
    exchange.put(2, 2)
    assert exchange.active() == {"B"}
    assert ("A", "C", 1) in exchange.told()


def test_one_that_is_replaced_is_void_at_once(exchange: Exchange) -> None:
    exchange.put(2, None)
    exchange.put(1, 2)
    assert exchange.active() == {"B"}
    assert exchange.told() == [("A", "C", 1)]


def test_an_exchange_that_is_taken_back_voids_nothing(exchange: Exchange) -> None:
    exchange.put(2, None)
    exchange.put(1, 1)
    exchange.put(1, 0)
    exchange.put(2, 1)
    assert exchange.active() == {"A", "B"}
    assert not [key for key in exchange.center.disk.notes if key.startswith("expected:")]


def test_what_was_put_off_is_made_up_for_where_the_first_goes_for_good(exchange: Exchange) -> None:
    """Both places away, a stranger at one: the module of the other is still waited for there."""
    exchange.put(2, None)
    exchange.put(1, None)
    exchange.put(1, 2)
    assert exchange.active() == {"B"}, "the first is gone; the second may come back to its own place"
    exchange.put(2, 1)
    assert exchange.active() == {"B"}
