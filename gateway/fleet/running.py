"""A simulated fleet at a broker: each gateway stays until the center has proven that it holds all.

A gateway sends as many events as its connection takes, waits for the center's signed acks, and is done when one names
the hash of its last event. A connection that ends is made anew after a moment, and what is not acked is sent again.
"""

import asyncio
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from gateway.errors import ContractError
from gateway.evidence.jws import FindKey
from gateway.fleet.boxes import Box
from gateway.mqtt_bridge import ConnectFailed, Connection, Endpoint, connect
from gateway.uplink.acks import read_ack
from gateway.uplink.window import SettleWindow

LOOK_S = 1.0  # how often a gateway looks whether the center is too slow
AGAIN_S = (1.0, 5.0)  # a connection that ended is made anew after so long


@dataclass(slots=True)
class Watch:
    """What is measured, of all gateways."""

    settled_s: list[float] = field(default_factory=list)  # of each event: from its first sending to its ack
    connects_s: list[float] = field(default_factory=list)  # of each connection: until it was accepted
    done: int = 0  # gateways
    connections_lost: int = 0
    refused: int = 0  # connections
    resent: int = 0  # events
    acks: int = 0
    not_believed: int = 0  # acks


class Played:
    """One gateway while it plays."""

    def __init__(
        self, box: Box, endpoint_of: Callable[[int], Endpoint], ack_key: FindKey, watch: Watch
    ) -> None:
        self._box = box
        self._endpoint_of = endpoint_of  # by how often a broker was in vain
        self._ack_key = ack_key
        self._watch = watch
        self._upto = 0
        self._window = SettleWindow()
        self._sent_s: dict[int, float] = {}  # sequence -> first sent
        self._moved = asyncio.Event()  # there may be room for another event
        self._rng = random.Random(box.topics.gateway)  # noqa: S311 - jitter

    async def play(self, start: asyncio.Event) -> None:
        """Until the center has everything. `start`: events go out from then on."""
        vain = 0
        while self._upto < len(self._box.events):
            began_s = time.monotonic()
            try:
                connection = await connect(self._endpoint_of(vain), (self._box.topics.ack,), None)
            except ConnectFailed:
                self._watch.refused += 1
                vain += 1  # the next of several brokers, as an enrolled gateway does
                await asyncio.sleep(self._rng.uniform(*AGAIN_S))
                continue
            self._watch.connects_s.append(time.monotonic() - began_s)
            try:
                await self._serve(connection, start)
            finally:
                ended = connection.closed.done()
                await connection.close()
            if ended:
                self._watch.connections_lost += 1
                await asyncio.sleep(self._rng.uniform(*AGAIN_S))
        self._watch.done += 1

    async def _serve(self, connection: Connection, start: asyncio.Event) -> None:
        session = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        connection.on_room = self._moved.set
        connection.publish(self._box.topics.info, self._box.info(session), retain=True)
        status = self._box.status("online", session, self._upto)
        connection.publish(self._box.topics.status, status, retain=True)
        hearing = asyncio.create_task(self._hear(connection))
        sending = asyncio.create_task(self._send(connection, start))
        try:
            waited: set[asyncio.Future[object]] = {hearing, sending, connection.closed}  # type: ignore[arg-type]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done() and not connection.closed.done():
                hearing.result()
                status = self._box.status("offline", session, self._upto)
                with suppress(asyncio.CancelledError):
                    await connection.publish(self._box.topics.status, status, retain=True)
        finally:
            for task in (hearing, sending):
                task.cancel()
            await asyncio.gather(hearing, sending, return_exceptions=True)

    async def _send(self, connection: Connection, start: asyncio.Event) -> None:
        await start.wait()
        self._window.begin(time.monotonic())
        while True:
            first = self._upto
            for seq in range(first + 1, len(self._box.events) + 1):
                if not await self._room(connection, seq):
                    break
                self._watch.resent += seq in self._sent_s
                self._sent_s.setdefault(seq, time.monotonic())
                topic = self._box.topics.event(self._box.kinds[seq - 1])
                connection.publish_event(topic, self._box.events[seq - 1].wire, _nothing, replay=False)
            # Looked at, not waited for: what passes is time.
            while not self._window.stalled(time.monotonic()):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
            self._window.rewound(time.monotonic())

    async def _room(self, connection: Connection, seq: int) -> bool:
        """Once this one may go; False when the center settled nothing for too long."""
        while connection.room <= 0 or seq - self._upto > self._window.size:
            if self._window.stalled(time.monotonic()):
                return False
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._moved.wait()
        return True

    async def _hear(self, connection: Connection) -> None:
        """Returns when an ack proves that the center holds the whole epoch."""
        while self._upto < len(self._box.events):
            message = await connection.incoming.get()
            message.done()
            try:
                found = read_ack(message.payload, self._box.topics.gateway, self._ack_key)
            except ContractError:
                self._watch.not_believed += 1
                continue
            self._watch.acks += 1
            for ack in found:
                if ack.epoch == self._box.epoch and 0 < ack.upto <= len(self._box.events):
                    self._settle(ack.upto, ack.head)

    def _settle(self, upto: int, head: str) -> None:
        if self._box.events[upto - 1].hash.hex() != head:
            self._watch.not_believed += 1
            return
        now_s = time.monotonic()
        for seq in range(self._upto + 1, upto + 1):
            if seq in self._sent_s:
                self._watch.settled_s.append(now_s - self._sent_s[seq])
        if upto > self._upto:
            self._upto = upto
            self._window.settled(now_s)
        self._moved.set()


async def play_all(
    boxes: Sequence[Box],
    endpoint_of: Callable[[int, str], Endpoint],
    ack_key: FindKey,
    watch: Watch,
    *,
    connected: Callable[[], object] = lambda: None,
) -> None:
    """All of them. First everybody connects, then everybody speaks. `endpoint_of` a number and a gateway's name."""
    start = asyncio.Event()
    players = deque(
        asyncio.create_task(
            Played(box, partial(_nth, endpoint_of, number, box.topics.gateway), ack_key, watch).play(start),
            name=box.topics.gateway,
        )
        for number, box in enumerate(boxes)
    )
    # Looked at, not waited for: a count of what a thousand tasks do.
    while len(watch.connects_s) < len(boxes) and not any(task.done() for task in players):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    connected()
    start.set()
    try:
        await asyncio.gather(*players)
    finally:
        for task in players:
            task.cancel()


def _nth(endpoint_of: Callable[[int, str], Endpoint], number: int, gateway: str, vain: int) -> Endpoint:
    return endpoint_of(number + vain, gateway)


def _nothing(_code: int) -> None:
    """PUBACK is not delivery."""
