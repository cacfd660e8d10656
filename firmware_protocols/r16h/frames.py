"""Frames `@TYPE,IMEI,data$`, and the decoder that finds them in a stream."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.buffered import BufferedDecoder
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded

BEGIN, END = b"@", b"$"
# A run of @ is one piece of noise.
_START = re.compile(rb"@(?:[A-Z]{4},|[A-Z]{0,4}\Z)")
LONGEST = 512  # bytes; the longest of the document has some 120
_BODY = re.compile(r"([A-Z]{4}),([0-9]{10,17})(?:,(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of either direction."""

    kind: str
    imei: str
    fields: tuple[str, ...] = field(default=(), repr=False)

    def to_bytes(self) -> bytes:
        """The frame on the wire, a byte for each character: what was heard may hold any. Codes: form, length."""
        text = ",".join((self.kind, self.imei, *self.fields))
        if _BODY.fullmatch(text) is None or max(text) > "\xff" or "@" in text or "$" in text:
            raise LocalProtocolError(
                "form", "a type has four letters, an IMEI its digits; no @ and $ in fields"
            )
        if len(text) + 2 > LONGEST:
            raise LocalProtocolError("length", f"{len(text)} characters; {LONGEST - 2} are carried at most")
        return BEGIN + text.encode("latin-1") + END

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one frame. Codes: begin, truncated, trailing, length, form."""
        if not data.startswith(BEGIN):
            raise RemoteProtocolError("begin", "the frame does not begin with @")
        end = data.find(END)
        if end < 0:
            raise RemoteProtocolError("truncated", f"{len(data)} bytes and no $")
        if end + 1 != len(data):
            raise RemoteProtocolError("trailing", f"{len(data) - end - 1} surplus bytes after the frame")
        if len(data) > LONGEST:
            raise RemoteProtocolError("length", f"{len(data)} bytes; {LONGEST} are carried at most")
        match = _BODY.fullmatch(data[1:-1].decode("latin-1"))
        if match is None:
            raise RemoteProtocolError("form", "not TYPE,IMEI,data")
        return cls(match[1], match[2], tuple(match[3].split(",")) if match[3] is not None else ())


class Decoder(BufferedDecoder[Frame]):
    """Finds frames of both directions: they look the same."""

    def __init__(self) -> None:
        super().__init__(BEGIN, _START)

    def _drain(self) -> Iterator[Frame | Discarded]:
        while self._buffer:
            start = self._start_from(0)
            if start:
                yield self._discard("noise", start)
                continue
            end, again = self._buffer.find(END), self._buffer.find(BEGIN, 1)
            if again > 0 and (end < 0 or again < end):
                yield self._discard("truncated", self._next_start())
            elif end < 0 and len(self._buffer) < LONGEST:
                return
            elif end < 0 or end >= LONGEST:
                yield self._discard("length", self._next_start())
            else:
                yield self._take(end + 1)

    def _take(self, size: int) -> Frame | Discarded:
        try:
            found = Frame.from_bytes(bytes(self._buffer[:size]))
        except RemoteProtocolError as exc:
            return self._discard(exc.code, size)
        self._forget(size)
        return found
