"""The watch over the clock: what it tells when somebody sets it, and when it becomes trustworthy."""

import pytest

from gateway.clock import (
    Anchor,
    ClockNotice,
    ClockQuality,
    ClockSource,
    ClockStepped,
    ClockSynced,
    ClockWatch,
    ManualClock,
)

BOOTED_MS = 61_000  # a board without a clock chip starts at 1970
TO_2026_MS = 1_795_309_261_004


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(
        BOOTED_MS, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None, source=ClockSource.NONE
    )


def looks(watch: ClockWatch, clock: ManualClock, turns: int) -> list[ClockNotice]:
    """What is told during some quiet seconds."""
    told: list[ClockNotice] = []
    for _ in range(turns):
        clock.advance(1_000)
        told += watch.look()
    return told


def test_nothing_is_told_while_nothing_happens(clock: ManualClock) -> None:
    assert looks(ClockWatch(clock), clock, 30) == []


def test_the_first_synchronisation_of_a_boot_pairs_both_clocks_and_names_the_step(clock: ManualClock) -> None:
    watch = ClockWatch(clock)
    looks(watch, clock, 3)
    clock.step(TO_2026_MS)
    clock.set_quality(ClockQuality.SYNCED, error_ms=40, source=ClockSource.NTP)
    assert watch.look() == (
        ClockStepped(TO_2026_MS),
        ClockSynced(ClockSource.NTP, BOOTED_MS + 3_000 + TO_2026_MS, 8_000, TO_2026_MS, 40),
    )
    assert looks(watch, clock, 30) == []


def test_every_earlier_stamp_of_the_boot_can_be_corrected_by_the_pairing(clock: ManualClock) -> None:
    watch = ClockWatch(clock)
    watch.look()
    early = clock.now()
    clock.advance(90_000)
    clock.step(TO_2026_MS)
    clock.set_quality(ClockQuality.SYNCED, error_ms=40, source=ClockSource.NTP)
    pairing = next(notice for notice in watch.look() if isinstance(notice, ClockSynced))
    assert pairing.wall_ms - (pairing.mono_ms - early.mono_ms) == early.wall_ms + TO_2026_MS


def test_a_step_that_precedes_the_synchronisation_still_counts_into_the_pairing(clock: ManualClock) -> None:
    watch = ClockWatch(clock)
    looks(watch, clock, 1)
    clock.step(TO_2026_MS)
    assert looks(watch, clock, 1) == [ClockStepped(TO_2026_MS)]
    clock.set_quality(ClockQuality.SYNCED, error_ms=40, source=ClockSource.NTP)
    (synced,) = watch.look()
    assert isinstance(synced, ClockSynced)
    assert synced.step_ms == TO_2026_MS


def test_a_clock_synced_before_the_start_is_paired_at_the_first_look() -> None:
    clock = ManualClock()
    (synced,) = ClockWatch(clock).look()
    assert synced == ClockSynced(ClockSource.NTP, clock.wall_ms, clock.mono_ms, 0, 12)


def test_a_clock_set_from_its_chip_is_paired_once_as_such(clock: ManualClock) -> None:
    clock.step(TO_2026_MS)
    clock.set_quality(ClockQuality.HOLDOVER, source=ClockSource.RTC)
    watch = ClockWatch(clock)
    (synced,) = watch.look()
    assert isinstance(synced, ClockSynced)
    assert (synced.source, synced.error_ms) == (ClockSource.RTC, None)
    assert looks(watch, clock, 5) == []


def test_a_measurement_of_an_earlier_process_is_told_again_as_it_was_made(clock: ManualClock) -> None:
    """Its event may lie in a store that was set aside since."""
    measured = Anchor(ClockSource.CENTER, TO_2026_MS, 4_000, 60)
    clock.accept(measured)
    watch = ClockWatch(clock)
    assert watch.look() == (ClockSynced(ClockSource.CENTER, TO_2026_MS, 4_000, 0, 60),)
    assert looks(watch, clock, 30) == []


def test_the_centers_time_is_a_pairing_and_no_step_of_the_machine(clock: ManualClock) -> None:
    watch = ClockWatch(clock)
    watch.look()
    clock.advance(1_000)
    clock.accept(Anchor(ClockSource.CENTER, BOOTED_MS + TO_2026_MS, 5_000, 60))
    assert watch.look() == (ClockSynced(ClockSource.CENTER, BOOTED_MS + TO_2026_MS, 5_000, TO_2026_MS, 60),)
    clock.advance(1_000)
    clock.accept(Anchor(ClockSource.CENTER, BOOTED_MS + TO_2026_MS + 40, 5_000, 60))
    (again,) = watch.look()
    assert isinstance(again, ClockSynced)
    assert again.step_ms == 40


def test_a_time_server_after_the_center_pairs_anew_and_says_how_little_that_moved(clock: ManualClock) -> None:
    watch = ClockWatch(clock)
    clock.accept(Anchor(ClockSource.CENTER, BOOTED_MS + TO_2026_MS, 5_000, 60))
    watch.look()
    clock.step(TO_2026_MS + 25)
    clock.set_quality(ClockQuality.SYNCED, error_ms=12, source=ClockSource.NTP)
    assert watch.look() == (
        ClockStepped(TO_2026_MS + 25),
        ClockSynced(ClockSource.NTP, clock.wall_ms, clock.mono_ms, 25, 12),
    )


