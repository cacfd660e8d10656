"""Two machines under one name are told."""

from pathlib import Path

import pytest

from gateway.clock import ClockQuality
from gateway.receiver.report import report
from tests.gateway.machines import NEW, OLD, Center, Machine
from tests.gateway.receiver_fixtures import (
    Time,
    record,
)

pytestmark = pytest.mark.usefixtures("on_both")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def center(tmp_path: Path, time: Time) -> Center:
    return Center(tmp_path / "c.db", time)


async def test_a_copied_card_in_a_second_machine_is_told_once_and_reported(
    center: Center, time: Time
) -> None:
    one = Machine(time, "1")
    await center.takes(one.opens(OLD), *one.makes(5))
    two = one.copy("2")
    await center.takes(two.opens(NEW, one), *two.makes(2))
    time.pass_s(300)
    await center.takes(*one.makes(2))  # it never stopped
    assert center.alarms() == [(OLD, 1)]
    for _ in range(3):
        await center.takes(*two.makes(1, every_s=60))
        await center.takes(*one.makes(1, every_s=60))
    assert center.alarms() == [(OLD, 1)], "it stands; it is not told by each event"
    old, new = report(record(center.path))
    assert (old.alarms, new.alarms) == ({"duplicate_identity": 1}, {})
    assert (old.complete, old.intact, new.complete, new.intact) == (True, True, True, True)


async def test_two_machines_that_have_nothing_in_common_are_told(center: Center, time: Time) -> None:
    one, two = Machine(time, "1"), Machine(time, "2")
    await center.takes(one.opens(OLD), *one.makes(2))
    await center.takes(two.opens(NEW), *two.makes(2))
    time.pass_s(300)
    await center.takes(*one.makes(1))
    assert center.alarms() == [(OLD, 1)]


async def test_a_second_process_of_the_same_boot_is_told_without_any_clock(
    center: Center, time: Time
) -> None:
    one = Machine(time, "1", quality=ClockQuality.UNSYNCED, off_ms=-1_795_309_000_000)
    await center.takes(one.opens(OLD), *one.makes(3))
    two = one.copy("1")
    two.since_s = one.since_s
    await center.takes(two.opens(NEW, one), *two.makes(2))
    await center.takes(*one.makes(2))
    assert center.alarms() == [(OLD, 1)]


async def test_in_one_transaction_it_is_told_too(center: Center, time: Time) -> None:
    one, two = Machine(time, "1"), Machine(time, "1")
    first = [one.opens(OLD), two.opens(NEW)]
    await center.takes(*first, *(event for _ in range(3) for box in (one, two) for event in box.makes(1, 2)))
    assert center.alarms() == [(OLD, 1)]
