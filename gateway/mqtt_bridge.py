"""One connection to the broker, as asyncio sees it. The only file that knows paho.

Facts that shape it (each was met, see docs/decisions/0004):
  * an exception in a paho callback ends paho's thread while `is_connected()` stays true: callbacks
    hold one posting line, and `alive` looks for the thread itself;
  * paho queues what is published while offline and sends it again on reconnect: a connection is used
    once, a fresh client is built for the next, and nothing is published unless connected;
  * `connect()` blocks on DNS and TLS: it runs in an executor;
  * PUBACK frees a slot of the connection and settles nothing.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

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

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 32  # messages without PUBACK; paho gets slow beyond, brokers often allow less
SESSION_EXPIRY_S = 7 * 24 * 3600
WILL_DELAY_S = 10
CONNECT_TIMEOUT_S = 15.0
DIAL_TIMEOUT_S = 4.0  # a thread waits so long at the most, also when the gateway is asked to end
CLOSE_TIMEOUT_S = 5.0
RECEIVE_MAXIMUM = 64  # ours; mosquitto may exceed it, so four times as many are taken before it is cut off
TAKEN_OVER = 0x8E  # DISCONNECT reason: another client took this session
KEEP_ALIVE_TIMEOUT = 0x8D
CONTENT_CLOUDEVENT = "application/cloudevents+json; charset=utf-8"
CONTENT_JSON = "application/json"

# CONNACK codes that say "not this protocol version" or nothing in particular: the other version may do.
# The rest (credentials, banned, busy, moved) say the same on any version.
_VERSION_REFUSALS = frozenset({0x80, 0x81, 0x82, 0x83, 0x84})


_NOT_AUTHORISED = frozenset({0x85, 0x86, 0x87, 0x8A, 0x8C})
_UNAVAILABLE = frozenset({0x88, 0x89, 0x97, 0x9C, 0x9D, 0x9F})


def _refusal_code(reason: int) -> str:
    """The catalogue key for a CONNACK reason."""
    if reason in _NOT_AUTHORISED:
        return "not_authorised"
    return "server_unavailable" if reason in _UNAVAILABLE else "protocol"


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


@dataclass(frozen=True, slots=True)
class Message:
    """Something that arrived; `done` tells the broker that it was dealt with."""

    topic: str
    payload: bytes
    done: Callable[[], object]


class ConnectFailed(Exception):  # noqa: N818 - named for the condition
    """No connection. `code` is a catalogue key; `other_version` says that the other MQTT version may do."""

    def __init__(self, code: str, message: str, *, other_version: bool = False, closed: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.other_version = other_version
        self.closed_before_connack = closed


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a connection ended."""

    code: str
    text: str
    taken_over: bool = False


