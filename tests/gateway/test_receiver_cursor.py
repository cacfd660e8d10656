"""The arithmetic of acks, held against plain sets of numbers."""

from itertools import groupby
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.receiver.cursor import Cursor
from gateway.receiver.intervals import Ranges

SEQ = st.integers(1, 40)
SPAN = st.tuples(SEQ, SEQ).map(lambda pair: (min(pair), max(pair)))
EDIT = st.tuples(st.booleans(), SPAN)


def as_ranges(numbers: set[int]) -> list[tuple[int, int]]:
    """Runs of neighbours, the slow and obvious way."""
    runs = groupby(enumerate(sorted(numbers)), key=lambda item: item[1] - item[0])
    spans = [[number for _, number in run] for _, run in runs]
    return [(span[0], span[-1]) for span in spans]


def numbers_of(ranges: Ranges) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(st.lists(EDIT, max_size=40), SPAN)
def test_ranges_behave_like_a_set_of_numbers(
    edits: list[tuple[bool, tuple[int, int]]], asked: tuple[int, int]
) -> None:
    ranges, model = Ranges(), set[int]()
    for add, (first, last) in edits:
        if add:
            ranges.add(first, last)
            model |= set(range(first, last + 1))
        else:
            ranges.discard(first, last)
            model -= set(range(first, last + 1))
    runs = as_ranges(model)
    assert list(ranges) == runs
    assert len(ranges) == len(runs)
    assert ranges.total() == len(model)
    assert ranges.highest() == max(model, default=None)
    assert [n for n in range(42) if n in ranges] == sorted(model)
    first, last = asked
    assert ranges.overlapping(first, last) == [run for run in runs if run[0] <= last and run[1] >= first]


def test_a_copy_of_ranges_is_independent() -> None:
    ranges = Ranges([(1, 5)])
    twin = ranges.copy()
    twin.discard(2, 3)
    assert list(ranges) == [(1, 5)]
    assert ranges != twin


STEP = st.one_of(SEQ.map(lambda seq: ("store", seq, seq)), SPAN.map(lambda span: ("lost", *span)))


def model_of(
    stored: set[int], declared: set[int]
) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
    known = stored | declared
    upto = 0
    while upto + 1 in known:
        upto += 1
    return upto, as_ranges({seq for seq in stored if seq > upto}), as_ranges(declared - stored)


@given(st.lists(STEP, max_size=60))
def test_a_cursor_says_what_the_sets_of_stored_and_lost_sequences_say(
    steps: list[tuple[str, int, int]],
) -> None:
    cursor, stored, declared = Cursor(), set[int](), set[int]()
    for what, first, last in steps:
        before = cursor.upto
        if what == "store":
            cursor.store(first)
            stored.add(first)
        else:
            cursor.declare_lost(first, last)
            declared |= set(range(first, last + 1))
        upto, sack, lost = model_of(stored, declared)
        assert (cursor.upto, list(cursor.beyond), list(cursor.lost)) == (upto, sack, lost)
        assert cursor.upto >= before, "an ack is never taken back"
        assert cursor.highest() == max(stored | declared)
        assert numbers_of(cursor.missing(45)) == set(range(1, 46)) - stored - declared
        assert {seq for seq in range(1, 46) if cursor.settled(seq)} >= stored


@given(st.sets(SEQ), st.sets(SEQ), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(stored: set[int], declared: set[int], random: Random) -> None:
    steps = [("store", seq) for seq in stored] + [("lost", seq) for seq in declared]
    random.shuffle(steps)
    cursor = Cursor()
    for what, seq in [*steps, *steps]:
        if what == "store":
            cursor.store(seq)
        else:
            cursor.declare_lost(seq, seq)
    assert (cursor.upto, list(cursor.beyond), list(cursor.lost)) == model_of(stored, declared)
    again = Cursor.rebuild(0, as_ranges(stored), as_ranges(declared - stored))
    assert again == cursor


def test_a_cursor_of_a_whole_year_is_cheap() -> None:
    cursor = Cursor()
    for seq in range(200_000, 100_000, -1):
        cursor.store(seq)
    cursor.declare_lost(1, 99_999)
    assert cursor.upto == 99_999
    cursor.store(100_000)
    assert (cursor.upto, len(cursor.beyond)) == (200_000, 0)


@given(st.sets(SEQ), st.sets(SEQ), st.integers(1, 6))
def test_a_sack_tells_what_was_touched_first_then_from_the_bottom(
    stored: set[int], touched: set[int], limit: int
) -> None:
    cursor = Cursor()
    for seq in stored:
        cursor.store(seq)
    told = cursor.sack(Ranges(as_ranges(touched)), limit)
    held = list(cursor.beyond)
    assert len(told) == min(limit, len(held))
    assert len(set(told)) == len(told)
    fresh = [run for run in held if any(run[0] <= seq <= run[1] for seq in touched)]
    assert told[: len(fresh)] == fresh[:limit]
    rest = told[len(fresh) :]
    assert rest == [run for run in held if run not in fresh][: len(rest)]
