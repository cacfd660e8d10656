"""Records are placed where they can be, and no closer than anybody knows."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.checkin.timeline import FOREVER_MS, Moment, Pairing, Placed, Span, Timeline, both, paired
from gateway.clock import ClockQuality, Stamp

FLOOR = 1_790_000_000_000
NOON = 1_795_700_000_000
DAY = 86_400_000
HOUR = 3_600_000


def pairing(boot: str, mono_ms: int, wall_ms: int, error_ms: int | None = 50) -> Pairing:
    return Pairing(Moment(boot, mono_ms), wall_ms, error_ms)


def line(boots: str, *pairings: Pairing) -> Timeline:
    return Timeline(tuple(boots), pairings, floor_ms=FLOOR)


def width(placed: Placed) -> int:
    return placed.latest_ms - placed.earliest_ms


def test_a_moment_is_placed_by_the_nearest_pairing_with_its_bound_and_the_drift() -> None:
    placed = line("a", pairing("a", 1000, NOON)).place(Moment("a", 1000 + HOUR))
    assert placed == Placed(NOON + HOUR - 50 - 360 - 1, NOON + HOUR + 50 + 360 + 1)
    near = line("a", pairing("a", 1000, NOON), pairing("a", HOUR, NOON + HOUR - 1000))
    assert width(near.place(Moment("a", HOUR))) == 102


def test_a_stamp_is_a_pairing_when_its_clock_has_a_bound() -> None:
    def stamp(quality: ClockQuality, error_ms: int | None) -> Stamp:
        return Stamp(NOON + 20 * DAY, 20 * DAY, "a", quality, error_ms)

    told = pairing("a", 0, NOON)
    moment = Moment("a", 20 * DAY)
    assert width(line("a", told, paired(stamp(ClockQuality.SYNCED, 50))).place(moment)) == 102
    weeks_ago = width(line("a", told).place(moment))
    assert weeks_ago > 5 * 60_000
    for unbound in (stamp(ClockQuality.UNSYNCED, 50), stamp(ClockQuality.HOLDOVER, None)):
        assert width(line("a", told, paired(unbound)).place(moment)) == weeks_ago


def test_what_was_recorded_before_the_clock_was_set_is_placed_afterwards() -> None:
    assert width(line("a", pairing("a", HOUR, NOON)).place(Moment("a", 0))) < 1000


def test_a_step_of_a_day_leaves_both_days_open_for_the_whole_boot() -> None:
    there_and_back = line(
        "a",
        pairing("a", 0, NOON),
        pairing("a", HOUR, NOON + HOUR + DAY),
        pairing("a", 2 * HOUR, NOON + 2 * HOUR),
    )
    for mono_ms in (0, HOUR // 2, HOUR, 3 * HOUR):
        placed = there_and_back.place(Moment("a", mono_ms))
        assert placed.earliest_ms <= NOON + mono_ms
        assert placed.latest_ms >= NOON + mono_ms + DAY
    assert there_and_back.certain([Span("a", 0, 3 * HOUR)]) == []


def test_an_unset_boot_lies_between_its_neighbours() -> None:
    three = line("abc", pairing("a", HOUR, NOON), pairing("c", 0, NOON + DAY))
    placed = three.place(Moment("b", 5))
    assert NOON - 100 <= placed.earliest_ms <= NOON
    assert NOON + DAY <= placed.latest_ms <= NOON + DAY + 100
    assert line("ab", pairing("a", HOUR, NOON)).place(Moment("b", 0)).latest_ms == FOREVER_MS
    assert line("a").place(Moment("x", 0)) == Placed(FLOOR, FOREVER_MS)


def test_a_clock_chip_ties_nothing() -> None:
    assert line("a", pairing("a", 0, NOON, None)).place(Moment("a", 0)) == Placed(FLOOR, FOREVER_MS)


def test_a_boot_that_claims_a_time_after_its_successor_is_not_believed() -> None:
    two = line("ab", pairing("a", 0, NOON + DAY), pairing("b", 0, NOON + HOUR))
    placed = two.place(Moment("a", 5))
    assert placed.earliest_ms <= NOON
    assert placed.latest_ms >= NOON + DAY
    assert width(two.place(Moment("b", 5))) >= DAY, "nor is the successor: one of them is wrong"


def test_certain_stretches_are_merged_and_cut_by_what_is_unsure() -> None:
    one = line("a", pairing("a", 0, NOON))
    minutes = [Span("a", n * 60_000, (n + 1) * 60_000) for n in range(60)]
    ((begin, end),) = one.certain(minutes)
    assert NOON <= begin <= NOON + 100
    assert NOON + HOUR - 1000 <= end <= NOON + HOUR
    assert one.certain([Span("a", 0, 10)]) == []


def test_both_is_what_lies_in_spans_of_either_kind() -> None:
    gateway = [Span("a", 0, 100), Span("b", 0, 50)]
    kiosk = [Span("a", 10, 20), Span("a", 90, 120), Span("c", 0, 9)]
    assert both(gateway, kiosk) == [Span("a", 10, 20), Span("a", 90, 100)]


offsets = st.integers(NOON, NOON + 3 * DAY)


@given(
    st.lists(
        st.tuples(st.integers(0, 2 * DAY), st.sampled_from([0, -DAY, DAY, 40]), st.integers(0, 900)),
        max_size=6,
    ),
    st.integers(0, 2 * DAY),
    offsets,
    st.integers(-90, 90),
)
def test_the_truth_lies_inside_where_one_pairing_of_a_boot_is_right(
    wrongs: list[tuple[int, int, int]], mono_ms: int, offset: int, ppm: int
) -> None:
    def truth(mono: int) -> int:
        return offset + mono + mono * ppm // 1_000_000

    pairings = [pairing("a", mono, truth(mono) + wrong, 50) for mono, wrong, _ in wrongs]
    pairings.append(pairing("a", DAY, truth(DAY)))
    placed = line("a", *pairings).place(Moment("a", mono_ms))
    assert placed.earliest_ms <= truth(mono_ms) <= placed.latest_ms
