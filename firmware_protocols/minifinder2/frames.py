"""Frames of minifinder2, and the decoder that finds them in a stream.

    AB | properties BYTE: bit 4 asks for an answer | length WORD | CRC WORD | serial WORD | body

Little-endian. The body begins with its command; length and CRC (CRC-16/XMODEM) go over the body alone. There is no end
mark and the start is one byte: what counts as a frame is decided by the CRC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.checksums import crc_xmodem
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.running_crc import RunningCrc
from firmware_protocols.searching import SearchingDecoder

START = 0xAB
HEAD = 8
MOST_BODY = 0xFFF  # bytes; the longest published has 1,370, the length could say 65,535
WANTS_ANSWER = 1 << 4
# A start with a length from 1 to MOST_BODY, or as much of it as the end of the buffer shows.
_START = re.compile(rb"\xab(?:.(?:[^\x00][\x00-\x0f]|\x00[\x01-\x0f])|.{0,2}\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of either direction."""

    command: int
    serial: int
    items: bytes = field(default=b"", repr=False)  # {length, key, data} as they stand on the wire
    properties: int = 0
    crc: int | None = None  # as it came; None: as it is

    @property
    def body(self) -> bytes:
        """Command and items: what the CRC goes over."""
        return bytes([self.command]) + self.items

    @property
    def computed(self) -> int:
        """The CRC as it should be."""
        return crc_xmodem(self.body)

    @property
    def sound(self) -> bool:
        """Whether the CRC is right."""
        return self.crc in (None, self.computed)

    @property
    def wants_answer(self) -> bool:
        """Whether the device repeats itself until it is answered."""
        return bool(self.properties & WANTS_ANSWER)

    def to_bytes(self) -> bytes:
        """The frame on the wire; one that was heard is what it was. Code: length."""
        body = self.body
        if len(body) > MOST_BODY:
            raise LocalProtocolError("length", f"{len(body)} bytes of body; {MOST_BODY} are carried at most")
        crc = self.computed if self.crc is None else self.crc
        head = bytes([START, self.properties]) + len(body).to_bytes(2, "little")
        return head + crc.to_bytes(2, "little") + self.serial.to_bytes(2, "little") + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one frame, a wrong CRC included: ask `sound`. Codes: start, truncated, length, trailing."""
        if data[:1] != bytes([START]):
            raise RemoteProtocolError("start", "a frame begins with AB")
        if len(data) < HEAD:
            raise RemoteProtocolError("truncated", f"{len(data)} bytes; a head has {HEAD}")
        length = int.from_bytes(data[2:4], "little")
        if not 0 < length <= MOST_BODY:
            raise RemoteProtocolError("length", f"{length} bytes of body; it has 1 to {MOST_BODY}")
        size = HEAD + length
        if len(data) != size:
            code = "truncated" if len(data) < size else "trailing"
            raise RemoteProtocolError(code, f"{len(data)} bytes where the length makes {size}")
        crc, serial = int.from_bytes(data[4:6], "little"), int.from_bytes(data[6:8], "little")
        return cls(data[HEAD], serial, bytes(data[HEAD + 1 :]), data[1], crc)


class Decoder(SearchingDecoder[Frame]):
    """Finds sound frames of both directions."""

    def __init__(self) -> None:
        super().__init__(_START)
        self._crc = RunningCrc()

    def flush(self) -> Iterator[Frame | Discarded]:
        """The line is quiet: what claims more than came is none, and may hold a frame that is one."""
        return self._drain(quiet=True)

    def _drain(self, *, quiet: bool = False) -> Iterator[Frame | Discarded]:
        found: list[Frame | Discarded] = []
        begun, at, reason = 0, 0, "noise"  # what lies between `begun` and `at` is none
        while (start := self._start_from(at)) < len(self._buffer):
            end = self._end(start)
            if end is None and not quiet:
                break
            if end is not None and self._is_sound(start, end):
                found += self._noise(reason, begun, start)
                found.append(Frame.from_bytes(bytes(self._buffer[start:end])))
                begun, at, reason = end, end, "noise"
                continue
            if start == begun:
                reason = "checksum" if end is not None else "truncated"
            at = start + 1
        found += self._noise(reason, begun, start)
        self._forget(start)
        return iter(found)

    def _end(self, at: int) -> int | None:
        """Offset behind the frame that begins at `at`; None: it has not come whole."""
        if len(self._buffer) < at + HEAD:
            return None
        end = at + HEAD + (self._buffer[at + 2] | self._buffer[at + 3] << 8)
        return end if end <= len(self._buffer) else None

    def _is_sound(self, at: int, end: int) -> bool:
        return self._crc.of(self._buffer, at + HEAD, end) == self._buffer[at + 4] | self._buffer[at + 5] << 8

    def _noise(self, reason: str, start: int, end: int) -> list[Discarded]:
        return [Discarded(reason, end - start, bytes(self._buffer[start:end]))] if start < end else []

    def _forget(self, length: int) -> None:
        super()._forget(length)
        self._crc.forget(length)
