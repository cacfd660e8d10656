"""One live connection, as asyncio sees it: used once, its callbacks post, its own queue is bounded."""

import asyncio
import contextlib
import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.mqtt_bridge.client import (
    CONTENT_CLOUDEVENT,
    CONTENT_JSON,
    MAX_IN_FLIGHT,
    cut,
    dial,
    new_client,
    publish_properties,
    set_will,
    silent_s,
)
from gateway.mqtt_bridge.endpoint import Endpoint, Message
from gateway.mqtt_bridge.failures import Closed, ConnectFailed, disconnected, no_answer, refused_by_broker

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
CLOSE_TIMEOUT_S = 5.0
# Messages waiting here for a slot: a receiver greets every gateway of a country with an ack.
MAX_QUEUED = 8192
MESSAGES_WAITING = 4  # times our Receive Maximum may wait to be taken; then paho's thread reads no more
HELD_BACK_S = 0.005  # how often it looks again

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
        self.receive_maximum = MAX_IN_FLIGHT
        self.on_room: Callable[[], object] = lambda: None  # called when a PUBACK has freed a slot
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._out: dict[int, _Outgoing] = {}  # handed to paho, without PUBACK
        self._queue: deque[_Outgoing] = deque()  # waiting for a slot
        self._acked_s = time.monotonic()  # last PUBACK, or when the first of `_out` was sent
        self._subscribed: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._told: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()  # by paho's thread
        self._posted = False
        self._serving = False  # subscribed: somebody takes what comes in
        self._client = new_client(endpoint)
        self._hook()

    # -- callbacks, on paho's thread: note it, post one line, nothing else ----------------------------

    def _hook(self) -> None:
        self._client.on_connect = self._poster(self._on_connect)
        self._client.on_disconnect = self._poster(self._on_disconnect)
        self._client.on_publish = self._poster(self._on_publish)
        self._client.on_subscribe = self._poster(self._on_subscribe)
        self._client.on_message = self._held_back(self._poster(self._on_message))

    def _held_back(self, post: Callable[..., None]) -> Callable[..., None]:
        """Wait on paho's thread while too many messages wait to be taken: TCP then slows the broker down.

        mosquitto sends far more than our Receive Maximum when it works off what it kept. Not before the
        subscription stands: until then nobody takes anything, and what was kept comes first.
        """
        most = MESSAGES_WAITING * self.endpoint.receive_maximum

        def wait_and_post(client: Client, userdata: object, *args: object) -> None:
            while (
                self._serving and not self.closed.done() and self.incoming.qsize() + len(self._told) >= most
            ):
                time.sleep(HELD_BACK_S)
            post(client, userdata, *args)

        return wait_and_post

    def _poster(self, handler: Callable[..., None]) -> Callable[..., None]:
        def post(_client: Client, _userdata: object, *args: object) -> None:
            self._told.append((handler, args))
            if not self._posted:  # else the loop has not looked yet and will find this too
                self._posted = True
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                    self._loop.call_soon_threadsafe(self._take_told)

        return post

    def _take_told(self) -> None:
        self._posted = False  # before looking: what is noted from here on posts again
        while self._told:
            handler, args = self._told.popleft()
            handler(*args)

    # -- the same, on the loop ------------------------------------------------------------------------

    def _on_connect(self, _flags: ConnectFlags, code: ReasonCode, props: Properties | None) -> None:
        if self._connected.done():
            return
        if code.is_failure:
            self._connected.set_exception(refused_by_broker(self.endpoint.where, code.value, str(code)))
            return
        allowed = getattr(props, "ReceiveMaximum", None)
        if isinstance(allowed, int):
            self.receive_maximum = min(MAX_IN_FLIGHT, allowed)
        self._connected.set_result(None)

    def _on_disconnect(self, _flags: DisconnectFlags, code: ReasonCode, _props: Properties | None) -> None:
        closed = disconnected(self.endpoint.where, code.value, str(code))
        if not self._connected.done():
            self._connected.set_exception(
                ConnectFailed("closed", f"{closed.text} before it was accepted", closed_before_connack=True)
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
        done = partial(self._client.ack, message.mid, message.qos)
        self.incoming.put_nowait(Message(message.topic, bytes(message.payload), done, message.retain))

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
        """How long the broker has answered no publish, while some are out; 0 when none is."""
        return now_s - self._acked_s if self._out else 0.0

    def silent_s(self) -> float:
        """How long nothing at all has come from the broker, ping answers included, as the kernel counts."""
        return silent_s(self._client)

    def give_up(self, code: str, text: str) -> None:
        """End the connection for a reason of ours; `close` must follow."""
        self._end(Closed(code, f"{self.endpoint.where}: {text}"))

    @property
    def alive(self) -> bool:
        """Whether paho's thread is there: `is_connected()` stays true when it died."""
        name = f"paho-mqtt-client-{self.endpoint.client_id}"
        return any(thread.name == name for thread in threading.enumerate())

    async def close(self, *, orderly: bool = True) -> None:
        """End the connection and wait for paho's thread. Never raises.

        `orderly`: say DISCONNECT, which takes the will away. Otherwise the line is cut, so that the broker
        says for us that we are gone.
        """
        if orderly:
            self._client.disconnect()
        else:
            cut(self._client)
        self._end(Closed("stopped", f"{self.endpoint.where}: closed by the gateway"))
        stopping = self._loop.run_in_executor(None, self._client.loop_stop)
        done, _ = await asyncio.wait({stopping}, timeout=CLOSE_TIMEOUT_S)
        if not done:
            log.warning("broker connection does not end; its thread is left behind")

    def _end(self, closed: Closed) -> None:
        if not self.closed.done():
            self.closed.set_result(closed)
        for outgoing in (*self._out.values(), *self._queue):
            if outgoing.future is not None:
                outgoing.future.cancel()
        for subscribing in self._subscribed.values():
            subscribing.cancel()
        self._out.clear()
        self._queue.clear()
        self._subscribed.clear()

    async def _establish(
        self, subscriptions: tuple[str, ...], optional: tuple[str, ...], will: tuple[str, bytes] | None
    ) -> None:
        if will is not None:
            set_will(self._client, self.endpoint, *will)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.run_in_executor(None, dial, self._client, self.endpoint)
                self._client.loop_start()
                await self._connected
                await self._subscribe(subscriptions, optional)
                self._serving = True
        except TimeoutError as exc:
            raise no_answer(self.endpoint.where) from exc
        except asyncio.CancelledError:
            if self.closed.done():  # _end cancelled what we waited for: the answer to SUBSCRIBE
                raise self._closed_subscribing() from None
            raise

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
) -> Connection:
    """Connect and subscribe (`optional`: a refusal is no failure); raises `ConnectFailed`."""
    try:
        connection = Connection(endpoint)
    except (OSError, ssl.SSLError) as exc:
        raise ConnectFailed(
            "tls", f"TLS files cannot be used ({exc}); check [uplink] ca_file, cert_file, key_file"
        ) from exc
    try:
        await connection._establish(subscriptions, optional, will)  # noqa: SLF001 - the other half of this function
    except BaseException:
        await connection.close(orderly=False)
        raise
    return connection
