"""paho's client, made and dialled the way this project needs it; its quirks that need no connection object."""

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.mqtt_bridge.endpoint import Endpoint
from gateway.mqtt_bridge.failures import not_dialled
from gateway.mqtt_bridge.line import Line
from gateway.tls import client_context

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

# bytes; twice the contract's largest payload: more is nobody's message, and the board's memory is small
MAX_PACKET = 128 * 1024
SESSION_EXPIRY_S = 7 * 24 * 3600
WILL_DELAY_S = 10
DIAL_TIMEOUT_S = 4.0  # a thread waits so long at the most, also when the gateway is asked to end
CONTENT_CLOUDEVENT = "application/cloudevents+json; charset=utf-8"
CONTENT_JSON = "application/json"


class LineClient(Client):
    """paho over a `Line`, driven by whoever holds it: no thread of its own."""

    def _create_socket(self) -> "SocketLike":
        # Where paho makes its WebSocket wrapper, too: any object with a socket's five methods will do.
        return Line(super()._create_socket())


ClientT = TypeVar("ClientT", bound=Client)


def new_client(endpoint: Endpoint, kind: type[ClientT]) -> ClientT:
    """A client that connects once; raises `OSError` or `ssl.SSLError` where TLS files cannot be used."""
    v5 = endpoint.version == "5"
    client = kind(
        CallbackAPIVersion.VERSION2,
        client_id=endpoint.client_id,
        clean_session=None if v5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    # The connection keeps the window. paho's own would look through all that is out at every PUBACK.
    client.max_inflight_messages_set(0)
    client.max_queued_messages_set(2 * endpoint.window)
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


def set_will(client: Client, endpoint: Endpoint, topic: str, payload: bytes) -> None:
    """What the broker is to say when we vanish."""
    properties: Properties | None = None
    if endpoint.version == "5":
        properties = Properties(PacketTypes.WILLMESSAGE)
        properties.WillDelayInterval = WILL_DELAY_S
        properties.ContentType = CONTENT_JSON
    client.will_set(topic, payload, qos=1, retain=True, properties=properties)


def dial(client: Client, endpoint: Endpoint) -> None:
    """Name, socket, TLS; blocks. The CONNECT waits in the line. Raises `ConnectFailed`."""
    properties = None
    clean: dict[str, Any] = {}
    if endpoint.version == "5":
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = endpoint.receive_maximum
        properties.MaximumPacketSize = MAX_PACKET
        clean = {"clean_start": False}
    try:
        client.connect(
            endpoint.host, endpoint.port, keepalive=endpoint.keepalive_s, properties=properties, **clean
        )
    except (OSError, UnicodeError) as exc:
        raise not_dialled(endpoint.where, exc) from exc


def line_of(client: LineClient) -> Line | None:
    """What it is connected by; None when it is not."""
    line = client.socket()
    return line if isinstance(line, Line) else None


class PackedProperties(Properties):
    """Properties of one kind of message, packed once: paho would do it anew for each message."""

    def pack(self) -> bytes:
        """What goes into the packet."""
        packed = self.__dict__.get("packed")
        if packed is None:
            packed = self.__dict__["packed"] = bytes(super().pack())  # type: ignore[no-untyped-call]
        return packed


@functools.cache
def publish_properties(content_type: str, replay: str) -> Properties:
    """One object per kind of message."""
    properties = PackedProperties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.PayloadFormatIndicator = 1
    properties.ContentType = content_type
    if replay:
        properties.UserProperty = ("replay", replay)
    return properties
