"""One event per presented card, whatever the reader says of a card that lies on (in skipped time)."""

import asyncio
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.events import CardRead
from drivers.presentation import CARDS_KNOWN, Presentations
from drivers.simulators.cards import Card, cards, refused
from drivers.simulators.idcard import Habit, SimulatedReader
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.idcard_sam.messages import parse_record
from tests.drivers.bench import Bench, RecordingHost, in_skipped_time, memory_bench

CARDS = tuple(islice(cards(seed=7), 6))
BAD_CARD = refused(CARDS[0], Command.READ_CARD, 0x41)
ONE_LOOK_S = 0.3 + 0.05
LONG_ENOUGH_S = 4 * ONE_LOOK_S  # to be read, or to be seen gone
each_habit = pytest.mark.parametrize("habit", list(Habit))


def number_on(card: Card) -> str:
    return parse_record(card.record).text.id_number


async def visit(
    bench: Bench, card: Card, *, dwell_s: float = LONG_ENOUGH_S, gap_s: float = LONG_ENOUGH_S
) -> None:
    bench.reader.present(card)
    await asyncio.sleep(dwell_s)
    bench.reader.lift()
    await asyncio.sleep(gap_s)


@in_skipped_time
async def test_reader_without_cards_is_silent() -> None:
    async with memory_bench() as bench:
        await asyncio.sleep(600)
        assert len(bench.host.readies) == 1
        assert bench.host.events == []
        assert not bench.host.noises


@each_habit
@in_skipped_time
async def test_card_left_lying_makes_one_event(habit: Habit) -> None:
    async with memory_bench(SimulatedReader(habit=habit)) as bench:
        bench.reader.present(CARDS[0])
        await asyncio.sleep(600)
        assert [event.id_number for event in bench.host.read] == [number_on(CARDS[0])]
        assert len(bench.host.events) == 1
        # It is compared at growing pauses, not read all the time.
        assert bench.reader.reads[CARDS[0].label] < 600 / 60 + 10


@each_habit
@in_skipped_time
async def test_refused_card_left_lying_makes_one_event_and_is_not_read_again(habit: Habit) -> None:
    async with memory_bench(SimulatedReader(habit=habit)) as bench:
        bench.reader.present(BAD_CARD)
        await asyncio.sleep(600)
        assert len(bench.host.events) == len(bench.host.refused) == 1
        assert bench.reader.asked[Command.READ_CARD] == 1


@each_habit
@in_skipped_time
async def test_same_card_lifted_and_laid_down_again_at_once_counts_again(habit: Habit) -> None:
    async with memory_bench(SimulatedReader(habit=habit)) as bench:
        for _ in range(3):
            await visit(bench, CARDS[0], dwell_s=0.7, gap_s=0.8)
        assert len(bench.host.read) == 3


@each_habit
@in_skipped_time
async def test_next_person_is_not_passed_over_when_cards_change_between_two_looks(habit: Habit) -> None:
    async with memory_bench(SimulatedReader(habit=habit)) as bench:
        bench.reader.present(CARDS[0])
        await asyncio.sleep(1)
        bench.reader.present(CARDS[1])  # never a moment without a card
        await asyncio.sleep(2.5)
        assert [event.id_number for event in bench.host.read] == [number_on(CARDS[0]), number_on(CARDS[1])]


@in_skipped_time
async def test_two_cards_lying_on_each_other_make_one_event_each() -> None:
    async with memory_bench() as bench:
        for _ in range(50):
            for card, seconds in zip(CARDS[:2], (0.7, 1.1), strict=True):
                bench.reader.present(card)
                await asyncio.sleep(seconds)
        assert sorted(event.id_number for event in bench.host.read) == sorted(map(number_on, CARDS[:2]))
        assert len(bench.host.events) == 2


@pytest.mark.parametrize("card", [CARDS[0], BAD_CARD], ids=["good", "bad"])
@in_skipped_time
async def test_card_that_comes_and_goes_all_day_cannot_fill_the_store(card: Card) -> None:
    async with memory_bench(repeat_burst=6) as bench:
        for _ in range(150):
            await visit(bench, card, dwell_s=1, gap_s=1)
        assert 15 < len(bench.host.events) <= 6 + 300 / 10


@in_skipped_time
async def test_damped_card_is_counted_while_it_lies_there_when_its_time_has_come() -> None:
    async with memory_bench(repeat_burst=1) as bench:
        await visit(bench, CARDS[0])
        bench.reader.present(CARDS[0])
        await asyncio.sleep(12)
        assert len(bench.host.read) == 2
        assert bench.host.times[1] - bench.host.times[0] >= 10


@in_skipped_time
async def test_damping_one_card_does_not_hold_up_another() -> None:
    async with memory_bench(repeat_burst=1) as bench:
        await visit(bench, CARDS[0])
        await visit(bench, CARDS[0])
        await visit(bench, CARDS[1])
        assert [event.id_number for event in bench.host.read] == [number_on(CARDS[0]), number_on(CARDS[1])]


@in_skipped_time
async def test_event_that_could_not_be_stored_is_offered_again_every_ten_seconds() -> None:
    host = RecordingHost()
    host.refusing = True
    async with memory_bench(host=host) as bench:
        bench.reader.present(CARDS[0])
        await asyncio.sleep(60)
        assert host.events == []
        pauses = [later - sooner for sooner, later in zip(host.offered_at, host.offered_at[1:], strict=False)]
        assert len(host.offered_at) >= 5
        assert all(pause >= 10 for pause in pauses)
        host.refusing = False
        await asyncio.sleep(60)
        assert len(host.read) == 1


