"""Frames of GT06, and the decoder that finds them in a stream.

The length is believed where 0D 0A stands behind so many bytes, for a content may hold 0D 0A itself; else the frame
ends at the next one: WiFi messages and some makers write something else into the length. The CRC is CRC-16/X-25 over
everything from the length to the serial number, high byte first.
"""

import re
from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.searching import SearchingDecoder

SHORT, LONG, TAIL = b"\x78\x78", b"\x79\x79", b"\x0d\x0a"
MOST = 4096  # bytes of a frame; the longest published has some 250, the long length could say 65,535
_AROUND = 5  # number, serial, CRC
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# The long length makes `MOST` at most; what the end of the buffer cuts off may become a start.
_START = re.compile(rb"\x78(?:\x78|\Z)|\x79(?:\x79(?:[\x00-\x0e]|\x0f(?:[\x00-\xfa]|\Z)|\Z)|\Z)")


def crc_x25(data: bytes) -> int:
    """CRC-16/X-25: reflected 1021, begins with FFFF, inverted. Check value of 123456789: 906E.

    The standard library has the same CRC not reflected: bits are turned round before and after it.
    """
    crc = crc_hqx(data.translate(_TURNED), 0xFFFF)
    return (_TURNED[crc & 0xFF] << 8 | _TURNED[crc >> 8]) ^ 0xFFFF


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of either direction."""

    number: int  # of the message
    serial: int
    content: bytes = field(default=b"", repr=False)
    long: bool = False  # 79 79
    length: int | None = None  # as it came; None: as it is
    crc: int | None = None  # the same

    @property
    def length_ok(self) -> bool:
        """Whether the length is that of the frame."""
        return self.length is None or self.length == len(self.content) + _AROUND

    @property
    def covered(self) -> bytes:
        """What the CRC goes over."""
        length = len(self.content) + _AROUND if self.length is None else self.length
        head = length.to_bytes(2 if self.long else 1, "big") + bytes([self.number])
        return head + self.content + self.serial.to_bytes(2, "big")

    @property
    def computed(self) -> int:
        """The CRC as it should be."""
        return crc_x25(self.covered)

    @property
    def sound(self) -> bool:
        """Length and CRC are right."""
        return self.length_ok and self.crc in (None, self.computed)

    def to_bytes(self) -> bytes:
        """The frame on the wire; one that was heard is what it was. Code: length."""
        if self.length is None and not self.long and len(self.content) + _AROUND > 0xFF:
            raise LocalProtocolError("length", f"{len(self.content)} bytes do not fit into a frame of 78 78")
        crc = self.computed if self.crc is None else self.crc
        return (LONG if self.long else SHORT) + self.covered + crc.to_bytes(2, "big") + TAIL

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one frame, a wrong length or CRC included: ask `sound`. Codes: start, truncated, trailing."""
        if data[:2] not in (SHORT, LONG):
            raise RemoteProtocolError("start", "a frame begins with 78 78 or 79 79")
        long = data[:2] == LONG
        size = _size(data)
        if not data.endswith(TAIL) or len(data) < _least(long=long):
            raise RemoteProtocolError("truncated", f"{len(data)} bytes and no 0D 0A at their end")
        if size is not None and size < len(data) and data[size - 2 : size] == TAIL:
            raise RemoteProtocolError("trailing", f"{len(data) - size} surplus bytes after the frame")
        at = 4 if long else 3
        return cls(
            data[at],
            int.from_bytes(data[-6:-4], "big"),
            bytes(data[at + 1 : -6]),
            long,
            int.from_bytes(data[2:at], "big"),
            int.from_bytes(data[-4:-2], "big"),
        )


def _least(*, long: bool) -> int:
    return 11 if long else 10


def _size(data: bytes | bytearray) -> int | None:
    """Bytes of the frame by its length; None: the length is not there yet."""
    long = data[:2] == LONG
    at = 4 if long else 3
    return None if len(data) < at else at + int.from_bytes(data[2:at], "big") + 2


class Decoder(SearchingDecoder[Frame]):
    """Finds frames of both directions, sound or not: whoever asks decides what an unsound one is worth."""

    def __init__(self) -> None:
        super().__init__(_START)
        self._no_tail_to = 0  # no 0D 0A begins before here

    def flush(self) -> Iterator[Frame | Discarded]:
        """The line is quiet: a frame that claims more than came ends at its 0D 0A, the rest is given up."""
        found = [*self._drain(quiet=True)]
        if self._buffer:
            found.append(self._discard("truncated", len(self._buffer)))
        return iter(found)

    def _drain(self, *, quiet: bool = False) -> Iterator[Frame | Discarded]:
        while self._buffer:
            start = self._start_from(0)
            if start:
                yield self._discard("noise", start)
                continue
            size = _size(self._buffer) if len(self._buffer) >= 2 else None
            if size is None:
                return
            if len(self._buffer) < size and not quiet:
                return
            if self._buffer[size - 2 : size] != TAIL or size < _least(long=self._buffer[:2] == LONG):
                tail = self._tail()
                if tail < 0 and len(self._buffer) < MOST and not quiet:
                    return
                # No frame that begins before `hopeless` can end: its whole length has come, and no tail in it.
                hopeless = (len(self._buffer) + 1 if tail < 0 else tail + 2) - MOST
                if tail < 0 or hopeless > 0:
                    yield self._discard(
                        "truncated" if quiet else "length", self._start_from(max(1, hopeless))
                    )
                    continue
                size = tail + 2
            yield self._take(size)

    def _tail(self) -> int:
        """Offset of the first 0D 0A that can end a frame here; below 0: there is none so far."""
        found = self._buffer.find(TAIL, max(8, self._no_tail_to))
        if found < 0:
            self._no_tail_to = max(0, len(self._buffer) - 1)
        return found

    def _take(self, size: int) -> Frame | Discarded:
        try:
            found = Frame.from_bytes(bytes(self._buffer[:size]))
        except RemoteProtocolError as exc:
            return self._discard(exc.code, self._start_from(1))
        self._forget(size)
        return found

    def _forget(self, length: int) -> None:
        super()._forget(length)
        self._no_tail_to = max(0, self._no_tail_to - length)
