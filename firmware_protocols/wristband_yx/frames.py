"""Frames of the wristband, and the decoder that finds them in a stream.

No byte of a text is 00 or FF, neither in ASCII nor in GBK nor in UTF-8: a frame ends at the first of them, and is one
where `FF FE FC` stands there. The length is compared and not needed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded

START, END = b"\x00\x01\x02", b"\xff\xfe\xfc"
HEAD = 5  # start and length
MOST_TEXT = 0x0FFF  # bytes; ours: some 90 positions, published is one of 188
MOST = HEAD + MOST_TEXT + len(END)
# The length's first byte is at most that of MOST_TEXT; what the end of the buffer cuts off may become a start.
_START = re.compile(rb"\x00(?:\x01(?:\x02(?:[\x00-\x0f](?:.(?:Y(?:X|\Z)|\Z)|\Z)|\Z)|\Z)|\Z)", re.DOTALL)
_NO_TEXT = re.compile(rb"[\x00\xff]")
_TEXT = re.compile(
    r"YX(\d{1,20})\|([^|{}]{1,20})\|([^|{}]{0,20})\|\{F(\d{1,4})(?:#(.*))?\}\r\n", re.DOTALL | re.ASCII
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of either direction. Text stands in it a character for each byte."""

    imei: str = field(repr=False)
    function: str  # digits behind the F, as they came
    data: str | None = field(default=None, repr=False)  # None: no # either
    version: str = "V1.0"
    model: str = "0"  # 0 in answers
    length: int | None = None  # as it came; None: as it is

    @property
    def text(self) -> str:
        """Between the marks."""
        data = "" if self.data is None else f"#{self.data}"
        return f"YX{self.imei}|{self.version}|{self.model}|{{F{self.function}{data}}}\r\n"

    @property
    def length_ok(self) -> bool:
        """Whether the length is that of the text."""
        return self.length in (None, len(self.text))

    def to_bytes(self) -> bytes:
        """The frame on the wire; one that was heard is what it was. Codes: form, length."""
        text = self.text
        if _TEXT.fullmatch(text) is None or max(text) > "\xfe" or "\x00" in text:
            raise LocalProtocolError("form", "not YXimei|version|model|{Fnn#data}")
        if len(text) > MOST_TEXT:
            raise LocalProtocolError("length", f"{len(text)} bytes of text; {MOST_TEXT} at most")
        length = len(text) if self.length is None else self.length
        return START + length.to_bytes(2, "big") + text.encode("latin-1") + END

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one frame, a wrong length included. Codes: start, truncated, trailing, length, form."""
        if not data.startswith(START):
            raise RemoteProtocolError("start", "a frame begins with 00 01 02")
        broken = _NO_TEXT.search(data, HEAD)
        if broken is None or len(data) < broken.start() + len(END):
            raise RemoteProtocolError("truncated", f"{len(data)} bytes and no FF FE FC")
        text, end = data[HEAD : broken.start()], broken.start() + len(END)
        if data[broken.start() : end] != END:
            raise RemoteProtocolError("form", "a byte that is no text")
        if end < len(data):
            raise RemoteProtocolError("trailing", f"{len(data) - end} surplus bytes after the frame")
        if len(text) > MOST_TEXT:
            raise RemoteProtocolError("length", f"{len(text)} bytes of text; {MOST_TEXT} at most")
        match = _TEXT.fullmatch(text.decode("latin-1"))
        if match is None:
            raise RemoteProtocolError("form", "not YXimei|version|model|{Fnn#data}")
        return cls(match[1], match[4], match[5], match[2], match[3], int.from_bytes(data[3:HEAD], "big"))


class Decoder:
    """Finds frames of both directions: they look the same."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._text_to = HEAD  # before here is text

    def feed(self, data: bytes) -> Iterator[Frame | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        for start in range(0, len(data), MOST):
            self._buffer += data[start : start + MOST]
            yield from self._drain()

    def flush(self) -> Iterator[Frame | Discarded]:
        """Give up on an unfinished frame; there is no other behind its start."""
        if self._buffer:
            yield self._discard("truncated", len(self._buffer))

    def _drain(self) -> Iterator[Frame | Discarded]:
        while self._buffer:
            start = self._start(0)
            if start:
                yield self._discard("noise", start)
                continue
            broken = _NO_TEXT.search(self._buffer, self._text_to)
            if broken is None:
                if len(self._buffer) < MOST:
                    self._text_to = max(HEAD, len(self._buffer))
                    return
                yield self._discard("length", self._start(1))
                continue
            end = broken.start() + len(END)
            if len(self._buffer) < end and END.startswith(self._buffer[broken.start() :]):
                return
            yield self._take(end)

    def _start(self, at: int) -> int:
        """Offset of the next place from `at` on where a frame begins or may begin."""
        found = _START.search(self._buffer, at)
        return len(self._buffer) if found is None else found.start()

    def _take(self, size: int) -> Frame | Discarded:
        try:
            found = Frame.from_bytes(bytes(self._buffer[:size]))
        except RemoteProtocolError as exc:
            return self._discard(exc.code, self._start(1))
        self._forget(size)
        return found

    def _discard(self, reason: str, length: int) -> Discarded:
        data = bytes(self._buffer[:length])
        self._forget(length)
        return Discarded(reason, length, data)

    def _forget(self, length: int) -> None:
        del self._buffer[:length]
        self._text_to = HEAD
