"""Messages `TRVAP01…#`, and the decoder that finds them in a stream.

Some publications leave the # out: a message without it counts when the line is quiet and it reads as a whole one.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.marked import MarkedDecoder
from firmware_protocols.trv.texts import FORMS

END = b"#"
LONGEST = 1024  # bytes; the longest published has some 250
HEAD = 7  # letters of the longest head
_HEAD = rb"(?:TRV|IW)[A-Z]P[0-9A-Z]{2}"
# A head that the end of the buffer cuts off.
_BEGUN = rb"(?:T(?:R(?:V(?:[A-Z](?:P[0-9A-Z]?)?)?)?)?|I(?:W(?:[A-Z](?:P[0-9A-Z]?)?)?)?)\Z"
_START = re.compile(_HEAD + rb"|" + _BEGUN)
_STOP = re.compile(rb"[#\x00-\x1f]|" + _HEAD)
_MESSAGE = re.compile(r"(TRV|IW)([A-Z]P[0-9A-Z]{2})([^#\x00-\x1f]*)(#?)")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of either direction."""

    maker: str
    word: str  # AP01
    body: str = field(default="", repr=False)  # a character for each byte
    ended: bool = True  # by a #

    def to_bytes(self) -> bytes:
        """The message on the wire. Codes: form, length."""
        text = f"{self.maker}{self.word}{self.body}{'#' if self.ended else ''}"
        match = _MESSAGE.fullmatch(text)
        if match is None or match[2] != self.word or max(text) > "\xff":
            raise LocalProtocolError(
                "form", "not TRV or IW, a word of four, and a text without # and line ends"
            )
        if len(text) > LONGEST:
            raise LocalProtocolError("length", f"{len(text)} bytes; {LONGEST} are carried at most")
        return text.encode("latin-1")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one message, its # or not. Codes: begin, trailing, length, form."""
        end = data.find(END)
        if 0 <= end < len(data) - 1:
            raise RemoteProtocolError("trailing", f"{len(data) - end - 1} surplus bytes after the message")
        if len(data) > LONGEST:
            raise RemoteProtocolError("length", f"{len(data)} bytes; {LONGEST} are carried at most")
        if re.match(_HEAD, data) is None:
            raise RemoteProtocolError("begin", "a message begins with TRV or IW and a word of four")
        match = _MESSAGE.fullmatch(data.decode("latin-1"))
        if match is None:
            raise RemoteProtocolError("form", "a byte that is no text")
        return cls(match[1], match[2], match[3], match[4] == "#")


class Decoder(MarkedDecoder[Frame]):
    """Finds messages of both directions."""

    def __init__(self) -> None:
        super().__init__(_START, _STOP, Frame.from_bytes, longest=LONGEST, longest_stop=HEAD)

    def _end(self, stop: re.Match[bytes]) -> int:
        return stop.end() if stop[0] == END else 0

    def _unmarked(self, data: bytes) -> Frame | None:
        """What reads as a whole message."""
        found = _MESSAGE.fullmatch(data.decode("latin-1"))
        form = None if found is None else FORMS.get(found[2])
        if found is None or form is None or form.fullmatch(found[3]) is None:
            return None
        return Frame(found[1], found[2], found[3], ended=False)
