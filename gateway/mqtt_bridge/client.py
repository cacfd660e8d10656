"""paho's client, made and dialled the way this project needs it; its quirks that need no connection object."""

import contextlib
import functools
import socket
import struct
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.mqtt_bridge.endpoint import Endpoint
from gateway.mqtt_bridge.failures import not_dialled
from gateway.tls import client_context

# bytes; twice the contract's largest payload: more is nobody's message, and the board's memory is small
MAX_PACKET = 128 * 1024
MAX_IN_FLIGHT = 32  # messages without PUBACK; paho gets slow beyond, brokers often allow less
SESSION_EXPIRY_S = 7 * 24 * 3600
WILL_DELAY_S = 10
DIAL_TIMEOUT_S = 4.0  # a thread waits so long at the most, also when the gateway is asked to end
CONTENT_CLOUDEVENT = "application/cloudevents+json; charset=utf-8"
CONTENT_JSON = "application/json"

# struct tcp_info of Linux: 8 bytes, then 32-bit words; the tenth is tcpi_last_data_recv in ms.
_TCP_INFO = struct.Struct("8x12I")
_LAST_DATA_RECEIVED = 11


def new_client(endpoint: Endpoint) -> Client:
    """A client that connects once; raises `OSError` or `ssl.SSLError` where TLS files cannot be used."""
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
    client.on_socket_open = _send_at_once
    if endpoint.username is not None:
        client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls:
        client.tls_set_context(
            client_context(
                endpoint.ca_file, endpoint.cert_file, endpoint.key_file, endpoint.certificate_time()
            )
        )
    return client


def _send_at_once(_client: Client, _userdata: object, sock: Any) -> None:
    """No waiting for more to send: after a PUBACK of ours, an event would wait 40 ms for the broker's TCP ack."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def set_will(client: Client, endpoint: Endpoint, topic: str, payload: bytes) -> None:
    """What the broker is to say when we vanish."""
    properties: Properties | None = None
    if endpoint.version == "5":
        properties = Properties(PacketTypes.WILLMESSAGE)
        properties.WillDelayInterval = WILL_DELAY_S
        properties.ContentType = CONTENT_JSON
    client.will_set(topic, payload, qos=1, retain=True, properties=properties)


def dial(client: Client, endpoint: Endpoint) -> None:
    """Name, socket, TLS, CONNECT; blocks. Raises `ConnectFailed`."""
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


def cut(client: Client) -> None:
    """End the line without a DISCONNECT; paho's thread finds it closed and ends."""
    sock = client.socket()
    if isinstance(sock, socket.socket):
        with contextlib.suppress(OSError):  # closed already
            # Below TLS: paho's thread may be reading there right now.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def silent_s(client: Client) -> float:
    """How long the kernel has received nothing for this client; 0 where there is no socket."""
    sock = client.socket()
    if not isinstance(sock, socket.socket):
        return 0.0
    try:
        state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:  # closed between the two lines: the end of the connection will tell
        return 0.0
    return float(_TCP_INFO.unpack(state)[_LAST_DATA_RECEIVED]) / 1000


@functools.cache
def publish_properties(content_type: str, replay: str) -> Properties:
    """One object per kind of message: paho only reads it, and building one costs as much as sending."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.PayloadFormatIndicator = 1
    properties.ContentType = content_type
    if replay:
        properties.UserProperty = ("replay", replay)
    return properties
