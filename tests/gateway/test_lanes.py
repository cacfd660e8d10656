"""Which event goes next: urgency first, nobody starved, nothing sent twice or left behind."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.spans import Spans, of_numbers
from gateway.store.outbox import REST_LANE, URGENT_LANE, Row
from gateway.uplink.drain_cap import DrainCap
from gateway.uplink.lanes import MOST_FROM_MEMORY, FreshMarks, Lanes
from gateway.uplink.window import FIRST, LEAST, MOST, SettleWindow


def row(n: int, lane: int = REST_LANE) -> Row:
    return Row(n, lane, "identity", 0, b"")


def filled(fresh: int, aged: int, rest: int) -> Lanes:
    lanes = Lanes()
    n = 0
    for lane, count in ((lanes.aged, aged), (lanes.rest, rest), (lanes.fresh, fresh)):
        rows = [row(n := n + 1, lane.store_lane) for _ in range(count)]
        lane.take_up(rows, skip=(), exhausted=True)
    return lanes


def drained(lanes: Lanes, sends: int) -> list[str]:
    order: list[str] = []
    for _ in range(sends):
        lane = lanes.choose(1000, 1000, drain=True)
        if lane is None:
            break
        lane.pop()
        order.append(lane.name)
    return order


def test_a_fresh_check_in_overtakes_the_backlog() -> None:
    assert drained(filled(fresh=1, aged=5, rest=50), 2).index("L0") <= 1


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_every_row_is_sent_once_and_one_in_four_comes_from_the_lowest(
    fresh: int, aged: int, rest: int
) -> None:
    order = drained(filled(fresh, aged, rest), 200)
    assert [order.count(name) for name in ("L0", "L1", "L2")] == [fresh, aged, rest]
    for start in range(len(order) - 3):
        left = order[start:]
        lowest = max(left)  # the lowest lane that still has something
        assert lowest in order[start : start + 4]


def test_the_backlog_leaves_room_for_a_check_in() -> None:
    lanes = filled(fresh=0, aged=0, rest=100)
    assert lanes.choose(room=17, size=64, drain=True) is lanes.rest
    assert lanes.choose(room=16, size=64, drain=True) is None
    lanes.fresh.take_up([row(999, URGENT_LANE)], skip=(), exhausted=True)
    assert lanes.choose(room=16, size=64, drain=True) is lanes.fresh
    assert lanes.choose(room=0, size=64, drain=True) is None


def test_a_stream_of_check_ins_that_fills_the_window_does_not_starve_the_backlog() -> None:
    lanes = filled(fresh=40, aged=0, rest=40)
    order = []
    for _ in range(16):
        lane = lanes.choose(room=3, size=64, drain=True)  # over three quarters are out, all the time
        assert lane is not None
        lane.pop()
        order.append(lane.name)
    assert order.count("L2") == 4


def test_when_the_rate_is_used_up_only_fresh_events_go_and_the_turn_is_kept() -> None:
    lanes = filled(fresh=5, aged=0, rest=5)
    for _ in range(4):
        lane = lanes.choose(room=60, size=64, drain=False)
        assert lane is lanes.fresh
        lane.pop()
    assert filled(fresh=0, aged=3, rest=3).choose(room=60, size=64, drain=False) is None


def test_a_row_is_held_by_one_lane_and_what_is_settled_is_dropped() -> None:
    lanes = Lanes()
    lanes.fresh.take_up([row(5, URGENT_LANE)], skip=(), exhausted=True)
    lanes.aged.take_up([row(4, URGENT_LANE), row(5, URGENT_LANE)], skip={4}, exhausted=True)
    assert not lanes.aged.rows, "4 is out and 5 is held as fresh"
    lanes.rest.take_up([row(n) for n in range(10, 20)], skip=(), exhausted=True)
    lanes.drop(Spans([(1, 5), (12, 18)]))
    assert [r.n for r in lanes.rest.rows] == [10, 11, 19]
    assert not lanes.fresh.rows
    lanes.aged.take_up([row(5, URGENT_LANE)], skip=(), exhausted=True)
    assert [r.n for r in lanes.aged.rows] == [5], "a dropped row is held by nobody"


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9))), st.integers(0, 75))
def test_spans_hold_what_any_of_their_ranges_holds(pairs: list[tuple[int, int]], n: int) -> None:
    ranges = [(first, first + more) for first, more in pairs]
    assert (n in Spans(ranges)) == any(first <= n <= last for first, last in ranges)
    numbers = {k for first, last in ranges for k in range(first, last + 1)}
    assert {k for first, last in of_numbers(numbers) for k in range(first, last + 1)} == numbers


def test_urgent_events_are_fresh_for_a_minute_and_none_from_before_the_start() -> None:
    marks = FreshMarks(100)
    assert marks.first_fresh(0) == 100
    marks.add(103, 1_000)
    marks.add(107, 30_000)
    assert marks.first_fresh(60_000) == 103
    assert marks.first_fresh(61_001) == 107
    assert marks.first_fresh(90_001) == 108


def test_the_window_grows_by_acks_shrinks_by_rewinds_and_waits_longer_each_time() -> None:
    window = SettleWindow()
    assert window.size == FIRST
    window.begin(100)
    assert not window.stalled(129.9)
    assert window.stalled(130)
    waits = []
    for _ in range(8):
        window.rewound(0)
        waits.append(window.patience_s)
    assert waits == [60, 120, 240, 480, 900, 900, 900, 900]
    assert window.size == LEAST
    for _ in range(100):
        window.settled(5)
    assert (window.size, window.patience_s, window.since_s) == (MOST, 30, 5)


def test_the_window_does_not_grow_while_the_broker_drops() -> None:
    window = SettleWindow()
    window.overtaken(100)
    window.settled(129)
    assert window.size == FIRST
    window.settled(130)
    assert window.size > FIRST


def test_a_center_down_for_an_hour_sees_a_few_hundred_messages() -> None:
    window, now, sent = SettleWindow(), 0.0, SettleWindow().size
    while now < 3600:
        now += 1
        if window.stalled(now):
            window.rewound(now)
            sent += window.size
    assert sent <= 600


@given(st.integers(1, 500), st.integers(1, 400))
def test_the_cap_holds_over_any_second(per_s: int, sends: int) -> None:
    cap, now = DrainCap(per_s), 1000.0
    times = []
    for _ in range(sends):
        now += cap.wait_s(now)
        assert cap.wait_s(now) == 0, "after the wait it may go"
        cap.take()
        times.append(now)
    for start in range(0, len(times) - 2 * per_s, per_s):
        assert times[start + 2 * per_s] - times[start] > 0.99
    assert DrainCap(0).wait_s(0) == 0


def rows_of(*ns: int, lane: int = 1) -> list[Row]:
    return [Row(n, lane, "device", 0, b"") for n in ns]


def test_what_was_just_committed_is_taken_from_memory_only_behind_all_that_was_read() -> None:
    lanes = Lanes()
    lanes.rest.take_up(rows_of(1, 2), skip=(), exhausted=False)
    lanes.add(rows_of(9))
    assert [row.n for row in lanes.rest.rows] == [1, 2], "3 to 8 may still be unread"
    assert not lanes.rest.exhausted
    lanes.rest.take_up(rows_of(3, 9), skip=(), exhausted=True)
    lanes.add(rows_of(10, 11) + rows_of(12, lane=0))
    assert [row.n for row in lanes.rest.rows] == [1, 2, 3, 9, 10, 11]
    assert lanes.rest.cursor == 11
    assert not lanes.fresh.rows, "nothing was read in that lane yet"


def test_memory_holds_a_few_rows_of_a_lane_and_the_store_the_rest() -> None:
    lanes = Lanes()
    lanes.rest.take_up([], skip=(), exhausted=True)
    lanes.add(rows_of(*range(1, MOST_FROM_MEMORY + 1)))
    assert len(lanes.rest.rows) == MOST_FROM_MEMORY
    lanes.add(rows_of(MOST_FROM_MEMORY + 1))
    assert len(lanes.rest.rows) == MOST_FROM_MEMORY
    assert not lanes.rest.exhausted, "read from the store when its turn comes"
    assert lanes.rest.cursor == MOST_FROM_MEMORY
