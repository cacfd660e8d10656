"""Frames of the bracket protocol, and the decoder that finds them in a stream.

LEN counts the content as it stands on the wire. Real devices miscount it and WiFi names hold brackets: LEN is
believed where a `]` stands behind so many bytes, else the brackets are balanced.
Leaves out: what the content says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.buffered import BufferedDecoder
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded

BEGIN, END = b"[", b"]"
MAX_CONTENT = 32_768  # bytes; a picture of a watch has some 20,000, the field could say 65,535
_HEADER = re.compile(rb"\[([0-9A-Za-z]{2})\*([0-9A-Za-z]{1,20})\*(?:([0-9A-Fa-f]{4})\*)?([0-9A-Fa-f]{4})\*")
_LETTERS, _DIGITS = rb"[0-9A-Za-z]", rb"[0-9A-Fa-f]"
# A header that the end of the buffer cuts off.
_BEGUN = re.compile(
    rb"\[(?:L{0,2}|LL\*(?:L{0,20}|L{1,20}\*(?:D{0,4}|D{4}\*D{0,4})))\Z".replace(b"L", _LETTERS).replace(
        b"D", _DIGITS
    )
)
# Only where letters of a frame follow, or may: a run of brackets is one piece of noise.
_START = re.compile(rb"\[(?:[0-9A-Za-z]{2}\*|[0-9A-Za-z]{0,2}\Z)")
_BRACKET = re.compile(rb"[\[\]]")
MAX_HEADER = 1 + 2 + 1 + 20 + 1 + 5 + 5

ESCAPES = {0x7D: 0x01, 0x5B: 0x02, 0x5D: 0x03, 0x2C: 0x04, 0x2A: 0x05}  # binary content: byte -> after 7D
_PLAIN = {code: byte for byte, code in ESCAPES.items()}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of either direction; `content` as on the wire."""

    manufacturer: str
    device_id: str
    content: bytes = field(repr=False)
    serial: int | None = None
    length: int | None = None  # as the frame claims; None: as it is

    @property
    def length_ok(self) -> bool:
        """Whether the claimed length is true."""
        return self.length is None or self.length == len(self.content)

    def to_bytes(self) -> bytes:
        """The frame on the wire."""
        if len(self.content) > MAX_CONTENT:
            raise LocalProtocolError("length", f"{len(self.content)} bytes of content; {MAX_CONTENT} at most")
        length = len(self.content) if self.length is None else self.length
        serial = "" if self.serial is None else f"{self.serial:04x}*"
        head = f"[{self.manufacturer}*{self.device_id}*{serial}{length:04x}*"
        if _HEADER.fullmatch(head.encode()) is None:
            raise LocalProtocolError("header", "a manufacturer has two letters, an id at most 20 digits")
        return head.encode() + self.content + END

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one frame. Codes: header, truncated, trailing."""
        header = _HEADER.match(data)
        if header is None:
            raise RemoteProtocolError("header", "the frame does not begin with [MF*ID*LEN*")
        end = _end(data, header.end(), int(header[4], 16)) or _balanced(data)
        if end is None:
            raise RemoteProtocolError("truncated", f"{len(data)} bytes and no closing bracket")
        if end != len(data):
            raise RemoteProtocolError("trailing", f"{len(data) - end} surplus bytes after the frame")
        return cls._parse(data[:end], header)

    @classmethod
    def _parse(cls, frame: bytes, header: "re.Match[bytes]") -> Self:
        serial = None if header[3] is None else int(header[3], 16)
        content = bytes(frame[header.end() : -1])
        return cls(header[1].decode(), header[2].decode(), content, serial, int(header[4], 16))


@dataclass(frozen=True, slots=True)
class _Ends:
    """Where a frame ends by its brackets; not whole: another begins there."""

    at: int
    whole: bool


class Decoder(BufferedDecoder[Frame]):
    """Finds frames of both directions: they look the same. Brackets are counted once, however a frame comes in."""

    def __init__(self) -> None:
        super().__init__(BEGIN, _START)
        self._counted = self._depth = 0  # of the frame at the beginning: up to where, and what was open there

    def _drain(self) -> Iterator[Frame | Discarded]:
        while self._buffer:
            if not self._buffer.startswith(BEGIN):
                yield self._discard("noise", self._next_start())
                continue
            header = self._header()
            if header is None:
                if _BEGUN.match(self._buffer) is not None:
                    return
                yield self._discard("header", self._next_start())
                continue
            length = int(header[4], 16)
            if length > MAX_CONTENT:
                yield self._discard("length", self._next_start())
                continue
            if len(self._buffer) <= header.end() + length:
                return
            end = _end(self._buffer, header.end(), length)
            ends = self._brackets() if end is None else _Ends(end, whole=True)
            if ends is not None:
                yield self._take(ends.at, header) if ends.whole else self._discard("truncated", ends.at)
            elif len(self._buffer) <= MAX_HEADER + MAX_CONTENT:
                return  # it is longer than it says: the bracket is still to come
            else:
                yield self._discard("length", self._next_start())

    def flush(self) -> Iterator[Frame | Discarded]:
        """Give up on an unfinished frame; one that claims more than came is a frame all the same."""
        found: list[Frame | Discarded] = []
        while self._buffer:
            header, ends = self._header(), self._brackets() if self._is_begun() else None
            if header is not None and ends is not None and ends.whole:
                found.append(self._take(ends.at, header))
            else:
                reason = "truncated" if self._is_begun() else "noise"
                found.append(self._discard(reason, self._next_start()))
            found.extend(self._drain())
        return iter(found)

    def _header(self) -> "re.Match[bytes] | None":
        return _HEADER.match(bytes(self._buffer[:MAX_HEADER]))

    def _brackets(self) -> _Ends | None:
        """Where the brackets close, or another frame's header stands before they do; None: neither, so far."""
        for bracket in _BRACKET.finditer(self._buffer, self._counted):
            at = bracket.start()
            if bracket[0] == BEGIN and at and _HEADER.match(self._buffer, at) is not None:
                return _Ends(at, whole=False)
            if bracket[0] == BEGIN and at and _BEGUN.match(self._buffer, at) is not None:
                self._counted = at
                return None
            self._depth += 1 if bracket[0] == BEGIN else -1
            if self._depth == 0:
                return _Ends(at + 1, whole=True)
        self._counted = len(self._buffer)
        return None

    def _take(self, end: int, header: "re.Match[bytes]") -> Frame:
        return Frame._parse(self._taken(end), header)  # noqa: SLF001 - the same file

    def _forget(self, length: int) -> None:
        super()._forget(length)
        self._counted = self._depth = 0


def _end(data: bytes | bytearray, start: int, length: int) -> int | None:
    """Behind the closing bracket, where it stands where the length says."""
    at = start + length
    return at + 1 if data[at : at + 1] == END else None


def _balanced(data: bytes | bytearray) -> int | None:
    """Behind the bracket that closes the first one."""
    depth = 0
    for at, byte in enumerate(data):
        depth += (byte == 0x5B) - (byte == 0x5D)
        if depth == 0:
            return at + 1
    return None


def escaped(content: bytes) -> bytes:
    """Binary content as it goes over the wire."""
    return b"".join(bytes([0x7D, ESCAPES[byte]]) if byte in ESCAPES else bytes([byte]) for byte in content)


def unescaped(content: bytes) -> bytes:
    """Inverse of `escaped`; a 7D before anything else stays as it is."""
    plain = bytearray()
    at = 0
    while at < len(content):
        code = content[at + 1] if content[at] == 0x7D and at + 1 < len(content) else None
        plain.append(_PLAIN[code] if code in _PLAIN else content[at])
        at += 2 if code in _PLAIN else 1
    return bytes(plain)
