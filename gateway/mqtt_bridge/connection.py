"""One live connection, driven by the loop: used once, its callbacks note, its own queue is bounded."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import NamedTuple

from paho.mqtt.client import ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.mqtt_bridge.client import (
    CONTENT_CLOUDEVENT,
    CONTENT_JSON,
    LineClient,
    dial,
    line_of,
    new_client,
    publish_properties,
    set_will,
)
from gateway.mqtt_bridge.drive import Drive
from gateway.mqtt_bridge.endpoint import Endpoint, Message
from gateway.mqtt_bridge.failures import (
    Closed,
    ConnectFailed,
    client_failed,
    disconnected,
    no_answer,
    our_certificate,
    refused_by_broker,
    refused_certificate,
)
from gateway.mqtt_bridge.line import Line

CONNECT_TIMEOUT_S = 15.0
CLOSE_TIMEOUT_S = 5.0
# Messages waiting here for a slot: a receiver greets every gateway of a country with an ack.
MAX_QUEUED = 8192
MESSAGES_WAITING = 4  # times our Receive Maximum may wait to be taken; then nothing more is read

OnPuback = Callable[[int], object]


class _Outgoing(NamedTuple):
    topic: str
    payload: bytes
    retain: bool
    properties: Properties | None
    on_puback: OnPuback | None
    future: "asyncio.Future[int] | None"


class Connection:
    """A live connection; build with `connect`, use once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.receive_maximum = endpoint.window
        self.resumed = False  # the broker kept our session: subscriptions, and what came for them
        self.on_room: Callable[[], object] = lambda: None  # called when a PUBACK has freed a slot
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._out: dict[int, _Outgoing] = {}  # handed to paho, without PUBACK
        self._queue: deque[_Outgoing] = deque()  # waiting for a slot
        self._acked_s = time.monotonic()  # last PUBACK, or when the first of `_out` was sent
        self._subscribed: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._line: Line | None = None  # kept for what it says at its end
        self._serving = False  # subscribed: somebody takes what comes in
        self._background: asyncio.Task[None] | None = None  # waits for the broker's word on the subscriptions
        self._client = new_client(endpoint, LineClient)
        self._drive = Drive(self._client, crowded=self._crowded, failed=self._failed)
        self._client.on_connect = self._drive.noting(self._on_connect)
        self._client.on_disconnect = self._drive.noting(self._on_disconnect)
        self._client.on_publish = self._drive.noting(self._on_publish)
        self._client.on_subscribe = self._drive.noting(self._on_subscribe)
        self._client.on_message = self._drive.noting(self._on_message)

    def _crowded(self) -> bool:
        """Not before the subscription stands: until then nobody takes anything, and what was kept comes first."""
        if not self._serving or self.incoming.qsize() < MESSAGES_WAITING * self.endpoint.receive_maximum:
            return False
        self._acked_s = time.monotonic()
        return True

    def _failed(self, exc: Exception) -> None:
        self._end(client_failed(self.endpoint.where, exc))

    # -- what paho noted ------------------------------------------------------------------------------

    def _on_connect(self, flags: ConnectFlags, code: ReasonCode, props: Properties | None) -> None:
        if self._connected.done():
            return
        if code.is_failure:
            self._connected.set_exception(refused_by_broker(self.endpoint.where, code.value, str(code)))
            return
        self.resumed = flags.session_present
        allowed = getattr(props, "ReceiveMaximum", None)
        if isinstance(allowed, int):
            self.receive_maximum = min(self.endpoint.window, allowed)
        self._connected.set_result(None)

    def _on_disconnect(self, _flags: DisconnectFlags, code: ReasonCode, _props: Properties | None) -> None:
        closed = disconnected(self.endpoint.where, code.value, str(code))
        told = our_certificate(None if self._line is None else self._line.error)
        if not self._connected.done():
            self._connected.set_exception(
                # TLS 1.3 says what it thinks of our certificate only after its handshake.
                refused_certificate(self.endpoint.where, told)
                if told is not None
                else ConnectFailed(
                    "closed", f"{closed.text} before it was accepted", closed_before_connack=True
                )
            )
        self._end(closed)

    def _on_publish(self, mid: int, code: ReasonCode, _props: Properties | None) -> None:
        answered = self._out.pop(mid, None)
        if answered is None:
            return
        self._acked_s = time.monotonic()
        while self._queue and len(self._out) < self.receive_maximum and not self.closed.done():
            self._hand_over(self._queue.popleft())
        if answered.on_puback is not None:
            answered.on_puback(code.value)
        if answered.future is not None and not answered.future.done():
            answered.future.set_result(code.value)
        self.on_room()

    def _on_subscribe(self, mid: int, codes: list[ReasonCode], _props: Properties | None) -> None:
        waiting = self._subscribed.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(codes)

    def _on_message(self, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError as exc:  # MQTT forbids it; paho hands it on
            self._failed(exc)
            return
        done = partial(self._client.ack, message.mid, message.qos)
        self.incoming.put_nowait(Message(topic, bytes(message.payload), done, message.retain))

    # -- what the uplink calls ------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> "asyncio.Future[int]":
        """Send at QoS 1; the future gives the PUBACK's reason code, or is cancelled when the connection ends.

        Never settles anything by itself. Waits here for a slot; the queue's end is the connection's end.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        self._send(_Outgoing(topic, payload, retain, self._properties(CONTENT_JSON, ""), None, future))
        return future

    def publish_event(self, topic: str, payload: bytes, on_puback: OnPuback, *, replay: bool) -> None:
        """The same for the many: `on_puback` gets the reason code; it is not called when the connection ends."""
        properties = self._properties(CONTENT_CLOUDEVENT, "1" if replay else "")
        self._send(_Outgoing(topic, payload, False, properties, on_puback, None))  # noqa: FBT003 - `retain`

    def _properties(self, content_type: str, replay: str) -> Properties | None:
        return publish_properties(content_type, replay) if self.endpoint.version == "5" else None

    def _send(self, outgoing: _Outgoing) -> None:
        if not self.closed.done() and len(self._queue) >= MAX_QUEUED:
            self.give_up("stalled", f"{MAX_QUEUED} messages wait for the broker's answers")
        if self.closed.done():
            if outgoing.future is not None:
                outgoing.future.cancel()
        elif self._queue or len(self._out) >= self.receive_maximum:
            self._queue.append(outgoing)
        else:
            self._hand_over(outgoing)

    def _hand_over(self, outgoing: _Outgoing) -> None:
        if not self._out:
            self._acked_s = time.monotonic()
        info = self._client.publish(
            outgoing.topic, outgoing.payload, qos=1, retain=outgoing.retain, properties=outgoing.properties
        )
        self._out[info.mid] = outgoing

    @property
    def room(self) -> int:
        """How many messages would be sent at once."""
        return self.receive_maximum - len(self._out) - len(self._queue)

    def unacked_s(self, now_s: float) -> float:
        """How long the broker has answered no publish, while some are out; 0 when none is.

        Counted from when we last left something unread: the answer may have been behind that.
        """
        return now_s - self._acked_s if self._out else 0.0

    def silent_s(self) -> float:
        """How long nothing at all has come from the broker, ping answers included, as the kernel counts."""
        return 0.0 if self._drive.line is None else self._drive.line.silent_s()

    def give_up(self, code: str, text: str) -> None:
        """End the connection for a reason of ours; `close` must follow."""
        self._end(Closed(code, f"{self.endpoint.where}: {text}"))

    async def close(self, *, orderly: bool = True) -> None:
        """End the connection and close the line. Never raises.

        `orderly`: say DISCONNECT, which takes the will away. Otherwise the line is cut, so that the broker
        says for us that we are gone.
        """
        try:
            if orderly and self._drive.line is not None:
                await self._drive.written(CLOSE_TIMEOUT_S)
                self._client.disconnect()
                self._drive.write()
        finally:  # cancelled while the line took no more: closed all the same
            self._end(Closed("stopped", f"{self.endpoint.where}: closed by the gateway"))
            self._drive.close()
            forgotten = line_of(self._client)
            if (
                forgotten is not None
            ):  # dialled and never adopted: it must not say CONNECT when it is collected
                forgotten.cut()
                forgotten.close()

    def _end(self, closed: Closed) -> None:
        if not self.closed.done():
            self.closed.set_result(closed)
        self._drive.rest()
        for outgoing in (*self._out.values(), *self._queue):
            if outgoing.future is not None:
                outgoing.future.cancel()
        for subscribing in self._subscribed.values():
            subscribing.cancel()
        self._out.clear()
        self._queue.clear()
        self._subscribed.clear()

    async def _establish(
        self,
        subscriptions: tuple[str, ...],
        optional: tuple[str, ...],
        will: tuple[str, bytes] | None,
        *,
        at_once: bool,
    ) -> None:
        if will is not None:
            set_will(self._client, self.endpoint, *will)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.run_in_executor(None, self._dial)
                self._drive.adopt()
                self._line = self._drive.line
                await self._connected
                subscribing = self._subscribe(subscriptions, optional)
                if at_once and self.resumed:
                    self._serving = True
                    self._background = asyncio.create_task(self._judge_late(subscribing))
                    return
                await subscribing
                self._serving = True
        except TimeoutError as exc:
            raise no_answer(self.endpoint.where) from exc
        except asyncio.CancelledError:
            task = asyncio.current_task()
            asked_to_end = task is not None and task.cancelling() > 0
            if self.closed.done() and not asked_to_end:  # _end cancelled what we waited for: the SUBACK
                raise self._closed_subscribing() from None
            raise

    async def _judge_late(self, subscribing: Coroutine[None, None, None]) -> None:
        """The old subscription serves while the answer to the new one is on its way, behind all that was kept."""
        try:
            await subscribing
        except ConnectFailed as exc:
            self._end(Closed(exc.code, str(exc)))

    def _dial(self) -> None:
        """On a thread of its own, which nobody may be waiting for any more when it is done."""
        dial(self._client, self.endpoint)
        line = line_of(self._client)
        if self.closed.done() and line is not None:
            line.cut()
            line.close()

    def _closed_subscribing(self) -> ConnectFailed:
        why = self.closed.result().text if self.closed.done() else f"{self.endpoint.where}: connection ended"
        return ConnectFailed(
            "closed", f"{why} while subscribing; check the broker's access list", closed_subscribing=True
        )

    async def _subscribe(self, topics: tuple[str, ...], optional: tuple[str, ...]) -> None:
        future: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        _, mid = self._client.subscribe([(topic, 1) for topic in (*topics, *optional)])
        if mid is None:
            raise self._closed_subscribing()
        self._subscribed[mid] = future
        for topic, code in zip((*topics, *optional), await future, strict=True):
            if code.is_failure and topic not in optional:
                raise ConnectFailed(
                    "not_authorised",
                    f"{self.endpoint.where}: broker refuses {topic}: {code}; check its access list",
                )


async def connect(
    endpoint: Endpoint,
    subscriptions: tuple[str, ...],
    will: tuple[str, bytes] | None,
    *,
    optional: tuple[str, ...] = (),
    at_once: bool = False,
) -> Connection:
    """Connect and subscribe (`optional`: a refusal is no failure); raises `ConnectFailed`.

    `at_once`: where the broker kept the session, do not wait for its word on the subscriptions. It sends that
    behind everything it kept, and what nobody takes until then would fill the memory. A refusal ends the connection.
    """
    try:
        connection = Connection(endpoint)
    except (OSError, ssl.SSLError) as exc:
        raise ConnectFailed(
            "tls", f"TLS files cannot be used ({exc}); check [uplink] ca_file, cert_file, key_file"
        ) from exc
    try:
        await connection._establish(subscriptions, optional, will, at_once=at_once)  # noqa: SLF001 - the other half of this function
    except BaseException:
        await connection.close(orderly=False)
        raise
    return connection
