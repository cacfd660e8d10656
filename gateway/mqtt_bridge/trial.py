"""A connection that looks closely at a broker: every code and flag is kept, nothing is answered by itself.

Blocking, for a command that tries a broker out. What arrives is not PUBACKed unless asked for: what waits in the
session of a gateway stays there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties

from gateway.mqtt_bridge.client import dial, new_client
from gateway.mqtt_bridge.endpoint import Endpoint
from gateway.mqtt_bridge.failures import no_answer, refused_by_broker

ANSWER_S = 8.0  # a broker that needs longer is told as silent
TURN_S = 0.05


@dataclass(frozen=True, slots=True)
class Heard:
    """One message that came."""

    topic: str
    payload: bytes
    retained: bool
    again: bool  # DUP
    mid: int


class Trial:
    """One connection; `with Trial(endpoint) as line:`. Raises `ConnectFailed` on entry."""

    def __init__(self, endpoint: Endpoint, will: tuple[str, bytes] | None = None) -> None:
        self.limits: dict[str, int] = {}  # what CONNACK said: its properties by their name in MQTT 5
        self.resumed = False  # the broker kept our session
        self.heard: list[Heard] = []
        self.goodbye: int | None = None  # reason of the broker's DISCONNECT, 0 where the line just ended
        self._endpoint = endpoint
        self._codes: dict[int, list[int]] = {}  # of SUBACK and PUBACK
        self._connected: tuple[int, str] | None = None
        self._client = new_client(endpoint, Client)
        if will is not None:
            self._client.will_set(*will, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = lambda _c, _u, mid, codes, _p: self._note(
            mid, [code.value for code in codes]
        )
        self._client.on_publish = lambda _c, _u, mid, code, _p: self._note(mid, [code.value])
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        dial(self._client, self._endpoint)
        self.until(lambda: self._connected is not None or self.goodbye is not None)
        if self._connected is None:
            self.cut()
            raise no_answer(self._endpoint.where)
        code, text = self._connected
        if code >= 0x80:
            self.cut()
            raise refused_by_broker(self._endpoint.where, code, text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say DISCONNECT: the will is not published."""
        if self.goodbye is None:
            self._client.disconnect()
            self._client.loop(0)
        self.cut()

    def until(self, condition: Callable[[], object], seconds: float = ANSWER_S) -> bool:
        """Serve the line until then; False where it ended or time was up before."""
        give_up = time.monotonic() + seconds
        while not condition():
            if self.goodbye is not None or time.monotonic() > give_up:
                return bool(condition())
            if self._client.loop(TURN_S) != MQTTErrorCode.MQTT_ERR_SUCCESS and self.goodbye is None:
                self.goodbye = 0
        return True

    def subscribe(self, topics: tuple[str, ...]) -> list[int]:
        """SUBACK's code for each; empty where none came."""
        _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        return self._answer(mid)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        """PUBACK's code; None where none came."""
        mid = self._client.publish(topic, payload, qos=1, retain=retain).mid
        return next(iter(self._answer(mid)), None)

    def take(self, topic: str, seconds: float = ANSWER_S) -> Heard | None:
        """The first message on that topic, taken out of `heard`."""
        self.until(lambda: any(one.topic == topic for one in self.heard), seconds)
        found = next((one for one in self.heard if one.topic == topic), None)
        if found is not None:
            self.heard.remove(found)
        return found

    def settle(self, message: Heard) -> None:
        """PUBACK it."""
        self._client.ack(message.mid, 1)

    def cut(self) -> None:
        """End the line without a word: the broker says the will."""
        self.goodbye = self.goodbye or 0
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _answer(self, mid: int | None) -> list[int]:
        if mid is None:
            return []
        self.until(lambda: mid in self._codes)
        return self._codes.pop(mid, [])

    def _note(self, mid: int, codes: list[int]) -> None:
        self._codes[mid] = codes

    def _on_connect(
        self, _client: Client, _userdata: object, flags: Any, code: Any, props: Properties | None
    ) -> None:
        self._connected = code.value, str(code)
        self.resumed = flags.session_present
        told = {} if props is None else props.json()
        self.limits = {name: value for name, value in told.items() if isinstance(value, int)}

    def _on_disconnect(
        self, _client: Client, _userdata: object, flags: Any, code: Any, _props: object
    ) -> None:
        self.goodbye = code.value if flags.is_disconnect_packet_from_server else 0

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.heard.append(
            Heard(message.topic, bytes(message.payload), message.retain, message.dup, message.mid)
        )