def test_a_step_while_no_process_ran_is_told_at_the_first_look(clock: ManualClock) -> None:
    before_ms = clock.wall_ms - clock.mono_ms
    clock.step(-86_400_000)
    assert ClockWatch(clock, machine_offset_ms=before_ms).look() == (ClockStepped(-86_400_000),)


def test_a_clock_that_loses_its_time_server_and_finds_it_again_pairs_at_most_once_an_hour() -> None:
    clock, told = ManualClock(), list[ClockNotice]()
    watch = ClockWatch(clock)
    watch.look()
    for _ in range(120):  # the kernel's bound passes a second for half a minute in two
        clock.set_quality(ClockQuality.HOLDOVER, error_ms=1_001, source=ClockSource.NTP)
        told += looks(watch, clock, 30)
        clock.set_quality(ClockQuality.SYNCED, error_ms=1, source=ClockSource.NTP)
        told += looks(watch, clock, 30)
    assert [type(notice) for notice in told] == [ClockSynced] * 2, "two in two hours"


def test_a_clock_that_is_set_every_second_says_so_six_times_and_then_once_in_ten_seconds() -> None:
    clock, told = ManualClock(), list[ClockNotice]()
    watch = ClockWatch(clock)
    watch.look()
    for _ in range(100):
        clock.step(5_000)
        told += [notice for notice in looks(watch, clock, 1) if isinstance(notice, ClockStepped)]
    assert len(told) <= 6 + 10
    clock.advance(10_000)
    told += [notice for notice in watch.look() if isinstance(notice, ClockStepped)]
    assert sum(notice.step_ms for notice in told) == 500_000, "what was not told at once adds up"


async def test_what_was_not_stored_is_told_again(clock: ManualClock) -> None:
    watch = ClockWatch(clock)
    watch.look()
    clock.step(TO_2026_MS)
    clock.set_quality(ClockQuality.SYNCED, error_ms=40, source=ClockSource.NTP)
    began_ms, tried, stored = clock.mono_ms, list[ClockNotice](), list[ClockNotice]()

    async def notify(notice: ClockNotice) -> bool:
        tried.append(notice)
        disk_takes_it = clock.mono_ms - began_ms > 30_000
        if disk_takes_it:
            stored.append(notice)
        return disk_takes_it

    async def sleep(seconds: float) -> None:
        clock.advance(round(seconds * 1_000))
        if clock.mono_ms - began_ms > 120_000:
            raise Enough

    with pytest.raises(Enough):
        await watch.run(notify, sleep=sleep)
    assert [type(notice) for notice in stored] == [ClockStepped, ClockSynced]
    assert [notice.step_ms for notice in stored] == [TO_2026_MS, TO_2026_MS]
    assert len(tried) <= 2 * 5, "once in ten seconds, not every second"


@pytest.mark.parametrize(("step_ms", "told"), [(1_000, 0), (-1_000, 0), (1_001, 1), (-1_001, 1)])
def test_only_more_than_a_second_is_a_step(clock: ManualClock, step_ms: int, told: int) -> None:
    watch = ClockWatch(clock)
    watch.look()
    clock.step(step_ms)
    assert watch.look() == (ClockStepped(step_ms),) * told


def test_small_steps_add_up_to_one(clock: ManualClock) -> None:
    watch = ClockWatch(clock)
    watch.look()
    told: list[ClockNotice] = []
    for _ in range(5):
        clock.step(300)
        told += looks(watch, clock, 1)
    assert told == [ClockStepped(1_200)]


def test_a_synced_clock_that_is_stepped_is_paired_anew() -> None:
    clock = ManualClock()
    watch = ClockWatch(clock)
    watch.look()
    clock.step(-7_000)
    assert watch.look() == (
        ClockStepped(-7_000),
        ClockSynced(ClockSource.NTP, clock.wall_ms, clock.mono_ms, -7_000, 12),
    )


def test_a_synchronisation_that_was_lost_and_comes_back_is_told_again() -> None:
    clock = ManualClock()
    watch = ClockWatch(clock)
    watch.look()
    clock.set_quality(ClockQuality.HOLDOVER, source=ClockSource.NTP)
    assert looks(watch, clock, 3) == []
    clock.set_quality(ClockQuality.SYNCED, error_ms=9, source=ClockSource.NTP)
    clock.step(400)
    assert watch.look() == (ClockSynced(ClockSource.NTP, clock.wall_ms, clock.mono_ms, 400, 9),)


class Enough(Exception):  # noqa: N818 - ends a loop that has no end
    pass


async def test_the_loop_looks_every_second_and_hands_on_each_notice(clock: ManualClock) -> None:
    told: list[ClockNotice] = []
    slept: list[float] = []

    async def notify(notice: ClockNotice) -> bool:
        told.append(notice)
        return True

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(int(seconds * 1000))
        if len(slept) == 2:
            clock.step(5_000)
        if len(slept) == 4:
            raise Enough

    with pytest.raises(Enough):
        await ClockWatch(clock).run(notify, sleep=sleep)
    assert slept == [1.0] * 4
    assert told == [ClockStepped(5_000)]