@in_skipped_time
async def test_unstored_card_laid_down_again_is_tried_at_once() -> None:
    host = RecordingHost()
    host.refusing = True
    async with memory_bench(host=host) as bench:
        await visit(bench, CARDS[0])
        host.refusing = False
        await visit(bench, CARDS[0])
        assert len(host.read) == 1


@in_skipped_time
async def test_slow_store_neither_doubles_nor_passes_over_a_card() -> None:
    host = RecordingHost()
    host.commit_s = 30
    async with memory_bench(host=host) as bench:
        bench.reader.present(CARDS[0])
        await asyncio.sleep(20)
        bench.reader.present(CARDS[1])  # changed while the first was being stored
        await asyncio.sleep(300)
        assert [event.id_number for event in host.read] == [number_on(CARDS[0]), number_on(CARDS[1])]


@pytest.mark.parametrize(("gone_s", "events"), [(3, 1), (11, 2)])
@in_skipped_time
async def test_card_lying_there_over_a_lost_link_is_known_for_ten_seconds(gone_s: float, events: int) -> None:
    async with memory_bench() as bench:
        bench.reader.present(CARDS[0])
        await bench.until_events(1)
        bench.far.unplug()
        await bench.end()
        await asyncio.sleep(gone_s)
        bench.far.plug()  # type: ignore[attr-defined]  # the far end of a MemoryLink
        await bench.far.open()  # type: ignore[attr-defined]
        again = asyncio.create_task(bench.driver.run())
        serving = asyncio.create_task(bench.reader.serve(bench.far))
        await asyncio.sleep(30)
        assert len(bench.host.events) == events
        assert len(bench.host.readies) == 2
        again.cancel()
        serving.cancel()
        await asyncio.wait([again, serving])


def counted(card: bytes, now: float) -> Presentations:
    known = Presentations(gone_after_s=0.15, burst=6)
    assert known.reading_due(now)
    assert known.is_new(card, now)
    known.stored(card, now)
    return known


def look_at_lying_card(known: Presentations, card: bytes, since: float, until: float) -> list[float]:
    """When the card was read, looking three times a second."""
    read = []
    for tick in range(int((until - since) * 3)):
        now = since + (tick + 1) / 3
        if known.reading_due(now):
            read.append(now)
            assert not known.is_new(card, now)
        else:
            known.noticed(now)
    return read


def test_lying_card_is_compared_at_growing_pauses_up_to_a_minute() -> None:
    known = counted(b"one", 100.0)
    read = look_at_lying_card(known, b"one", 100.0, 400.0)
    pauses = [round(later - sooner) for sooner, later in zip([100.0, *read], read, strict=False)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_lying_card_is_compared_at_once_after_a_blind_moment() -> None:
    known = counted(b"one", 100.0)
    look_at_lying_card(known, b"one", 100.0, 150.0)
    assert not known.reading_due(150.5)
    assert known.reading_due(151.5)


def test_lying_card_is_compared_at_once_after_a_flicker() -> None:
    known = counted(b"one", 100.0)
    known.absent(100.3)
    assert known.reading_due(100.6)
    assert not known.is_new(b"one", 100.6)
    known.absent(100.9)
    assert known.is_new(b"two", 101.2)


def test_one_look_without_a_card_is_not_gone_and_two_are() -> None:
    known = counted(b"one", 100.0)
    known.absent(100.3)
    assert not known.is_new(b"one", 100.6)
    known.absent(100.9)
    known.absent(101.2)
    assert known.is_new(b"one", 101.5)


def test_memory_of_cards_is_bounded() -> None:
    known = Presentations(gone_after_s=0.15, burst=6)
    for number in range(1000):
        card = number.to_bytes(2, "big")
        assert known.is_new(card, float(number))
        known.stored(card, float(number))
    assert len(known._paces._left) <= CARDS_KNOWN
    assert len(known._counted) <= CARDS_KNOWN


schedules = st.lists(
    st.tuples(
        st.integers(0, len(CARDS) - 1),
        st.sampled_from([LONG_ENOUGH_S, 1.7, 3.0, 20.0]),  # some leave their card lying
        st.sampled_from([LONG_ENOUGH_S, 2.0, 12.0]),
        st.booleans(),
    ),
    max_size=12,
)


@each_habit
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schedule=schedules)
def test_as_many_events_as_presentations(
    habit: Habit, schedule: list[tuple[int, float, float, bool]]
) -> None:
    @in_skipped_time
    async def play() -> None:
        async with memory_bench(SimulatedReader(habit=habit), repeat_burst=1000) as bench:
            for number, dwell_s, gap_s, sound in schedule:
                card = CARDS[number] if sound else refused(CARDS[number], Command.SELECT_CARD, 0x81)
                await visit(bench, card, dwell_s=dwell_s, gap_s=gap_s)
            expected = [number_on(CARDS[number]) if sound else "refused" for number, _, _, sound in schedule]
            got = [
                event.id_number if isinstance(event, CardRead) else "refused" for event in bench.host.events
            ]
            assert got == expected

    play()
