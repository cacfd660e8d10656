"""Event identities: a UUIDv7 made once, or a UUIDv8 derived from a record in a device's own memory.

RFC 9562. The identity says which fact it is; order is by epoch and sequence, never by identity.
"""

import hashlib
import secrets
import threading
from typing import Final

_MAX_MS = (1 << 48) - 1
_COUNTER_BITS = 42  # rand_a (12 bits) and the top 30 bits of rand_b count within one millisecond
_TAIL_BITS = 32
RECORD_DOMAIN: Final = b"zhijiao/record/1"


class _Counter:
    """State of `uuid7`: ids of one millisecond count upwards from a random start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ms = -1
        self._count = 0

    def next(self, ms: int) -> int:
        with self._lock:
            if ms == self._ms:
                self._count += 1
            else:
                self._ms = ms
                # The top bit starts as zero, so that no millisecond can run over.
                self._count = secrets.randbits(_COUNTER_BITS - 1)
            return self._count


_counter = _Counter()


def uuid7(wall_ms: int) -> str:
    """A new identity for something that happened at `wall_ms`; rising within one millisecond.

    A wall clock outside of what 48 bits hold is clamped: an event's identity never fails on its time.
    """
    ms = min(max(wall_ms, 0), _MAX_MS)
    count = _counter.next(ms)
    value = ms << 80
    value |= 0x7 << 76
    value |= (count >> 30) << 64
    value |= 0b10 << 62
    value |= (count & ((1 << 30) - 1)) << _TAIL_BITS
    value |= secrets.randbits(_TAIL_BITS)
    return _text(value)


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
