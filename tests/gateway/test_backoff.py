"""When the next connection is tried: soon after a short outage, seldom in a long one, never all at once."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.uplink.backoff import LEAST_S, MOST_S, STABLE_S, Backoff


@given(began_s=st.floats(0, 1e9), away_s=st.floats(0, 1e6))
def test_a_wait_is_at_most_a_quarter_of_the_outage_or_two_seconds(began_s: float, away_s: float) -> None:
    backoff = Backoff(began_s)
    limit_s = backoff.limit_s(began_s + away_s)
    assert LEAST_S <= limit_s <= MOST_S
    assert limit_s <= max(LEAST_S, away_s / 4 * 1.001)
    assert 0 <= backoff.wait_s(began_s + away_s) <= limit_s


def test_attempts_that_fail_get_rarer_up_to_one_in_a_minute() -> None:
    backoff, now_s, attempts = Backoff(0.0), 0.0, 0
    while now_s < 3600:
        attempts += 1
        backoff.ended(now_s, lasted_s=0.1, settled=False)
        now_s += 0.1 + backoff.limit_s(now_s)
    assert backoff.limit_s(now_s) == MOST_S
    assert attempts < 3600 / MOST_S + 40


def test_a_connection_that_brought_nothing_does_not_end_the_trouble() -> None:
    backoff = Backoff(0.0)
    for at_s in range(0, 600, 5):
        backoff.ended(float(at_s), lasted_s=4.0, settled=False)
    assert backoff.limit_s(600.0) == MOST_S


def test_a_connection_that_settled_something_or_lasted_ends_it() -> None:
    for lasted_s, settled in ((4.0, True), (STABLE_S, False)):  # not a moment of each
        backoff = Backoff(0.0)
        backoff.ended(600.0, lasted_s=lasted_s, settled=settled)
        assert backoff.limit_s(600.0) == LEAST_S


def test_gateways_that_lost_the_same_broker_come_back_spread() -> None:
    waits = sorted(Backoff(0.0).wait_s(240.0) for _ in range(140))
    assert max(later - earlier for earlier, later in itertools.pairwise(waits)) < 10
    assert waits[35] > 5
    assert waits[105] < 55


def test_connections_that_settle_something_and_break_at_once_are_not_had_for_ever() -> None:
    backoff, now_s, connects = Backoff(0.0), 600.0, 0
    while now_s < 600.0 + 86_400:
        connects += 1
        now_s += 0.2
        backoff.ended(now_s, lasted_s=0.2, settled=True)
        now_s += backoff.limit_s(now_s) / 2  # the mean of the waits
    assert connects < 86_400 / 2
