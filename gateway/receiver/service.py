"""The receiver on a broker: take, store, acknowledge, for ever.

A message's PUBACK goes out after the receiver's COMMIT; an ack goes out after it too. What waits is
stored together. A connection is used once; when storing fails the connection is given up, so that the
broker keeps what was not stored and brings it again.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.errors import StoreRefused
from gateway.mqtt_bridge import ConnectFailed, Connection, Endpoint, Message, connect
from gateway.mqtt_bridge.watch import until_closed
from gateway.receiver.receiver import Receiver
from gateway.receiver.topics import SUBSCRIPTIONS
from gateway.receiver.verdict import Verdict

log = logging.getLogger(__name__)

MAX_BATCH = 256  # messages in one transaction
MOST_BACKOFF_S = 30.0
GATHER_S = 0.005  # a commit costs as much for one as for many; an ack waits 50 ms anyway
IDLE_S = 1.0
LOOK_S = 5.0  # between two looks at what is missing
# Acks without PUBACK, where the broker takes so many. A PUBACK comes behind all events that the broker has on the way
# to us, and mosquitto 2.0.11 has all it ever got: with few acks for many gateways the others hear nothing until then,
# take the center for dead and send everything again. With 8,192, 3,000 gateways still did.
WINDOW = 32_768
MAX_WAITING = 16_384  # messages met and not stored; more stay with the connection
# Messages that the broker may send without our PUBACK. mosquitto 2.0.11 sends far beyond it while it works
# off what it kept for us (37,000 of 60,000 were seen); the bridge then reads no further for a while.
RECEIVE_MAXIMUM = 1_024

OnVerdict = Callable[[Verdict], None]


@dataclass(slots=True)
class Service:
    """One receiver on one broker."""

    receiver: Receiver
    endpoint: Endpoint
    on_verdict: OnVerdict

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; connects again for ever."""
        attempt = 0
        while not stop.is_set():
            try:
                connection = await connect(self.endpoint, SUBSCRIPTIONS, None, at_once=True)
            except ConnectFailed as exc:
                attempt += 1
                if attempt == 1:
                    log.warning("broker not reached", extra={"code": exc.code, "cause": str(exc)})
            else:
                attempt = 0
                log.info("receiver connected", extra={"broker": f"{self.endpoint.host}:{self.endpoint.port}"})
                await self._serve(connection, stop)
            await _wait(stop, random.uniform(0, min(MOST_BACKOFF_S, 2.0 ** min(attempt, 6) / 4)))  # noqa: S311

    async def _serve(self, connection: Connection, stop: asyncio.Event) -> None:
        waiting: asyncio.Queue[Message] = asyncio.Queue(MAX_WAITING)
        stopping = asyncio.create_task(_until(stop), name="receiver-stop")
        working = [
            asyncio.create_task(work, name=f"receiver-{name}")
            for name, work in (
                ("meet", self._meet(connection, waiting)),
                ("take", self._take(waiting)),
                ("speak", self._speak(connection)),
                ("look", self._look_after()),
                ("watch", self._watch(connection)),
                ("beat", self._beat()),
            )
        ]
        try:
            waited: set[asyncio.Future[Any]] = {stopping, *working, connection.closed}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in working:
                if task.done():
                    task.result()  # a bug, or a store that cannot take more: let it rise
        except StoreRefused as exc:
            log.error("nothing is stored; trying again", extra={"code": exc.code, "cause": str(exc)})  # noqa: TRY400
            await asyncio.sleep(IDLE_S)
        finally:
            # Not cancelled in the middle of a batch: it is committed or it is not.
            for task in (*working, stopping):
                task.cancel()
            await asyncio.gather(*working, stopping, return_exceptions=True)
            if stop.is_set() and not connection.closed.done():
                saying = self._publish(connection, self.receiver.acks_pending())
                if saying:
                    await asyncio.wait(saying, timeout=2.0)
            await self._give_back()
            await connection.close()

    async def _meet(self, connection: Connection, waiting: "asyncio.Queue[Message]") -> None:
        """Look at each message as it arrives: who asks for the time must not wait behind a backlog."""
        while True:
            message = await connection.incoming.get()
            answer = self.receiver.answer_at_once(message.topic, message.payload)
            if answer is None:
                await waiting.put(message)
            else:
                connection.publish(*answer)
                message.done()

    async def _take(self, waiting: "asyncio.Queue[Message]") -> None:
        await self.receiver.beat()  # a worker has nobody before
        self.receiver.ack_everybody()  # the broker may have forgotten what it retained
        while True:
            batch = [await waiting.get()]
            if waiting.qsize() < MAX_BATCH:
                await asyncio.sleep(GATHER_S)
            while len(batch) < MAX_BATCH and not waiting.empty():
                batch.append(waiting.get_nowait())
            await asyncio.shield(asyncio.ensure_future(self._store(batch)))

    async def _store(self, batch: list[Message]) -> None:
        verdicts = await self.receiver.accept_many([(message.topic, message.payload) for message in batch])
        for message, verdict in zip(batch, verdicts, strict=True):
            message.done()
            self.on_verdict(verdict)

    async def _speak(self, connection: Connection) -> None:
        flying, landed = 0, asyncio.Event()

        def land(_sent: asyncio.Future[int]) -> None:
            nonlocal flying
            flying -= 1
            landed.set()

        while True:
            while flying > connection.receive_maximum // 2:
                landed.clear()
                await landed.wait()
            # No more than the broker takes now: an ack that waits is made when it goes, and covers what came since.
            acks = self.receiver.acks_due(connection.receive_maximum - flying)
            due = [(*message, True) for message in acks]
            due += [(*message, False) for message in self.receiver.messages_due()]
            for topic, payload, retain in due:
                sent = connection.publish(topic, payload, retain=retain)
                flying += 1
                sent.add_done_callback(land)
            if not due:
                await self.receiver.until_due()

    async def _look_after(self) -> None:
        await asyncio.sleep(IDLE_S)  # what gateways say of themselves is retained and comes first
        while True:
            for verdict in await self.receiver.look_after():
                self.on_verdict(verdict)
            await asyncio.sleep(LOOK_S)

    async def _beat(self) -> None:
        """A worker has gateways only while it hears them."""
        while True:
            await asyncio.sleep(self.receiver.beat_s or IDLE_S)
            await self.receiver.beat()

    async def _give_back(self) -> None:
        try:
            await self.receiver.give_back()
        except StoreRefused as exc:  # then they are free when the lease ends
            log.warning("leases not given back", extra={"code": exc.code, "cause": str(exc)})

    async def _watch(self, connection: Connection) -> None:
        """Give up a connection that is dead: nobody else would notice, and no ack would ever go out again."""
        closed = await until_closed(connection)
        log.warning("receiver offline", extra={"code": closed.code, "cause": closed.text})

    def _publish(self, connection: Connection, acks: list[tuple[str, bytes]]) -> "set[asyncio.Future[int]]":
        return {connection.publish(topic, payload, retain=True) for topic, payload in acks}


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