class Connection:
    """A live connection; build with `connect`, use once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.receive_maximum = MAX_IN_FLIGHT
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._subscribed: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._client = _client(endpoint)
        self._hook()

    # -- callbacks, on paho's thread: post one line, nothing else -------------------------------------

    def _hook(self) -> None:
        self._client.on_connect = self._poster(self._on_connect)
        self._client.on_disconnect = self._poster(self._on_disconnect)
        self._client.on_publish = self._poster(self._on_publish)
        self._client.on_subscribe = self._poster(self._on_subscribe)
        self._client.on_message = self._poster(self._on_message)

    def _poster(self, handler: Callable[..., None]) -> Callable[..., None]:
        def post(_client: Client, _userdata: object, *args: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self._loop.call_soon_threadsafe(handler, *args)

        return post

    # -- the same, on the loop ------------------------------------------------------------------------

    def _on_connect(self, _flags: ConnectFlags, code: ReasonCode, props: Properties | None) -> None:
        if self._connected.done():
            return
        if code.is_failure:
            self._connected.set_exception(
                ConnectFailed(
                    _refusal_code(code.value),
                    f"{self._where}: broker refused the connection: {code} (0x{code.value:02x}); "
                    "check client id, certificate and account at the broker",
                    other_version=code.value in _VERSION_REFUSALS,
                )
            )
            return
        allowed = getattr(props, "ReceiveMaximum", None)
        if isinstance(allowed, int):
            self.receive_maximum = min(MAX_IN_FLIGHT, allowed)
        self._connected.set_result(None)

    def _on_disconnect(self, _flags: DisconnectFlags, code: ReasonCode, _props: Properties | None) -> None:
        text = f"{self._where}: connection ended: {code}"
        if not self._connected.done():
            self._connected.set_exception(
                ConnectFailed("closed", f"{text} before it was accepted", closed=True)
            )
        taken_over = code.value == TAKEN_OVER
        lost = "keepalive" if code.value == KEEP_ALIVE_TIMEOUT else "closed"
        self._end(Closed("taken_over" if taken_over else lost, text, taken_over=taken_over))

    def _on_publish(self, mid: int, code: ReasonCode, _props: Properties | None) -> None:
        waiting = self._waiting.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(code.value)

    def _on_subscribe(self, mid: int, codes: list[ReasonCode], _props: Properties | None) -> None:
        waiting = self._subscribed.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(codes)

    def _on_message(self, message: MQTTMessage) -> None:
        if self.incoming.qsize() >= 4 * self.endpoint.receive_maximum:
            # Not acknowledged: the broker keeps it for the next connection.
            self._end(Closed("overrun", f"{self._where}: broker sends faster than messages can be taken"))
            return
        done = partial(self._client.ack, message.mid, message.qos)
        self.incoming.put_nowait(Message(message.topic, bytes(message.payload), done))

    # -- what the uplink calls ------------------------------------------------------------------------

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        replay: bool = False,
        content_type: str = CONTENT_JSON,
    ) -> "asyncio.Future[int]":
        """Send at QoS 1; the future gives the PUBACK's reason code. Never settles anything by itself."""
        future: asyncio.Future[int] = self._loop.create_future()
        if self.closed.done():
            future.cancel()
            return future
        properties: Properties | None = None
        if self.endpoint.version == "5":
            properties = Properties(PacketTypes.PUBLISH)
            properties.PayloadFormatIndicator = 1
            properties.ContentType = content_type
            if replay:
                properties.UserProperty = ("replay", "1")
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        self._waiting[info.mid] = future
        return future

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
        for publishing in self._waiting.values():
            publishing.cancel()
        for subscribing in self._subscribed.values():
            subscribing.cancel()
        self._waiting.clear()
        self._subscribed.clear()

    @property
    def _where(self) -> str:
        return f"{self.endpoint.host}:{self.endpoint.port}"

    async def _establish(self, subscriptions: tuple[str, ...], will: tuple[str, bytes] | None) -> None:
        if will is not None:
            self._set_will(*will)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.run_in_executor(None, self._dial)
                self._client.loop_start()
                await self._connected
                await self._subscribe(subscriptions)
        except TimeoutError as exc:
            raise ConnectFailed("timeout", f"{self._where}: no answer; check address and network") from exc
        except asyncio.CancelledError:
            if self.closed.done():  # _end cancelled what we waited for
                raise ConnectFailed("closed", self.closed.result().text, closed=True) from None
            raise

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
        except ssl.SSLCertVerificationError as exc:
            raise ConnectFailed(
                "certificate",
                f"{self._where}: the broker's certificate is not trusted ({exc.verify_message}); "
                "check [uplink] ca_file, the broker's name and this machine's clock",
            ) from exc
        except ssl.SSLError as exc:
            raise ConnectFailed(
                "tls", f"{self._where}: TLS failed ({exc.reason}); check cert_file, key_file and the port"
            ) from exc
        except ConnectionRefusedError as exc:
            raise ConnectFailed(
                "refused", f"{self._where}: nothing listens there; is the broker up?"
            ) from exc
        except TimeoutError as exc:
            raise ConnectFailed("timeout", f"{self._where}: no answer; check address and network") from exc
        except socket.gaierror as exc:
            raise ConnectFailed(
                "dns",
                f"{self._where}: the name cannot be resolved ({exc.strerror}); check it and the DNS settings",
            ) from exc
        except OSError as exc:
            raise ConnectFailed(
                "unreachable", f"{self._where}: {exc.strerror or exc}; check the network"
            ) from exc

    def _set_will(self, topic: str, payload: bytes) -> None:
        properties: Properties | None = None
        if self.endpoint.version == "5":
            properties = Properties(PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = WILL_DELAY_S
            properties.ContentType = CONTENT_JSON
        self._client.will_set(topic, payload, qos=1, retain=True, properties=properties)

    async def _subscribe(self, topics: tuple[str, ...]) -> None:
        future: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        if mid is None:
            raise ConnectFailed("closed", f"{self._where}: connection ended while subscribing", closed=True)
        self._subscribed[mid] = future
        for topic, code in zip(topics, await future, strict=True):
            if code.is_failure:
                raise ConnectFailed(
                    "not_authorised", f"{self._where}: broker refuses {topic}: {code}; check its access list"
                )


async def connect(
    endpoint: Endpoint, subscriptions: tuple[str, ...], will: tuple[str, bytes] | None
) -> Connection:
    """Connect and subscribe; raises `ConnectFailed` with cause and remedy."""
    try:
        connection = Connection(endpoint)
    except (OSError, ssl.SSLError) as exc:
        raise ConnectFailed(
            "tls", f"TLS files cannot be used ({exc}); check [uplink] ca_file, cert_file, key_file"
        ) from exc
    try:
        await connection._establish(subscriptions, will)  # noqa: SLF001 - the other half of this function
    except BaseException:
        await connection.close()
        raise
    return connection


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
        context = ssl.create_default_context(cafile=str(endpoint.ca_file) if endpoint.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if endpoint.cert_file is not None:
            context.load_cert_chain(endpoint.cert_file, endpoint.key_file)
        client.tls_set_context(context)
    return client
