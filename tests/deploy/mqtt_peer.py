"""One MQTT connection of a test, made with paho: what was answered and what arrived, nothing hidden.

A fresh paho client per connection, no reconnecting. Callbacks only append to queues. Every wait has a
deadline; that something does *not* arrive is shown by a later message that does, never by waiting.
"""

import queue
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.broker import HOST, Identity

DEADLINE_S = 30.0
V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311


class RefusedError(Exception):
    """The broker did not accept the connection; the message says at which stage and why."""


@dataclass(frozen=True, slots=True)
class Message:
    """What arrived."""

    topic: str
    payload: bytes
    retain: bool


@dataclass(frozen=True, slots=True)
class Session:
    """How to connect: everything that tells one client from another."""

    port: int
    ca: Path | None = None  # None: no TLS
    identity: Identity | None = None
    client_id: str = ""
    version: MQTTProtocolVersion = V5
    username: str | None = None
    will: tuple[str, bytes] | None = None
    tls_only: ssl.TLSVersion | None = None
    persistent: bool = False

    def context(self) -> ssl.SSLContext | None:
        """TLS settings of this client; None for a plain connection."""
        if self.ca is None:
            return None
        context = ssl.create_default_context(cafile=str(self.ca))
        if self.identity is not None:
            context.load_cert_chain(self.identity.cert, self.identity.key)
        if self.tls_only is not None:
            if self.tls_only < ssl.TLSVersion.TLSv1_2:
                context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else this side refuses, whatever the broker does
            context.minimum_version = context.maximum_version = self.tls_only
        return context


class Peer:
    """`with Peer(session) as peer:` connects, or raises RefusedError."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._connected: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._dropped: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._acks: queue.SimpleQueue[tuple[int, list[int]]] = queue.SimpleQueue()
        v5 = session.version == V5
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=session.client_id,
            protocol=session.version,
            clean_session=None if v5 else not session.persistent,
            reconnect_on_failure=False,
        )
        if session.username is not None:
            client.username_pw_set(session.username, "irrelevant")
        if session.will is not None:
            client.will_set(session.will[0], session.will[1], qos=1, retain=True)
        if (context := session.context()) is not None:
            client.tls_set_context(context)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe

    def __enter__(self) -> Self:
        try:
            self._client.connect(HOST, self.session.port, keepalive=60)
        except OSError as exc:  # ssl.SSLError is one
            raise RefusedError(f"while connecting: {exc}") from exc
        self._client.loop_start()
        outcome = self._connected.get(timeout=DEADLINE_S)
        if outcome != "Success":
            self.close()
            raise RefusedError(outcome)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect in order (no will). Harmless when the line is gone."""
        self._client.disconnect()
        self._client.loop_stop()

    def vanish(self) -> None:
        """Cut the line without a word, so that the broker publishes the will."""
        sock = self._client.socket()
        assert isinstance(sock, socket.socket), "vanish() of a peer that is not connected"
        sock.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> int:
        """Publish at QoS 1 and return the PUBACK's reason code (3.1.1 knows only 0)."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        return self._answer(info.mid, f"PUBACK for {topic}")[0]

    def send(self, topic: str, payload: bytes) -> None:
        """Publish without waiting for the answer, which may be the end of the connection."""
        self._client.publish(topic, payload, qos=1)

    def subscribe(self, *topics: str) -> list[int]:
        """Subscribe at QoS 1 and return the SUBACK's reason codes (1 = granted QoS 1)."""
        code, mid = self._client.subscribe([(topic, 1) for topic in topics])
        assert code == 0, "subscribe() of a peer that is not connected"
        assert mid is not None
        return self._answer(mid, f"SUBACK for {topics}")

    def until(self, wanted: str) -> list[Message]:
        """Return what arrives, up to and including the first message on the topic `wanted`."""
        deadline = time.monotonic() + DEADLINE_S
        arrived: list[Message] = []
        while not arrived or arrived[-1].topic != wanted:
            try:
                arrived.append(self._messages.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise TimeoutError(f"nothing on {wanted} in {DEADLINE_S:g} s, only {arrived}") from None
        return arrived

    def drop_reason(self) -> str:
        """Wait until the broker ends this connection and return why."""
        return self._dropped.get(timeout=DEADLINE_S)

    def _answer(self, mid: int, what: str) -> list[int]:
        try:
            answered, codes = self._acks.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise TimeoutError(f"no {what} within {DEADLINE_S:g} s") from None
        assert answered == mid, f"{what}: answer to another packet"
        return codes

    def _on_connect(
        self, _c: Client, _u: object, _f: ConnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        self._connected.put(str(reason))

    def _on_disconnect(
        self, _c: Client, _u: object, _f: DisconnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        self._connected.put(f"closed before CONNACK: {reason}")
        self._dropped.put(str(reason))

    def _on_message(self, _c: Client, _u: object, message: MQTTMessage) -> None:
        self._messages.put(Message(message.topic, bytes(message.payload), message.retain))

    def _on_publish(self, _c: Client, _u: object, mid: int, reason: ReasonCode, _p: Properties) -> None:
        self._acks.put((mid, [reason.value]))

    def _on_subscribe(
        self, _c: Client, _u: object, mid: int, reasons: list[ReasonCode], _p: Properties | None
    ) -> None:
        self._acks.put((mid, [reason.value for reason in reasons]))


def eventually(claim: Callable[[], Any], what: str) -> None:
    """Return when `claim()` is true; AssertionError with `what` when it is not within the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}"
        time.sleep(0.02)
