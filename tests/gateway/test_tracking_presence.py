"""Who is near by his beacon: whatever is heard in whatever order, the story holds together."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from drivers.listening import BeaconRules
from gateway.tracking.presence import Passage, Presence

RULES = BeaconRules()
WORN = {"band-1": "p-1", "band-2": "p-2"}


def hear(presence: Presence, *at_s: float, rssi: int = -60) -> None:
    for one in at_s:
        presence.heard("p-1", "band-1", rssi, one, RULES)


def settle(presence: Presence, now_s: float) -> list[bool]:
    """What is told now: True for coming."""
    due = list(presence.due(now_s, RULES))
    for one in due:
        presence.told(one, now_s)
    return [one.entered for one in due]


def test_three_times_in_ten_seconds_is_here_and_two_minutes_of_nothing_is_gone() -> None:
    presence = Presence({}, 0.0)
    hear(presence, 1, 4)
    assert settle(presence, 4) == []
    hear(presence, 9)
    assert settle(presence, 9) == [True]
    assert settle(presence, 128.9) == []
    assert settle(presence, 129) == [False]
    assert settle(presence, 5000) == []


def test_somebody_who_passes_by_did_not_come() -> None:
    presence = Presence({}, 0.0)
    hear(presence, 1, 8, 15, 22)
    assert settle(presence, 22) == []
    hear(presence, 30, 31, 32, rssi=-86)
    assert settle(presence, 32) == []


def test_a_weak_signal_keeps_him_here() -> None:
    presence = Presence({}, 0.0)
    hear(presence, 1, 2, 3)
    assert settle(presence, 3) == [True]
    hear(presence, 100, 200, 300, rssi=-99)
    assert settle(presence, 400) == []


def test_a_wearable_that_is_connected_is_near_whatever_its_strength() -> None:
    presence = Presence({}, 0.0)
    for at_s in (1, 2, 3):
        presence.heard("p-1", "band-1", None, at_s, RULES)
    assert settle(presence, 3) == [True]


def test_what_is_not_on_disk_is_due_again() -> None:
    presence = Presence({}, 0.0)
    hear(presence, 1, 2, 3)
    assert list(presence.due(3, RULES)) == list(presence.due(4, RULES))


def test_who_was_here_before_a_restart_has_time_to_be_heard_and_does_not_come_again() -> None:
    presence = Presence({"p-1": "band-1"}, 0.0)
    hear(presence, 5, 6, 7)
    assert settle(presence, 7) == []
    assert settle(presence, 126) == []
    assert settle(presence, 127) == [False]
    other = Presence({"p-1": "band-1"}, 0.0)
    (left,) = other.due(120, RULES)
    assert left == Passage("p-1", "band-1", entered=False, rssi=None, silent_s=120)


def test_who_wears_nothing_any_more_is_forgotten_without_a_word() -> None:
    presence = Presence({"p-1": "band-1", "p-2": "band-2"}, 0.0)
    assert presence.keep({"band-2": "p-2"}) == ["p-1"]
    assert [one.ref for one in presence.due(500, RULES)] == ["p-2"]


def test_who_gets_another_wearable_while_he_is_here_does_not_come_again() -> None:
    presence = Presence({"p-1": "band-1"}, 0.0)
    assert presence.keep({"band-9": "p-1"}) == []
    (left,) = presence.due(500, RULES)
    assert (left.tracker, left.entered) == ("band-9", False)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(WORN)),
        st.floats(0, 200),  # listened to until then
        st.floats(-30, 0),  # when it was heard, from now
        st.integers(-110, -30),
        st.sampled_from(["told", "refused", "restart"]),
    ),
    max_size=200,
)


@given(STEPS)
def test_coming_and_going_alternate_and_nobody_comes_twice_in_five_minutes(
    steps: list[tuple[str, float, float, int, str]],
) -> None:
    presence, now_s = Presence({}, 0.0), 0.0
    stored: dict[str, str] = {}  # what the disk has
    story: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    began_s = 0.0
    for tracker, later_s, ago_s, rssi, what in steps:
        now_s += later_s
        if what == "restart":
            presence, began_s = Presence(stored, now_s), now_s
        presence.heard(WORN[tracker], tracker, rssi, max(now_s + ago_s, 0.0), RULES)
        for one in list(presence.due(now_s, RULES)):
            if what == "refused":
                continue
            told = story[one.ref]
            assert one.entered is not bool(told and told[-1][0]), "they alternate, and coming is first"
            comings = [at_s for entered, at_s in told if entered and at_s > began_s]
            if one.entered:
                assert not comings or now_s - comings[-1] >= RULES.calm_s
                stored[one.ref] = one.tracker
            else:
                assert one.silent_s >= int(RULES.left_after_s)
                del stored[one.ref]
            told.append((one.entered, now_s))
            presence.told(one, now_s)


@given(st.lists(st.tuples(st.floats(0.1, 150), st.integers(-110, -60)), min_size=1, max_size=300))
def test_a_flapping_signal_makes_one_pair_in_five_minutes_at_most(gaps: list[tuple[float, int]]) -> None:
    presence, now_s, told = Presence({}, 0.0), 0.0, 0
    for gap_s, rssi in gaps:
        for _ in range(4):
            now_s += gap_s / 4
            hear(presence, now_s, rssi=rssi)
            told += len(settle(presence, now_s))
    assert told <= 2 * (now_s // RULES.calm_s + 1)
