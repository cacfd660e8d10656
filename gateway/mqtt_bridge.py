"""One connection to the broker, as asyncio sees it. The only file that knows paho.

Facts that shape it (each was met, see docs/decisions/0004):
  * an exception in a paho callback ends paho's thread while `is_connected()` stays true: callbacks
    hold one posting line, and `alive` looks for the thread itself;
  * paho queues what is published while offline and sends it again on reconnect: a connection is used
    once, a fresh client is built for the next, and nothing is published unless connected;
  * `connect()` blocks on DNS and TLS: it runs in an executor;
  * PUBACK frees a slot of the connection and settles nothing;
  * beyond its queue paho drops what is published and tells nobody: at most Receive Maximum messages of
    any kind are handed to it, the rest waits here;
  * paho gives up a silent broker only after twice the keepalive, and one that answers pings but no
    publish never: `silent_s` and `unacked_s` tell, whoever uses the connection decides.
"""

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.mqtt_failures import (
    Closed,
    ConnectFailed,
    disconnected,
    no_answer,
    not_dialled,
    refused_by_broker,
)
from gateway.tls import TellTime, client_context

__all__ = ["Closed", "ConnectFailed", "Connection", "Endpoint", "Message", "connect"]

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 32  # messages without PUBACK; paho gets slow beyond, brokers often allow less
SESSION_EXPIRY_S = 7 * 24 * 3600
WILL_DELAY_S = 10
CONNECT_TIMEOUT_S = 15.0
DIAL_TIMEOUT_S = 4.0  # a thread waits so long at the most, also when the gateway is asked to end
CLOSE_TIMEOUT_S = 5.0
RECEIVE_MAXIMUM = 64  # ours; mosquitto may exceed it, so four times as many are taken before it is cut off
CONTENT_CLOUDEVENT = "application/cloudevents+json; charset=utf-8"
CONTENT_JSON = "application/json"
MAX_QUEUED = (
    8192  # messages waiting here for a slot: a receiver greets every gateway of a country with an ack
)

