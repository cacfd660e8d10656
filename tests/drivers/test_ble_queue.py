"""The line before a Bluetooth adapter: one at a time, in order, with pauses and deadlines."""

import asyncio

import pytest

from drivers.errors import LinkUnavailable
from drivers.links.ble_queue import MOST_REMEMBERED, PAUSES_S, ConnectQueue
from tests.drivers.bench import in_skipped_time


async def hold_turn(line: ConnectQueue, name: str, order: list[str], seconds: float = 1.0) -> None:
    async with line.turn(name):
        order.append(f"{name} begins")
        await asyncio.sleep(seconds)
        order.append(f"{name} ends")


@in_skipped_time
async def test_one_connects_at_a_time_in_the_order_in_which_they_came() -> None:
    line, order = ConnectQueue(), list[str]()
    await asyncio.gather(*(hold_turn(line, name, order) for name in "abc"))
    assert order == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


@in_skipped_time
async def test_who_failed_goes_to_the_end_of_the_line() -> None:
    line, order = ConnectQueue(), list[str]()

    async def never_connects() -> None:
        for _ in range(3):
            await line.pause("bad")
            await hold_turn(line, "bad", order, 20.0)
            line.failed("bad")

    await asyncio.gather(never_connects(), *(hold_turn(line, name, order) for name in "xyz"))
    assert [one for one in order if one.endswith("begins")] == [
        "bad begins", "x begins", "y begins", "z begins", "bad begins", "bad begins",
    ]  # fmt: skip


@in_skipped_time
async def test_pauses_grow_with_each_failure_and_end_with_success() -> None:
    line, loop = ConnectQueue(), asyncio.get_running_loop()
    waited = []
    for _ in range(len(PAUSES_S) + 2):
        line.failed("a")
        began = loop.time()
        await line.pause("a")
        waited.append(round(loop.time() - began, 3))
    assert waited == [*PAUSES_S, PAUSES_S[-1], PAUSES_S[-1]]
    line.worked("a")
    began = loop.time()
    await line.pause("a")
    assert loop.time() == began


@in_skipped_time
async def test_the_pause_of_one_device_holds_up_no_other() -> None:
    line, loop = ConnectQueue(), asyncio.get_running_loop()
    line.failed("a")
    began = loop.time()
    await line.pause("b")
    assert loop.time() == began


@in_skipped_time
async def test_who_gives_up_leaves_the_line_and_the_next_gets_the_turn() -> None:
    line, order = ConnectQueue(), list[str]()
    first = asyncio.create_task(hold_turn(line, "a", order, 5.0))
    await asyncio.sleep(0)

    async def impatient() -> None:
        async with asyncio.timeout(1.0):
            await hold_turn(line, "b", order)

    second = asyncio.create_task(impatient())
    await asyncio.sleep(0)
    third = asyncio.create_task(hold_turn(line, "c", order))
    with pytest.raises(TimeoutError):
        await second
    await asyncio.gather(first, third)
    assert order == ["a begins", "a ends", "c begins", "c ends"]
    assert line.waiting == 0


@in_skipped_time
async def test_an_attempt_that_is_cancelled_gives_the_turn_to_the_next() -> None:
    line, order = ConnectQueue(), list[str]()
    first = asyncio.create_task(hold_turn(line, "a", order, 500.0))
    second = asyncio.create_task(hold_turn(line, "b", order))
    await asyncio.sleep(1)
    first.cancel()
    await second
    assert order == ["a begins", "b begins", "b ends"]


@in_skipped_time
async def test_no_more_are_connected_than_the_adapter_holds() -> None:
    line, loop = ConnectQueue(most_connected=2), asyncio.get_running_loop()
    connected = most = 0
    ends = []

    async def connect(name: str) -> None:
        nonlocal connected, most
        async with line.slot(name):
            connected += 1
            most = max(most, connected)
            await asyncio.sleep(10)
            connected -= 1
            ends.append((name, loop.time()))

    await asyncio.gather(*(connect(name) for name in "abcde"))
    assert most == 2
    assert [name for name, _ in ends] == ["a", "b", "c", "d", "e"]


@in_skipped_time
async def test_a_line_that_is_full_is_said_at_once() -> None:
    line = ConnectQueue(most_waiting=2)
    order: list[str] = []
    tasks = [asyncio.create_task(hold_turn(line, name, order)) for name in "abc"]
    await asyncio.sleep(0)
    with pytest.raises(LinkUnavailable, match="ble:4: 2 devices wait") as caught:
        await hold_turn(line, "ble:4", order)
    assert caught.value.code == "in_line"
    await asyncio.gather(*tasks)


@in_skipped_time
async def test_failures_are_remembered_of_so_many_devices_and_no_more() -> None:
    line = ConnectQueue()
    for number in range(3 * MOST_REMEMBERED):
        line.failed(str(number))
    assert len(line._failed) == MOST_REMEMBERED
    assert str(3 * MOST_REMEMBERED - 1) in line._failed
