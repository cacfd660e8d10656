"""What a body is made of: {length BYTE, key BYTE, data}, where the length counts the key.

A body may hold many records one behind the other: a key that comes a second time begins the next. Only of beacons
(28, 2C) a record holds as many as it heard.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from firmware_protocols.errors import RemoteProtocolError

# Commands: what a body is about.
DATA, CONFIG, SERVICES, SYSTEM, FIRMWARE, RESPONSE = 0x01, 0x02, 0x03, 0x04, 0x7E, 0x7F
MANY = frozenset({0x28, 0x2C})


@dataclass(frozen=True, slots=True)
class Item:
    """One value."""

    key: int
    data: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """On the wire."""
        return bytes([len(self.data) + 1, self.key]) + self.data

    def read(self, form: str) -> tuple[int, ...]:
        """The front of the data by a form of `struct`, little-endian. Code: body."""
        size = struct.calcsize(f"<{form}")
        if len(self.data) < size:
            raise RemoteProtocolError(
                "body", f"key {self.key:02X} has {len(self.data)} bytes; {size} are wanted"
            )
        return struct.unpack_from(f"<{form}", self.data)


def items_of(data: bytes) -> tuple[tuple[Item, ...], int]:
    """The items, and how many bytes are behind the last that is whole."""
    found: list[Item] = []
    at = 0
    while at < len(data):
        length = data[at]
        if length == 0 or at + 1 + length > len(data):
            break
        found.append(Item(data[at + 1], data[at + 2 : at + 1 + length]))
        at += 1 + length
    return tuple(found), len(data) - at


def records_of(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    """The items of each record; of a body without items one record that is empty."""
    record: list[Item] = []
    seen: set[int] = set()
    for item in items:
        if item.key in seen and item.key not in MANY:
            yield tuple(record)
            record, seen = [], set()
        record.append(item)
        seen.add(item.key)
    yield tuple(record)


def time_of(seconds: int) -> datetime:
    """A DWORD of seconds since 1970, UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def mac_of(data: bytes) -> str:
    """`04:92:26:3a:35:68`."""
    return data.hex(":")