OnPuback = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how to connect."""

    host: str
    port: int
    client_id: str
    version: str = "5"  # "5" | "3.1.1"
    keepalive_s: int = 30
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    receive_maximum: int = RECEIVE_MAXIMUM  # messages the broker may send without our PUBACK
    certificate_time: TellTime = field(default=lambda: None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """Something that arrived; `done` tells the broker that it was dealt with."""

    topic: str
    payload: bytes
    done: Callable[[], object]
    retained: bool = False  # kept by the broker from before we subscribed


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
        self._client = _client(endpoint)
        self._hook()

    # -- callbacks, on paho's thread: note it, post one line, nothing else ----------------------------

    def _hook(self) -> None:
        self._client.on_connect = self._poster(self._on_connect)
        self._client.on_disconnect = self._poster(self._on_disconnect)
        self._client.on_publish = self._poster(self._on_publish)
        self._client.on_subscribe = self._poster(self._on_subscribe)
        self._client.on_message = self._poster(self._on_message)

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
            self._connected.set_exception(refused_by_broker(self._where, code.value, str(code)))
            return
        allowed = getattr(props, "ReceiveMaximum", None)
        if isinstance(allowed, int):
            self.receive_maximum = min(MAX_IN_FLIGHT, allowed)
        self._connected.set_result(None)

    def _on_disconnect(self, _flags: DisconnectFlags, code: ReasonCode, _props: Properties | None) -> None:
        closed = disconnected(self._where, code.value, str(code))
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
        if self.incoming.qsize() >= 4 * self.endpoint.receive_maximum:
            # Not acknowledged: the broker keeps it for the next connection.
            self.give_up("overrun", "broker sends faster than messages can be taken")
            return
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
        return _publish_properties(content_type, replay) if self.endpoint.version == "5" else None

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
        sock = self._client.socket()
        if not isinstance(sock, socket.socket):
            return 0.0
        try:
            state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        except OSError:  # closed between the two lines: `closed` will tell
            return 0.0
        return float(_TCP_INFO.unpack(state)[_LAST_DATA_RECEIVED]) / 1000

    def give_up(self, code: str, text: str) -> None:
        """End the connection for a reason of ours; `close` must follow."""
        self._end(Closed(code, f"{self._where}: {text}"))

    @property
    def alive(self) -> bool:
        """Whether paho's thread is there: `is_connected()` stays true when it died."""
        name = f"paho-mqtt-client-{self.endpoint.client_id}"
        return any(thread.name == name for thread in threading.enumerate())

    async def close(self) -> None:
        """Disconnect and wait for paho's thread. Never raises."""
        self._client.disconnect()
        self._end(Closed("stopped", f"{self._where}: closed by the gateway"))
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

    @property
    def _where(self) -> str:
        return f"{self.endpoint.host}:{self.endpoint.port}"

    async def _establish(
        self, subscriptions: tuple[str, ...], optional: tuple[str, ...], will: tuple[str, bytes] | None
    ) -> None:
        if will is not None:
            self._set_will(*will)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.run_in_executor(None, self._dial)
                self._client.loop_start()
                await self._connected
                await self._subscribe(subscriptions, optional)
        except TimeoutError as exc:
            raise no_answer(self._where) from exc
        except asyncio.CancelledError:
            if self.closed.done():  # _end cancelled what we waited for: the answer to SUBSCRIBE
                raise self._closed_subscribing() from None
            raise

    def _closed_subscribing(self) -> ConnectFailed:
        why = self.closed.result().text if self.closed.done() else f"{self._where}: connection ended"
        return ConnectFailed(
            "closed", f"{why} while subscribing; check the broker's access list", closed_subscribing=True
        )

    def _dial(self) -> None:
        properties = None
        clean: dict[str, Any] = {}
        if self.endpoint.version == "5":
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = self.endpoint.receive_maximum
            clean = {"clean_start": False}
        try:
            self._client.connect(
                self.endpoint.host,
                self.endpoint.port,
                keepalive=self.endpoint.keepalive_s,
                properties=properties,
                **clean,
            )
        except (OSError, UnicodeError) as exc:
            raise not_dialled(self._where, exc) from exc

    def _set_will(self, topic: str, payload: bytes) -> None:
        properties: Properties | None = None
        if self.endpoint.version == "5":
            properties = Properties(PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = WILL_DELAY_S
            properties.ContentType = CONTENT_JSON
        self._client.will_set(topic, payload, qos=1, retain=True, properties=properties)

    async def _subscribe(self, topics: tuple[str, ...], optional: tuple[str, ...]) -> None:
        future: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        _, mid = self._client.subscribe([(topic, 1) for topic in (*topics, *optional)])
        if mid is None:
            raise self._closed_subscribing()
        self._subscribed[mid] = future
        for topic, code in zip((*topics, *optional), await future, strict=True):
            if code.is_failure and topic not in optional:
                raise ConnectFailed(
                    "not_authorised", f"{self._where}: broker refuses {topic}: {code}; check its access list"
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
        await connection.close()
        raise
    return connection


# struct tcp_info of Linux: 8 bytes, then 32-bit words; the tenth is tcpi_last_data_recv in ms.
_TCP_INFO = struct.Struct("8x12I")
_LAST_DATA_RECEIVED = 11


@functools.cache
def _publish_properties(content_type: str, replay: str) -> Properties:
    """One object per kind of message: paho only reads it, and building one costs as much as sending."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.PayloadFormatIndicator = 1
    properties.ContentType = content_type
    if replay:
        properties.UserProperty = ("replay", replay)
    return properties


def _client(endpoint: Endpoint) -> Client:
    v5 = endpoint.version == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=endpoint.client_id,
        clean_session=None if v5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.max_inflight_messages_set(MAX_IN_FLIGHT)
    client.max_queued_messages_set(2 * MAX_IN_FLIGHT)
    client.connect_timeout = DIAL_TIMEOUT_S
    if endpoint.username is not None:
        client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls:
        client.tls_set_context(
            client_context(
                endpoint.ca_file, endpoint.cert_file, endpoint.key_file, endpoint.certificate_time()
            )
        )
    return client
