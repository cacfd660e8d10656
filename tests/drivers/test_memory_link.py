"""The wire in memory keeps the promises of a link, so that a test on it means something for a port."""

import asyncio
import os

import pytest

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links.memory_link import BUFFER_LIMIT, MemoryLink

DEADLINE_S = 20


async def opened() -> tuple[MemoryLink, MemoryLink]:
    near, far = MemoryLink.pair("wire")
    await near.open()
    await far.open()
    return near, far


async def test_bytes_pass_both_ways() -> None:
    near, far = await opened()
    await near.send(b"question")
    assert await far.receive() == b"question"
    await far.send(b"answer")
    assert await near.receive() == b"answer"


async def test_sender_waits_while_the_receiver_is_behind() -> None:
    near, far = await opened()
    payload = os.urandom(5 * BUFFER_LIMIT)
    sending = asyncio.create_task(far.send(payload))
    got = bytearray()
    async with asyncio.timeout(DEADLINE_S):
        while len(got) < len(payload):
            await asyncio.sleep(0)
            assert near.buffered <= BUFFER_LIMIT
            got += await near.receive()
    await sending
    assert bytes(got) == payload


async def test_unplugging_wakes_both_ends_and_delivers_what_came_before() -> None:
    near, far = await opened()
    await far.send(b"last words")
    waiting = asyncio.create_task(far.receive())
    await asyncio.sleep(0)
    near.unplug()
    with pytest.raises(LinkLost):
        await waiting
    assert await near.receive() == b"last words"
    with pytest.raises(LinkLost) as caught:
        await near.receive()
    assert caught.value.code == "unplugged"
    with pytest.raises(LinkLost):
        await near.send(b"x")


async def test_unplugged_wire_is_absent_until_plugged() -> None:
    near, far = await opened()
    far.unplug()
    with pytest.raises(LinkUnavailable) as caught:
        await near.open()
    assert caught.value.code == "absent"
    far.plug()
    await near.open()
    await far.open()
    await far.send(b"back")
    assert await near.receive() == b"back"


async def test_opening_drops_what_waited_and_closing_wakes_the_reader() -> None:
    near, far = await opened()
    await far.send(b"old")
    await near.open()
    assert near.buffered == 0
    waiting = asyncio.create_task(near.receive())
    await asyncio.sleep(0)
    await near.close()
    with pytest.raises(LinkLost) as caught:
        await waiting
    assert caught.value.code == "closed"
