"""Messages `TRVAP01…#`, and the decoder that finds them in a stream.

Some publications leave the # out: a message without it counts when the line is quiet and it reads as a whole one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
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


class Decoder:
    """Finds messages of both directions."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._plain_to = 0  # no stop before here

    def feed(self, data: bytes) -> Iterator[Frame | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        for start in range(0, len(data), LONGEST):
            self._buffer += data[start : start + LONGEST]
            yield from self._drain()

    def flush(self) -> Iterator[Frame | Discarded]:
        """The line is quiet: what reads as a whole message is one, the rest is given up."""
        if not self._buffer:
            return
        found = _MESSAGE.fullmatch(self._buffer.decode("latin-1"))
        form = None if found is None else FORMS.get(found[2])
        if found is not None and form is not None and form.fullmatch(found[3]) is not None:
            self._forget(len(self._buffer))
            yield Frame(found[1], found[2], found[3], ended=False)
        else:
            yield self._discard("truncated", len(self._buffer))

    def _drain(self) -> Iterator[Frame | Discarded]:
        while self._buffer:
            start = self._start(0)
            if start:
                yield self._discard("noise", start)
                continue
            stop = _STOP.search(self._buffer, max(1, self._plain_to))
            if stop is None and len(self._buffer) < LONGEST:
                self._plain_to = len(self._buffer) - HEAD + 1
                return
            if stop is None or stop.start() >= LONGEST:
                yield self._discard("length", self._start(1))
            elif stop[0] != END:
                yield self._discard("truncated", self._start(1))
            else:
                yield self._take(stop.end())

    def _start(self, at: int) -> int:
        """Offset of the next place from `at` on where a message begins or may begin."""
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
        self._plain_to = 0
