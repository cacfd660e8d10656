"""How long a battery lasts, told only where it can be."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.tracking.battery import LEAST_S, Battery

HOUR = 3600.0


def discharged(pct_per_hour: float, hours: int, start: int = 90) -> Battery:
    battery = Battery()
    for hour in range(hours + 1):
        battery.note(hour * HOUR, round(start - pct_per_hour * hour), charging=False)
    return battery


def test_a_steady_discharge_is_foretold() -> None:
    assert discharged(5, 6).hours_left() == 12  # 60 % at 5 % an hour


def test_nothing_is_foretold_from_too_little() -> None:
    assert discharged(5, 1).hours_left() is None
    battery = Battery()
    for at_s in (0.0, 60.0, LEAST_S - 1):
        battery.note(at_s, 90, charging=False)
    assert battery.hours_left() is None


def test_the_charger_begins_anew() -> None:
    battery = discharged(5, 6)
    battery.note(7 * HOUR, 60, charging=True)
    assert battery.hours_left() is None
    battery.note(8 * HOUR, 95, charging=False)
    assert battery.hours_left() is None


def test_a_battery_that_does_not_fall_has_no_end() -> None:
    assert discharged(0, 6).hours_left() is None


@given(st.lists(st.tuples(st.floats(0.1, 7200), st.integers(0, 100), st.booleans()), max_size=400))
def test_whatever_it_says_the_answer_is_none_or_hours(said: list[tuple[float, int, bool]]) -> None:
    battery, at_s = Battery(), 0.0
    for step_s, pct, charging in said:
        at_s += step_s
        battery.note(at_s, pct, charging=charging)
        left = battery.hours_left()
        assert left is None or left >= 0
