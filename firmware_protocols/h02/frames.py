"""Frames of H02, text and binary, and the decoder that finds them in a stream.

A binary frame does not say how long it is: 32 bytes, 42 (an id of 8 bytes), 45 or 46. It ends where the next one
begins, or where the line is quiet.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.searching import SearchingDecoder

TEXT, BINARY, END = 0x2A, 0x24, 0x23  # * $ #
LENGTHS = (32, 42, 45, 46)
LONG_ID = 42
LEAST, MOST_BINARY = 32, 64
LONGEST = 1024  # characters of a text; cells and WiFi make some 400
_DIGITS = rb"[%s]" % b"".join(rb"\x%x0-\x%x9" % (tens, tens) for tens in range(10))
# The date of a binary frame is in digits. What the end of the buffer cuts off may become a start.
_START = re.compile(
    rb"\*(?:[A-Za-z]{2},|[A-Za-z]{0,2}\Z)|\$(?:.{0,5}\Z|.{5}"
    + _DIGITS
    + rb"{1,5}\Z|.{5}"
    + _DIGITS
    + rb"{6})",
    re.DOTALL,
)
_TEXT = re.compile(r"\*([A-Za-z]{2}),([0-9A-Za-z]{0,20}),([A-Z][A-Za-z0-9]*)((?:,[^,#*]*)*)#")


class Frame(ABC):
    """One frame of either kind."""

    __slots__ = ()

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The frame on the wire."""


@dataclass(frozen=True, slots=True)
class Text(Frame):
    """A line of text, of either direction."""

    manufacturer: str
    device_id: str
    cmd: str
    fields: tuple[str, ...] = field(default=(), repr=False)

    def to_bytes(self) -> bytes:
        """The line on the wire, a byte for each character: what was heard may hold any. Code: form."""
        line = f"*{','.join((self.manufacturer, self.device_id, self.cmd, *self.fields))}#"
        if _TEXT.fullmatch(line) is None or len(line) > LONGEST or max(line) > "\xff":
            raise LocalProtocolError("form", "not *MF,id,CMD,fields#")
        return line.encode("latin-1")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one. Code: form."""
        match = _TEXT.fullmatch(data.decode("latin-1"))
        if match is None:
            raise RemoteProtocolError("form", "not *MF,id,CMD,fields#")
        return cls(match[1], match[2], match[3], tuple(match[4].split(",")[1:]))


@dataclass(frozen=True, slots=True)
class Binary(Frame):
    """The same in digits; `data` whole."""

    data: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """The frame on the wire."""
        return self.data

    @property
    def device_id(self) -> str:
        """Ten digits, or fifteen."""
        return self.data[1:9].hex()[:15] if len(self.data) == LONG_ID else self.data[1:6].hex()

    @property
    def body(self) -> bytes:
        """Behind the id."""
        return self.data[9:] if len(self.data) == LONG_ID else self.data[6:]


def from_bytes(data: bytes) -> Frame:
    """Exactly one frame. Codes: start, truncated, length, form."""
    if data[:1] == bytes([BINARY]):
        if not LEAST <= len(data) <= MOST_BINARY:
            code = "truncated" if len(data) < LEAST else "length"
            raise RemoteProtocolError(code, f"{len(data)} bytes; a binary frame has {LEAST} to {MOST_BINARY}")
        return Binary(bytes(data))
    if data[:1] != bytes([TEXT]):
        raise RemoteProtocolError("start", "a frame begins with * or $")
    if not data.endswith(bytes([END])):
        raise RemoteProtocolError("truncated", f"{len(data)} bytes and no #")
    return Text.from_bytes(data)


class Decoder(SearchingDecoder[Frame]):
    """Finds frames of both kinds."""

    def __init__(self) -> None:
        super().__init__(_START)

    def flush(self) -> Iterator[Frame | Discarded]:
        """The line is quiet: a binary frame ends here, the rest is given up."""
        return iter([*self._drain(quiet=True)])

    def _drain(self, *, quiet: bool = False) -> Iterator[Frame | Discarded]:
        while self._buffer:
            match self._buffer[0]:
                case 0x2A:
                    found = self._text(quiet=quiet)
                case 0x24:
                    found = self._binary(quiet=quiet)
                case _:
                    found = self._discard("noise", self._start_from(1))
            if found is None:
                return
            yield found

    def _text(self, *, quiet: bool) -> Frame | Discarded | None:
        end, again = self._buffer.find(END), self._buffer.find(TEXT, 1)
        if again > 0 and (end < 0 or again < end):
            return self._discard("truncated", self._start_from(1))
        if end < 0 or end >= LONGEST:
            if end < 0 and len(self._buffer) < LONGEST and not quiet:
                return None
            return self._discard("truncated" if quiet else "length", self._start_from(1))
        try:
            found = Text.from_bytes(bytes(self._buffer[: end + 1]))
        except RemoteProtocolError as exc:
            return self._discard(exc.code, self._start_from(1))
        self._forget(end + 1)
        return found

    def _binary(self, *, quiet: bool) -> Frame | Discarded | None:
        have = len(self._buffer)
        size = next((one for one in LENGTHS if have > one and self._buffer[one] in (TEXT, BINARY)), None)
        if size is None and have <= max(LENGTHS) and not quiet:
            return None
        if size is None and have < LEAST:
            return self._discard("truncated", self._start_from(1))
        if size is None:  # alone on the line, or noise behind it: the shortest holds the position
            size = have if quiet and have in LENGTHS else LEAST
        if not self._buffer[6:12].hex().isdigit():
            return self._discard("form", self._start_from(1))
        return Binary(self._taken(size))
