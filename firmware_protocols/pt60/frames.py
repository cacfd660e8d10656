"""Messages of both forms, and the decoder that finds them in a stream.

Publications leave the end out: a message without it counts when the line is quiet and it has its time.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.marked import MarkedDecoder

LONGEST = 1024  # bytes; the longest published has some 500
G, B = "G", "B"
SEPARATOR = {G: ",", B: "|"}
END = {G: "@R#@", B: "@E#@"}
_HEAD = rb"@(?:G#@,|B#@\|)"
# A head that the end of the buffer cuts off.
_START = re.compile(_HEAD + rb"|@(?:[GB](?:#@?)?)?\Z")
_STOP = re.compile(rb"@[RE]#@|[\x00-\x1f]|" + _HEAD)
MARK = 5  # bytes of the longest mark
_TEXT = re.compile(r"[^@\x00-\x1f]*")
_TIME = re.compile(r"\d{14}")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of either direction. `fields`: behind the head, a character for each byte."""

    form: str  # G or B
    fields: tuple[str, ...] = field(repr=False)
    ended: bool = True

    @property
    def time_at(self) -> int | None:
        """Which field is the time: the first of fourteen digits behind the names of device and card."""
        return next((at for at, one in enumerate(self.fields) if at > 2 and _TIME.fullmatch(one)), None)

    def to_bytes(self) -> bytes:
        """The message on the wire. Codes: form, length."""
        if self.form not in SEPARATOR:
            raise LocalProtocolError("form", "a message is of form G or B")
        separator = SEPARATOR[self.form]
        body = separator.join(self.fields)
        if (
            _TEXT.fullmatch(body) is None
            or max(body, default="") > "\xff"
            or body.count(separator) >= len(self.fields)
        ):
            raise LocalProtocolError("form", "no separators, @ and line ends in fields; one field at least")
        text = f"@{self.form}#@{separator}{body}{END[self.form] if self.ended else ''}"
        if len(text) > LONGEST:
            raise LocalProtocolError("length", f"{len(text)} bytes; {LONGEST} are carried at most")
        return text.encode("latin-1")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one message, with its end or without. Codes: begin, trailing, length, form."""
        if re.match(_HEAD, data) is None:
            raise RemoteProtocolError("begin", "a message begins with @G#@, or @B#@|")
        form = chr(data[1])
        text, end = data[MARK:].decode("latin-1"), END[form]
        body, mark, rest = text.partition(end)
        if rest:
            raise RemoteProtocolError("trailing", f"{len(rest)} surplus bytes after the message")
        if len(data) > LONGEST:
            raise RemoteProtocolError("length", f"{len(data)} bytes; {LONGEST} are carried at most")
        if _TEXT.fullmatch(body) is None:
            raise RemoteProtocolError("form", "a byte that is no text")
        return cls(form, tuple(body.split(SEPARATOR[form])), bool(mark))


class Decoder(MarkedDecoder[Frame]):
    """Finds messages of both forms and directions."""

    def __init__(self) -> None:
        super().__init__(_START, _STOP, Frame.from_bytes, longest=LONGEST, longest_stop=MARK)

    def _end(self, stop: re.Match[bytes]) -> int:
        return stop.end() if stop[0] == END[chr(self._buffer[1])].encode() else 0

    def _unmarked(self, data: bytes) -> Frame | None:
        """What has its time and ends with a field."""
        try:
            found = Frame.from_bytes(data)
        except RemoteProtocolError:
            return None
        return found if found.time_at is not None and found.fields[-1] == "" else None
