"""MQTT 3.1.1 packets by hand, for the measuring side: bytes <-> packets, and nothing else.

A source or a subscriber must cost little and must not hide an acknowledgement behind a client library.
"""

import struct
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 8, 9, 12, 13
_TWO = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as it came."""

    kind: int
    flags: int
    body: bytes


def packet(kind: int, flags: int, body: bytes) -> bytes:
    """Any packet."""
    length, size = len(body), bytearray()
    while True:
        length, low = divmod(length, 128)
        size.append(low | (0x80 if length else 0))
        if not length:
            return bytes([kind << 4 | flags]) + bytes(size) + body


def connect(client_id: str, *, clean: bool = True, username: str | None = None) -> bytes:
    """CONNECT without keep-alive: everything here runs on one machine."""
    flags = (0x02 if clean else 0) | (0x80 if username is not None else 0)
    tail = _text(client_id) + (_text(username) if username is not None else b"")
    return packet(CONNECT, 0, _text("MQTT") + bytes([4, flags, 0, 0]) + tail)


def subscribe(topics: list[str]) -> bytes:
    """SUBSCRIBE at QoS 1, packet id 1."""
    return packet(SUBSCRIBE, 2, _TWO.pack(1) + b"".join(_text(topic) + b"\1" for topic in topics))


def publish(topic: str, payload: bytes, packet_id: int, *, retain: bool = False) -> bytes:
    """PUBLISH at QoS 1."""
    return packet(PUBLISH, 2 | int(retain), _text(topic) + _TWO.pack(packet_id) + payload)


def puback(packet_id: int) -> bytes:
    """PUBACK."""
    return bytes([PUBACK << 4, 2]) + _TWO.pack(packet_id)


def read_publish(received: Packet) -> tuple[str, int, bytes]:
    """Topic, packet id (0 at QoS 0) and payload of a PUBLISH."""
    body = received.body
    end = 2 + int(_TWO.unpack_from(body)[0])
    topic = body[2:end].decode()
    if not received.flags & 6:
        return topic, 0, body[end:]
    return topic, int(_TWO.unpack_from(body, end)[0]), body[end + 2 :]


def packet_id(received: Packet) -> int:
    """The packet id of a PUBACK."""
    return int(_TWO.unpack_from(received.body)[0])


def _text(text: str) -> bytes:
    raw = text.encode()
    return _TWO.pack(len(raw)) + raw


class Decoder:
    """Feed bytes, get packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are complete now."""
        buffer = self._buffer
        buffer += data
        at, found = 0, []
        while (head := _header(buffer, at)) is not None:
            start, length = head
            if len(buffer) - start < length:
                break
            found.append(Packet(buffer[at] >> 4, buffer[at] & 15, bytes(buffer[start : start + length])))
            at = start + length
        del buffer[:at]
        return found


def _header(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """Where the body begins and how long it is; None while that has not arrived."""
    length, shift = 0, 0
    for index in range(at + 1, min(at + 5, len(buffer))):
        length |= (buffer[index] & 0x7F) << shift
        shift += 7
        if not buffer[index] & 0x80:
            return index + 1, length
    return None
