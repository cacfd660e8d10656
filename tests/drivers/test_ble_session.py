"""Notifications wait in a bounded queue, with a written answer to full. On a connection in memory."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from drivers.errors import DeviceMismatch, LinkLost
from drivers.links.ble_session import MOST_BYTES, MOST_VALUES, Notifications, OnFull, Session
from tests.drivers.bench import in_skipped_time

UUID = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"


class MemoryConnection:
    """A device that has one characteristic and says what the test says."""

    def __init__(self) -> None:
        self.tell: Callable[[bytes], None] = lambda _: None
        self.closed = 0

    def properties(self, uuid: str) -> frozenset[str] | None:
        return frozenset({"read", "notify"}) if uuid == UUID else None

    def write_limit(self, _: str) -> int:
        return 20

    async def read(self, _: str) -> bytes:
        return b"\x5a"

    async def write(self, uuid: str, data: bytes, *, response: bool) -> None:
        raise LinkLost("write_failed", "not written")

    async def notify(self, _: str, heard: Callable[[bytes], None]) -> None:
        self.tell = heard

    async def disconnect(self) -> None:
        self.closed += 1


def begun() -> tuple[Session, MemoryConnection]:
    connection, closing = MemoryConnection(), AsyncExitStack()
    closing.push_async_callback(connection.disconnect)
    session = Session("ble:1")
    session.begin(connection, closing)
    return session, connection


async def subscribed(on_full: OnFull) -> tuple[Session, MemoryConnection, Notifications]:
    session, connection = begun()
    return session, connection, await session.subscribe(UUID, on_full=on_full)


@in_skipped_time
async def test_values_come_in_order() -> None:
    _, device, values = await subscribed(OnFull.BREAK)
    device.tell(b"1")
    device.tell(b"2")
    assert [await values.receive(), await values.receive()] == [b"1", b"2"]
    device.tell(b"3")
    device.tell(b"")
    device.tell(b"4")
    assert await values.receive_all() == b"34"
    assert values.buffered == 0


@pytest.mark.parametrize("size", [0, 1, 20, 244, 512])
def test_a_flood_breaks_a_stream_and_what_came_before_it_is_whole(size: int) -> None:
    @in_skipped_time
    async def flood() -> None:
        session, device, values = await subscribed(OnFull.BREAK)
        sent = [index.to_bytes(4, "big").ljust(size, b"x")[:size] for index in range(2 * MOST_VALUES)]
        for value in sent:
            device.tell(value)
            assert values.buffered <= MOST_BYTES
        got = await values.receive_all()
        assert b"".join(sent).startswith(got)
        assert len(got) == size * min(MOST_VALUES, MOST_BYTES // max(size, 1))
        with pytest.raises(LinkLost, match="faster than") as caught:
            await values.receive_all()
        assert caught.value.code == "overrun"
        with pytest.raises(LinkLost):
            await session.read("any")

    flood()


@pytest.mark.parametrize("size", [0, 20, 512])
def test_of_measurements_a_flood_leaves_the_newest_and_a_count(size: int) -> None:
    @in_skipped_time
    async def flood() -> None:
        _, device, values = await subscribed(OnFull.DROP_OLDEST)
        for index in range(2 * MOST_VALUES):
            device.tell(index.to_bytes(4, "big").ljust(size, b"x")[:size])
            assert values.buffered <= MOST_BYTES
        kept = min(MOST_VALUES, MOST_BYTES // max(size, 1))
        assert values.missed == 2 * MOST_VALUES - kept
        got = [await values.receive() for _ in range(kept)]
        assert got[-1] == (2 * MOST_VALUES - 1).to_bytes(4, "big").ljust(size, b"x")[:size]
        device.tell(b"more")
        assert await values.receive() == b"more"

    flood()


@in_skipped_time
async def test_a_reader_that_keeps_up_is_never_broken_off() -> None:
    _, device, values = await subscribed(OnFull.BREAK)
    for _ in range(3 * MOST_VALUES):
        device.tell(bytes(100))
        assert len(await values.receive_all()) == 100


@in_skipped_time
async def test_a_cancelled_reader_loses_nothing() -> None:
    _, device, values = await subscribed(OnFull.BREAK)
    reading = asyncio.create_task(values.receive())
    await asyncio.sleep(0)
    device.tell(b"kept")
    reading.cancel()
    await asyncio.wait({reading})
    assert await values.receive() == b"kept"


@in_skipped_time
async def test_the_first_cause_stays_and_wakes_the_reader() -> None:
    session, device, values = await subscribed(OnFull.BREAK)
    device.tell(b"last words")
    session.lose(LinkLost("disconnected", "first"))
    session.lose(LinkLost("no_bluetoothd", "second"))
    device.tell(b"too late")
    assert await values.receive_all() == b"last words"
    with pytest.raises(LinkLost, match="first"):
        await values.receive()


@in_skipped_time
async def test_closing_wakes_the_reader_and_disconnects_once() -> None:
    session, device, values = await subscribed(OnFull.BREAK)
    reading = asyncio.create_task(values.receive())
    await asyncio.sleep(0)
    await session.close()
    await session.close()
    with pytest.raises(LinkLost) as caught:
        await reading
    assert (caught.value.code, device.closed) == ("closed", 1)


@in_skipped_time
async def test_what_the_device_has_not_is_a_mismatch_and_the_connection_stays() -> None:
    session, _ = begun()
    with pytest.raises(DeviceMismatch, match="has no characteristic 1234") as caught:
        await session.read("1234")
    assert caught.value.code == "no_characteristic"
    assert await session.read(UUID) == b"\x5a"


@in_skipped_time
async def test_a_write_that_fails_loses_the_connection() -> None:
    session, _, values = await subscribed(OnFull.BREAK)
    with pytest.raises(LinkLost) as caught:
        await session.write(UUID, b"x")
    assert caught.value.code == "write_failed"
    with pytest.raises(LinkLost, match="not written"):
        await values.receive()


@in_skipped_time
async def test_a_value_that_is_subscribed_to_is_not_read_as_well() -> None:
    session, _, _ = await subscribed(OnFull.BREAK)
    with pytest.raises(RuntimeError):
        await session.read(UUID)
    with pytest.raises(RuntimeError):
        await session.subscribe(UUID, on_full=OnFull.BREAK)
