"""Event identities: a UUIDv7 made once, or a UUIDv8 derived from a record in a device's own memory.

RFC 9562. The identity says which fact it is; order is by epoch and sequence, never by identity.
"""

import hashlib
import os
import threading
from typing import Final

_MAX_MS = (1 << 48) - 1
_COUNTER_BITS = 42  # rand_a (12 bits) and the top 30 bits of rand_b count within one millisecond
_TAIL_DIGITS = 8  # 32 bits
_FETCHED = 2048  # bytes
RECORD_DOMAIN: Final = b"zhijiao/record/1"


class _Source:
    """State of `uuid7`: ids of one millisecond count upwards from a random start, each with a random tail."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ms = -1
        self._time = ""  # the same as text
        self._count = 0
        self._random = ""  # hex digits
        self._used = 0

    def next(self, ms: int) -> tuple[str, int, str]:
        """Time, count and tail."""
        with self._lock:
            if ms == self._ms:
                self._count += 1
            else:
                self._ms = ms
                digits = f"{ms:012x}"
                self._time = f"{digits[:8]}-{digits[8:]}"
                # The top bit starts as zero, so that no millisecond can run over.
                self._count = int(self._take(12), 16) >> (48 - _COUNTER_BITS + 1)
            return self._time, self._count, self._take(_TAIL_DIGITS)

    def _take(self, digits: int) -> str:
        """Random digits. Some hundred ids' worth are fetched at once: the kernel's answer cost a third of an id.

        Nothing in this program forks: parent and child would use the same ones.
        """
        end = self._used + digits
        if end > len(self._random):
            self._random, end = os.urandom(_FETCHED).hex(), digits
        self._used = end
        return self._random[end - digits : end]


_source = _Source()


def uuid7(wall_ms: int) -> str:
    """A new identity for something that happened at `wall_ms`; rising within one millisecond.

    A wall clock outside of what 48 bits hold is clamped: an event's identity never fails on its time.
    """
    time, count, tail = _source.next(min(max(wall_ms, 0), _MAX_MS))
    high = 0x7000 | count >> 30  # the version before the top 12 bits of the count
    low = f"{0x8000_0000 | count & 0x3FFF_FFFF:08x}"  # the variant before its other 30
    return f"{time}-{high:04x}-{low[:4]}-{low[4:]}{tail}"


def uuid8_record(device_serial: str, record_no: int, record_time: bytes, content_hash: bytes) -> str:
    """The identity of a record stored in a device: reading it twice is one fact.

    First 16 bytes of the SHA-256 over these bytes, then version 8 and the RFC variant set:

        "zhijiao/record/1"                          16 bytes, ASCII
        length of serial 4, serial                  big-endian; UTF-8, as the device reports it
        record number 8                             big-endian
        length of time 4, time                      big-endian; the record's own time field, raw
        content hash 32                             SHA-256 over the raw record

    The time is the raw field, not a time as understood: a corrected time zone must not double a fact.
    """
    if len(content_hash) != hashlib.sha256().digest_size:
        raise ValueError(f"content_hash has {len(content_hash)} bytes; a SHA-256 digest of 32 is wanted")
    serial = device_serial.encode()
    digest = hashlib.sha256(
        RECORD_DOMAIN
        + len(serial).to_bytes(4, "big")
        + serial
        + record_no.to_bytes(8, "big")
        + len(record_time).to_bytes(4, "big")
        + record_time
        + content_hash
    ).digest()
    value = int.from_bytes(digest[:16], "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return _text(value)


def _text(value: int) -> str:
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
