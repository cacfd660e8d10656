"""Frames of the wristband, and the decoder that finds them in a stream.

No byte of a text is 00 or FF, neither in ASCII nor in GBK nor in UTF-8: a frame ends at the first of them, and is one
where `FF FE FC` stands there. The length is compared and not needed.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.marked import MarkedDecoder

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


class Decoder(MarkedDecoder[Frame]):
    """Finds frames of both directions: they look the same."""

    def __init__(self) -> None:
        super().__init__(_START, _NO_TEXT, Frame.from_bytes, longest=MOST, stops_from=HEAD)

    def _end(self, stop: re.Match[bytes]) -> int:
        is_end = END.startswith(self._buffer[stop.start() : stop.start() + len(END)])
        return stop.start() + len(END) if is_end else 0
