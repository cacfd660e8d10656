"""The hearing clock: it stands still while nobody can hear."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.listening import HearingClock


def test_time_between_two_advertisements_of_one_scan_counts() -> None:
    clock = HearingClock()
    assert clock.heard(100.0, 101.0)
    assert clock.heard(100.0, 131.0)
    clock.look(100.0, 140.0)
    assert (clock.heard_s, clock.quiet) == (31.0, False)


def test_what_follows_the_last_one_of_a_scan_that_is_made_anew_does_not() -> None:
    clock = HearingClock()
    clock.heard(100.0, 110.0)
    clock.look(100.0, 190.0)
    clock.look(200.0, 201.0)
    assert (clock.heard_s, clock.quiet) == (11.0, True)
    clock.heard(200.0, 205.0)
    assert clock.heard_s == 15.0


def test_without_a_scan_nothing_counts() -> None:
    clock = HearingClock()
    clock.look(None, 50.0)
    assert not clock.heard(None, 60.0)
    clock.look(None, 1000.0)
    assert clock.heard_s == 0.0


def test_an_advertisement_of_the_next_scan_does_not_count_the_gap_before_it() -> None:
    clock = HearingClock()
    clock.heard(100.0, 110.0)
    clock.heard(500.0, 501.0)  # nobody has looked in between
    assert clock.heard_s == 11.0


def test_a_room_where_nobody_is_heard_at_all_is_quiet_and_its_time_counts() -> None:
    clock = HearingClock()
    clock.look(0.0, 90.0)
    clock.look(91.0, 181.0)
    assert (clock.heard_s, clock.quiet) == (180.0, True)


def test_where_a_beacon_hangs_on_the_wall_silence_is_deafness() -> None:
    clock = HearingClock(never_silent=True)
    clock.look(0.0, 90.0)
    clock.heard(0.0, 95.0)
    clock.heard(0.0, 99.0)
    clock.look(200.0, 300.0)
    clock.look(300.0, 400.0)
    assert (clock.heard_s, clock.quiet) == (4.0, True)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.0, 200.0, allow_nan=False)), max_size=60))
def test_it_never_goes_back_and_never_counts_more_than_scans_have_run(
    steps: list[tuple[bool, bool, float]],
) -> None:
    """Each step: whether the scan is made anew or lost, whether somebody is heard, how much later."""
    clock, now, scan, ran = HearingClock(), 1000.0, None, 0.0
    for changes, heard, later in steps:
        if changes:
            scan = None if scan is not None else now
        before = clock.heard_s
        now += later
        ran += later if scan is not None else 0.0
        if heard:
            clock.heard(scan, now)
        else:
            clock.look(scan, now)
        assert before <= clock.heard_s <= ran + 1e-6
