"""A machine that is merely late, restored or forgetful is never taken for two."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from gateway.clock import ClockQuality
from gateway.envelope import Sealed, reissued
from gateway.evidence.canonical import Json
from tests.gateway.machines import NEW, OLD, Center, Machine
from tests.gateway.receiver_fixtures import Time, info, receiving


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def center(tmp_path: Path, time: Time) -> Center:
    return Center(tmp_path / "c.db", time)


Story: TypeAlias = Callable[[Center, Time], Awaitable[None]]


async def late_backlog(center: Center, time: Time) -> None:
    """It was offline for a day, the power went, and the fresh ones overtake."""
    one = Machine(time, "1")
    old = [one.opens(OLD), *one.makes(200, every_s=300)]
    await center.takes(*old[:3])
    two = one.copy("2")
    new = [two.opens(NEW, one), *two.makes(3)]
    await center.takes(*new)
    for event in old[3:]:
        time.pass_s(300)  # as slowly as they were made
        await center.takes(event)


async def late_backlog_before_its_successor(center: Center, time: Time) -> None:
    """The same, and the opening that names the old one's end comes last of all."""
    one = Machine(time, "1")
    old = [one.opens(OLD), *one.makes(20, every_s=30)]
    await center.takes(*old[:5])
    two = one.copy("2")
    new = [two.opens(NEW, one), *two.makes(3)]
    await center.takes(*new[1:])
    time.pass_s(300)
    await center.takes(*old[5:], new[0], *two.makes(3))


async def wrong_clock(center: Center, time: Time) -> None:
    """A time server an hour ahead, then a right one, and nothing is known of the epoch before."""
    one = Machine(time, "1")
    start = [one.opens(OLD), *one.makes(2)]
    await center.takes(*start)
    one.off_ms = 3_600_000
    old = one.makes(100, every_s=60)
    two = Machine(time, "2")
    await center.takes(two.opens(NEW), *two.makes(3))
    for event in old:
        time.pass_s(60)
        await center.takes(event)


async def resent(center: Center, time: Time) -> None:
    """What was missing of an old epoch comes hours later, again and again."""
    one = Machine(time, "1")
    old = [one.opens(OLD), *one.makes(10)]
    await center.takes(*old[:4], *old[6:])
    two = one.copy("2")
    await center.takes(two.opens(NEW, one), *two.makes(2))
    time.pass_s(7200)
    for _ in range(2):
        await center.takes(*old[3:7])


async def issued_again(center: Center, time: Time) -> None:
    """It left an epoch: what waited there has a place in the new one, with the clocks of then."""
    one = Machine(time, "1")
    old = [one.opens(OLD), *one.makes(10)]
    await center.takes(*old[:5])
    new = [one.opens(NEW, one)] + [one.place(reissued(event.wire)) for event in old[5:]]
    await center.takes(*new, *one.makes(3))
    time.pass_s(600)
    await center.takes(*one.makes(3))


async def issued_again_after_a_boot(center: Center, time: Time) -> None:
    """The same in a later boot: in the new epoch stand events of the boot in which the old one opened."""
    one = Machine(time, "1")
    old = [one.opens(OLD), *one.makes(10)]
    await center.takes(*old[:5])
    two = one.copy("2")
    await center.takes(two.opens(NEW, one), *two.makes(2))
    await center.takes(*(two.place(reissued(event.wire)) for event in old[5:]), *two.makes(3))


async def left_on_a_slow_disk(center: Center, time: Time) -> None:
    """While the opening waited for the disk, positions were stored before it that are younger than its stamp."""
    one = Machine(time, "1")
    await center.takes(one.opens(OLD), *one.makes(3))
    stamp = time.mono_s
    late = one.makes(20)
    two = one.copy("1")
    two.since_s = one.since_s + time.mono_s - stamp
    opening = two.opens(NEW, one)
    two.since_s = one.since_s
    await center.takes(opening, *two.makes(2))
    await center.takes(*late)


async def rolled_back(center: Center, time: Time) -> None:
    """The card forgot; what it forgot lay with the broker and comes after the new epoch's first words."""
    one = Machine(time, "1")
    old = [one.opens(OLD), *one.makes(10)]
    await center.takes(*old[:8])
    kept = one.copy("2")
    kept.seq, kept.last = 5, old[4].hash
    two = kept.copy("2")
    await center.takes(two.opens(NEW, kept), *two.makes(2))
    await center.takes(*old[8:])
    time.pass_s(600)
    await center.takes(*two.makes(2))
    assert "store_rollback" in center.kinds()


async def killed_and_salvaged(center: Center, time: Time) -> None:
    """The same within one boot, and nothing is known of the epoch before."""
    one = Machine(time, "1")
    old = [one.opens(OLD), *one.makes(10)]
    await center.takes(*old[:6])
    await center.takes(one.opens(NEW), *one.makes(2))
    time.pass_s(600)
    await center.takes(*old[6:], *one.makes(2))


async def put_back(center: Center, time: Time) -> None:
    """A backup of before the old epoch: both name the same one as theirs, and each lived in its time."""
    zero = Machine(time, "0")
    await center.takes(zero.opens("00000000"), *zero.makes(3))
    one, two = zero.copy("1"), zero.copy("2")
    time.pass_s(600)
    await center.takes(one.opens(OLD, zero), *one.makes(3, every_s=100))
    left = one.makes(2)
    await center.takes(two.opens(NEW, zero), *two.makes(3, every_s=100))
    await center.takes(*left)
    time.pass_s(600)
    await center.takes(*two.makes(3, every_s=100))


