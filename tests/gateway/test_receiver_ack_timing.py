"""When an ack goes out: 50 ms or 100 events after the first that is not acked, never later than 1 s."""

import asyncio
import time as clock
from pathlib import Path

import pytest

from gateway.receiver.receiver import Receiver, ReceiverSettings
from gateway.uplink.acks import read_ack
from tests.gateway.receiver_fixtures import ACK, GW, TRUST, Time, chain, message, receiving


async def test_an_ack_is_due_fifty_milliseconds_after_the_first_event(tmp_path: Path) -> None:
    time, events = Time(), chain(3)
    async with receiving(tmp_path / "c.db", time) as receiver:
        await receiver.accept(*message(events[0]))
        assert receiver.acks_due() == []
        time.pass_s(0.04)
        await receiver.accept(*message(events[1]))  # does not put it off
        assert receiver.next_ack_in_s() == pytest.approx(0.01)
        time.pass_s(0.02)
        assert len(receiver.acks_due()) == 1
        assert receiver.next_ack_in_s() is None


async def test_a_hundred_events_are_acked_without_waiting(tmp_path: Path) -> None:
    time, events = Time(), chain(150)
    async with receiving(tmp_path / "c.db", time) as receiver:
        await receiver.accept_many([message(event) for event in events[:99]])
        assert receiver.acks_due() == []
        await receiver.accept(*message(events[99]))
        assert receiver.next_ack_in_s() == 0
        async with asyncio.timeout(1):
            await receiver.until_due()
        assert len(receiver.acks_due()) == 1


async def test_under_load_no_event_waits_a_second_for_its_ack(tmp_path: Path) -> None:
    """Batch after batch without a pause; from handed in to the ack handed out."""
    events = chain(6000)
    receiver = await Receiver.open(
        ReceiverSettings(database=str(tmp_path / "c.db"), trust=TRUST, ack_signer=ACK)
    )
    arrived: dict[int, float] = {}
    waited: list[float] = []

    async def speak() -> None:
        while len(waited) < len(events):
            for _, wire in receiver.acks_due():
                upto = read_ack(wire, GW, lambda _kid: ACK.public)[0].upto
                now = clock.monotonic()
                waited.extend(now - arrived.pop(seq) for seq in list(arrived) if seq <= upto)
            if len(waited) < len(events):
                await receiver.until_due()

    speaking = asyncio.create_task(speak())
    for start in range(0, len(events), 256):
        batch = events[start : start + 256]
        now = clock.monotonic()
        arrived.update((event.seq, now) for event in batch)
        await receiver.accept_many([message(event) for event in batch])
    async with asyncio.timeout(10):
        await speaking
    await receiver.close()
    assert max(waited) < 1.0
