"""The time from the center: when it is asked for, which answers are used, what becomes of them."""

import asyncio
import random
from collections.abc import Callable

import pytest

from gateway import RELEASED_MS
from gateway.clock import Anchor, CenterTime, ClockQuality, ClockSource, ManualClock, TimeRefused
from gateway.clock.center import LOOK_EVERY_S, MAX_TRIP_MS, MOST_RETRY_S, PATIENCE_MS, Sample, choose
from gateway.errors import ContractError

TRUE_OFFSET = 1_795_309_261_004  # the center's time minus our monotonic clock
HOUR = 3_600_000


class Line:
    """A center behind a network: how long each way takes is for the test to say."""

    def __init__(self, clock: ManualClock, ways: Callable[[], tuple[int, int]] = lambda: (20, 30)) -> None:
        self.clock = clock
        self.ways = ways
        self.wrong_ms = 0
        self.asked = 0
        self.fails: Exception | None = None

    async def ask(self) -> tuple[int, int, int]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        there, back = self.ways()
        sent = self.clock.mono_ms
        self.clock.advance(there)
        center_ms = TRUE_OFFSET + self.clock.mono_ms + self.wrong_ms
        self.clock.advance(back)
        return center_ms, sent, self.clock.mono_ms

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(round(seconds * 1000))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(61_000, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None, source=ClockSource.NONE)


def asker(clock: ManualClock, line: Line) -> CenterTime:
    return CenterTime(clock, line.ask, lambda: RELEASED_MS)


async def test_the_true_time_lies_within_the_stated_bound_however_lopsided_the_way(
    clock: ManualClock,
) -> None:
    chance = random.Random(7)
    for _ in range(200):
        line = Line(clock, lambda: (chance.randrange(2_000), chance.randrange(2_000)))
        clock.set_quality(ClockQuality.UNSYNCED)
        await asker(clock, line).ask(sleep=line.sleep)
        stamp = clock.now()
        assert stamp.quality is ClockQuality.HOLDOVER
        assert stamp.error_ms is not None
        assert abs(stamp.wall_ms - (TRUE_OFFSET + stamp.mono_ms)) <= stamp.error_ms


def test_the_least_round_trip_wins() -> None:
    fast, slow = Sample(RELEASED_MS + 5_050, 5_000, 5_100), Sample(RELEASED_MS + 1_900, 1_000, 3_000)
    assert choose([slow, fast, slow], RELEASED_MS) == Anchor(
        ClockSource.CENTER, RELEASED_MS + 5_050, 5_050, 50 + 1 + 50
    )


REFUSED = {
    "slow": [Sample(TRUE_OFFSET + 9_000, 0, MAX_TRIP_MS + 1)],
    "inconsistent": [
        Sample(TRUE_OFFSET + 1_010, 1_000, 1_020),
        Sample(TRUE_OFFSET + 2_010 + 86_400_000, 2_000, 2_030),
    ],
    "before_floor": [Sample(RELEASED_MS - 1, 1_000, 1_020)],
}


@pytest.mark.parametrize("code", REFUSED)
def test_answers_that_cannot_be_used_are_refused(code: str) -> None:
    with pytest.raises(TimeRefused) as refused:
        choose(REFUSED[code], RELEASED_MS)
    assert refused.value.code == code


def test_an_answer_from_before_its_question_is_no_answer() -> None:
    with pytest.raises(TimeRefused):
        choose([Sample(TRUE_OFFSET, 2_000, 1_000)], RELEASED_MS)


async def test_a_center_that_contradicts_the_time_server_of_this_boot_is_not_followed(
    clock: ManualClock,
) -> None:
    held = Anchor(ClockSource.NTP, TRUE_OFFSET + clock.mono_ms, clock.mono_ms, 12)
    clock.accept(held)
    clock.advance(20 * HOUR)
    line = Line(clock)
    line.wrong_ms = 86_400_000
    with pytest.raises(TimeRefused) as refused:
        await asker(clock, line).ask(sleep=line.sleep)
    assert (refused.value.code, clock.anchor) == ("disputed", held)
    line.wrong_ms = 4_000  # less than a crystal may have drifted in 20 hours
    await asker(clock, line).ask(sleep=line.sleep)
    assert clock.source is ClockSource.CENTER


async def test_a_worse_measurement_does_not_replace_a_better_one(clock: ManualClock) -> None:
    held = Anchor(ClockSource.CENTER, TRUE_OFFSET + clock.mono_ms, clock.mono_ms, 60)
    clock.accept(held)
    line = Line(clock, lambda: (300, 300))
    await asker(clock, line).ask(sleep=line.sleep)
    assert clock.anchor == held


async def test_a_time_server_that_comes_meanwhile_is_left_alone(clock: ManualClock) -> None:
    line = Line(clock)

    async def sleep(_seconds: float) -> None:
        clock.set_quality(ClockQuality.SYNCED, error_ms=5, source=ClockSource.NTP)

    await asker(clock, line).ask(sleep=sleep)
    assert clock.now().quality is ClockQuality.SYNCED


def test_a_time_server_gets_two_minutes_before_the_center_is_asked(clock: ManualClock) -> None:
    center = asker(clock, Line(clock))
    assert not center.due()
    clock.advance(PATIENCE_MS - 1)
    assert not center.due()
    clock.advance(1)
    assert center.due()
    clock.set_quality(ClockQuality.SYNCED, error_ms=5, source=ClockSource.NTP)
    assert not center.due()
    clock.set_quality(ClockQuality.HOLDOVER, error_ms=5, source=ClockSource.NTP)
    clock.advance(PATIENCE_MS)
    assert not center.due(), "the crystal is still good for seconds"
    clock.advance(4 * HOUR)
    assert center.due()


async def test_a_clock_chip_is_checked_against_the_center(clock: ManualClock) -> None:
    clock.set_quality(ClockQuality.HOLDOVER, source=ClockSource.RTC)
    center, line = asker(clock, Line(clock)), Line(clock)
    center.due()
    clock.advance(PATIENCE_MS)
    assert center.due(), "nobody knows how far a chip is off"
    await asker(clock, line).ask(sleep=line.sleep)
    assert clock.source is ClockSource.CENTER


@pytest.mark.parametrize(
    "failure",
    [TimeoutError(), ConnectionError("offline"), ContractError("signature", "not the center's")],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_center_that_does_not_answer_is_asked_again_seldom_and_said_once(
    clock: ManualClock, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    line, slept = Line(clock), list[float]()
    line.fails = failure
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(round(seconds * 1000))
        if clock.mono_ms > HOUR:
            line.fails = None
        if clock.anchor is not None:
            done.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(asker(clock, line).run(sleep=sleep))
    async with asyncio.timeout(10):
        await done.wait()
    task.cancel()
    await asyncio.wait([task])
    offline = isinstance(failure, ConnectionError)
    assert caplog.text.count("no time from the center") == (0 if offline else 1)
    assert max(slept) == (LOOK_EVERY_S if offline else MOST_RETRY_S)
    assert clock.source is ClockSource.CENTER
