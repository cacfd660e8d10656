"""Alarms of wearables: raised and cleared in pairs, tamper never hidden by time."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.tracking import Sign, TrackerReport
from gateway.tracking.conditions import KIND_OF, KINDS, MOMENT_S, TAMPER, Conditions


def report(
    standing: Mapping[Sign, bool] | None = None,
    *moments: Sign,
    battery: int | None = None,
    charging: bool | None = None,
) -> TrackerReport:
    return TrackerReport(
        kind="x", device_id="t", standing=standing or {}, moments=frozenset(moments), battery_pct=battery,
        charging=charging,
    )  # fmt: skip


class Wearable:
    """Conditions with the alarms that stand about them."""

    def __init__(self) -> None:
        self.conditions, self.standing, self.now_s = Conditions(), set[str](), 0.0

    def says(self, said: TrackerReport, after_s: float = 60.0) -> set[str]:
        self.now_s += after_s
        for change in list(self.conditions.changes(said, set(self.standing), self.now_s)):
            (self.standing.add if change.raised else self.standing.discard)(change.kind)
        return self.standing


@pytest.mark.parametrize("sign", [Sign.STRAP_OPEN, Sign.CASE_TAMPER, Sign.JAMMING])
def test_a_condition_stands_until_the_wearable_says_otherwise(sign: Sign) -> None:
    one = Wearable()
    assert one.says(report({sign: True})) == {KIND_OF[sign]}
    assert one.says(report(), 86_400) == {KIND_OF[sign]}, "a report that does not speak of it ends nothing"
    assert one.says(report({sign: False})) == set()


@pytest.mark.parametrize("sign", [Sign.SOS, Sign.FENCE_EXIT, Sign.POWER_OFF])
def test_a_moment_is_over_when_nothing_of_it_came_for_long(sign: Sign) -> None:
    one = Wearable()
    assert one.says(report(None, sign)) == {KIND_OF[sign]}
    assert one.says(report(), MOMENT_S / 2) == {KIND_OF[sign]}
    assert one.says(report(None, sign)) == {KIND_OF[sign]}
    assert one.says(report(), MOMENT_S - 1) == {KIND_OF[sign]}
    assert one.says(report(), 2) == set()


@pytest.mark.parametrize("sign", [Sign.STRAP_OPEN, Sign.CASE_TAMPER])
def test_no_time_ends_tamper_that_was_told_as_a_moment(sign: Sign) -> None:
    one = Wearable()
    one.says(report(None, sign))
    assert one.says(report(), 30 * 86_400) == {KIND_OF[sign]}
    assert one.says(report({sign: False})) == set()


@pytest.mark.parametrize("sign", [Sign.STRAP_OPEN, Sign.CASE_TAMPER, Sign.LOW_BATTERY])
def test_a_report_that_contradicts_itself_ends_nothing(sign: Sign) -> None:
    one = Wearable()
    one.says(report(None, sign))
    assert one.says(report({sign: False}, sign)) == {KIND_OF[sign]}


def test_of_two_signs_of_one_alarm_the_worse_counts() -> None:
    one = Wearable()
    assert one.says(report({Sign.FENCE: True, Sign.FENCE_EXIT: False})) == {"fence"}
    assert one.says(report({Sign.FENCE: False, Sign.FENCE_EXIT: True})) == {"fence"}


def test_a_low_battery_has_a_band_and_the_charger_ends_it() -> None:
    one = Wearable()
    assert one.says(report(battery=21)) == set()
    assert one.says(report(battery=20)) == {"battery_low"}
    assert one.says(report(battery=25)) == {"battery_low"}
    assert one.says(report(battery=30)) == set()
    one.says(report({Sign.LOW_BATTERY: True}, battery=80))
    assert one.standing == {"battery_low"}, "its own word counts more than its number"
    assert one.says(report(battery=10, charging=True)) == set()


SAID = st.builds(
    lambda standing, moments, battery: report(standing, *moments, battery=battery),
    st.dictionaries(st.sampled_from(Sign), st.booleans(), max_size=6),
    st.sets(st.sampled_from(Sign), max_size=3),
    st.none() | st.integers(0, 100),
)


@given(st.lists(st.tuples(SAID, st.floats(0, 10_000)), max_size=30))
def test_whatever_is_said_tamper_ends_by_its_own_word_alone(said: list[tuple[TrackerReport, float]]) -> None:
    one = Wearable()
    for what, after_s in said:
        before = set(one.standing)
        one.says(what, after_s)
        assert one.standing <= KINDS
        for kind in TAMPER & before - one.standing:
            words = [stands for sign, stands in what.standing.items() if KIND_OF.get(sign) == kind]
            assert words, "it spoke of it"
            assert not any(words), "and said that all is well"
        for sign in what.moments & KIND_OF.keys():
            assert KIND_OF[sign] in one.standing