async def reordered(center: Center, time: Time) -> None:
    """The last words of the old epoch come a moment after the first ones of the new."""
    one = Machine(time, "1")
    await center.takes(one.opens(OLD), *one.makes(3))
    last = one.makes(3)
    two = Machine(time, "2")
    await center.takes(two.opens(NEW), *two.makes(2))
    time.pass_s(50)
    await center.takes(*last, *two.makes(2))


async def reordered_by_a_fast_clock(center: Center, time: Time) -> None:
    """The same, and its clock went wrong by most of a minute just before."""
    one = Machine(time, "1")
    await center.takes(one.opens(OLD), *one.makes(3))
    one.off_ms = 40_000
    last = one.makes(3)
    two = Machine(time, "2")
    await center.takes(two.opens(NEW), *two.makes(2))
    time.pass_s(40)
    await center.takes(*last, *two.makes(2))


async def right_by_luck(center: Center, time: Time) -> None:
    """Nobody vouches for its clock, and what comes late looks as if it were made just now."""
    one = Machine(time, "1", quality=ClockQuality.UNSYNCED)
    await center.takes(one.opens(OLD), *one.makes(3))
    one.off_ms = 400_000
    last = one.makes(3)
    two = Machine(time, "2", quality=ClockQuality.UNSYNCED)
    await center.takes(two.opens(NEW), *two.makes(2))
    time.pass_s(400)
    await center.takes(*last, *two.makes(2))


async def no_clock(center: Center, time: Time) -> None:
    """1970 at every boot, events a minute apart: nothing that it says of the time proves anything."""
    for epoch in (OLD, NEW, "cccccccc"):
        one = Machine(time, epoch[0], off_ms=-time.wall_ms + 60_000, quality=ClockQuality.UNSYNCED)
        events = [one.opens(epoch), *one.makes(6, every_s=60)]
        await center.takes(*events[:3])
        time.pass_s(300)
        await center.takes(*events[3:])


async def forgets_each_run(center: Center, time: Time) -> None:
    """A worn-out card that keeps nothing: each boot goes on where the last one that was kept ended."""
    one = Machine(time, "1")
    await center.takes(one.opens(OLD), *one.makes(3))
    kept = one.copy("2")
    time.pass_s(300)
    await center.takes(*one.makes(3))
    two = kept.copy("2")
    left = two.copy("2")
    await center.takes(two.opens(NEW, kept), *two.makes(3))
    time.pass_s(300)
    made = left.copy("3").makes(6)
    await center.takes(made[-1])  # a fresh one overtakes: no fork is seen yet
    await center.takes(*made[:-1])
    assert "fork" in center.kinds()


async def forgets_what_it_declared_lost(center: Center, time: Time) -> None:
    """The same card; the run that was forgotten had told of it, and this one makes others in its places."""
    one = Machine(time, "1")
    await center.takes(one.opens(OLD), *one.makes(3))
    kept = one.copy("2")
    one.makes(3)
    two = one.copy("2")
    opening = two.opens(NEW, one)
    lost: dict[str, Json] = {"epoch": OLD, "from": 5, "to": 7, "reason": "unclean_boot"}
    await center.takes(opening, two.place(two.draft("system.range_lost", lost)), *two.makes(3))
    time.pass_s(300)
    again = kept.copy("3")
    for _ in range(8):
        await center.takes(*again.makes(1))


async def stands_in_info(center: Center, time: Time) -> None:
    """The birth document names the end of the old epoch; its opening's word never came."""
    one = Machine(time, "1")
    old = [one.opens(OLD), *one.makes(6)]
    await center.takes(*old[:3])
    two = Machine(time, "2", off_ms=0)
    await center.takes(two.opens(NEW), *two.makes(2))
    async with receiving(center.path, time) as receiver:
        await receiver.accept(*info(time, (OLD, one.seq, one.last), (NEW, two.seq, two.last)))
    time.pass_s(300)
    await center.takes(*old[3:])


async def many_boots(center: Center, time: Time) -> None:
    """Epoch after epoch, each with a backlog that comes late: the life of a box with bad power."""
    left: list[Sealed] = []
    before: Machine | None = None
    for number in range(8):
        one = Machine(time, f"{number:x}")
        opening = one.opens(f"{number:08x}", before)
        fresh = one.makes(5, every_s=40)
        await center.takes(opening, *fresh[:3], *left)
        left, before = fresh[3:], one
        time.pass_s(200)


@pytest.mark.parametrize(
    "story",
    [
        late_backlog, late_backlog_before_its_successor, wrong_clock, resent, issued_again,
        issued_again_after_a_boot, left_on_a_slow_disk, rolled_back, killed_and_salvaged, put_back, reordered,
        reordered_by_a_fast_clock, right_by_luck, no_clock, forgets_each_run, forgets_what_it_declared_lost,
        stands_in_info, many_boots,
    ],
)  # fmt: skip
async def test_one_machine_is_never_taken_for_two(story: Story, center: Center, time: Time) -> None:
    await story(center, time)
    assert center.alarms() == []


async def test_a_clock_of_the_center_that_jumps_makes_no_second_machine(center: Center, time: Time) -> None:
    """Gateways without a time server have the center's time, so both were wrong together."""
    one = Machine(time, "1")
    await center.takes(one.opens(OLD), *one.makes(2))
    time.wall_ms += 10_800_000
    await center.takes(*one.makes(2))
    time.wall_ms -= 10_800_000
    two = one.copy("2")
    await center.takes(two.opens(NEW, one), *two.makes(2))
    time.pass_s(600)
    await center.takes(*two.makes(2))
    assert center.alarms() == []
