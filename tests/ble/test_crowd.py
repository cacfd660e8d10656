"""50 wearables in one room, one scan: each listener hears its own, a listener that takes nothing starves no other."""

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import pairwise

import pytest

from drivers.links.ble_advert import AdvertFilter
from drivers.links.ble_scanner import MOST_WAITING, Listener
from tests.ble.bed import Bed
from tests.drivers.bench import until

CROWD = 50
EVERY_MS = 500
LISTENED_S = 5.0
WORST_S = 3.0  # between two that a listener hears; little more than `EVERY_MS` where nothing else runs


def address_of(number: int) -> str:
    return f"F0:F1:F2:F3:F5:{number:02X}"


async def follow(listener: Listener, times: list[float]) -> None:
    while True:
        await listener.next()
        times.append(time.monotonic())


@pytest.mark.fake_bluez
async def test_fifty_advertisers_are_heard_and_a_stuck_listener_starves_none(bed: Bed) -> None:
    heard: dict[str, list[float]] = {address_of(number): [] for number in range(CROWD)}
    radio = bed.radio()
    for number, address in enumerate(heard):
        await bed.wearable(address, f"Band-{number:02}", uart=False, every_ms=EVERY_MS)
    async with AsyncExitStack() as stack:
        stuck = await stack.enter_async_context(radio.listen(AdvertFilter()))
        followers: list[asyncio.Task[None]] = []
        for address, times in heard.items():
            wanted = AdvertFilter(addresses=frozenset({address}))
            listener = await stack.enter_async_context(radio.listen(wanted))
            followers.append(asyncio.create_task(follow(listener, times)))
        await until(lambda: all(heard.values()))
        used, began = time.process_time(), time.monotonic()
        await asyncio.sleep(LISTENED_S)
        share = (time.process_time() - used) / (time.monotonic() - began) * 100
        for follower in followers:
            follower.cancel()
        await asyncio.wait(followers)
        dropped = stuck.missed
    worst = max(later - earlier for times in heard.values() for earlier, later in pairwise(times))
    told = sum(len(times) for times in heard.values())
    print(
        f"{CROWD} advertisers, {told} heard, worst gap {worst:.2f} s, {share:.0f} % of a core with the room"
    )
    assert worst < WORST_S
    assert dropped >= told - CROWD - MOST_WAITING, "it kept its newest, and no more"
