"""Messages of both forms, and the decoder that finds them in a stream.

Publications leave the end out: a message without it counts when the line is quiet and it has its time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded

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


class Decoder:
    """Finds messages of both forms and directions."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._plain_to = 1  # no stop before here

    def feed(self, data: bytes) -> Iterator[Frame | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        for start in range(0, len(data), LONGEST):
            self._buffer += data[start : start + LONGEST]
            yield from self._drain()

    def flush(self) -> Iterator[Frame | Discarded]:
        """The line is quiet: what has its time and ends with a field is a message, the rest is given up."""
        if not self._buffer:
            return
        try:
            found = Frame.from_bytes(bytes(self._buffer))
        except RemoteProtocolError as exc:
            yield self._discard("truncated" if exc.code == "begin" else exc.code, len(self._buffer))
            return
        if found.time_at is not None and found.fields[-1] == "":
            self._forget(len(self._buffer))
            yield found
        else:
            yield self._discard("truncated", len(self._buffer))

    def _drain(self) -> Iterator[Frame | Discarded]:
        while self._buffer:
            start = self._start(0)
            if start:
                yield self._discard("noise", start)
                continue
            stop = _STOP.search(self._buffer, self._plain_to)
            if stop is None and len(self._buffer) < LONGEST:
                self._plain_to = max(1, len(self._buffer) - MARK + 1)
                return
            if stop is None or stop.end() > LONGEST:
                yield self._discard("length", self._start(1))
            elif stop[0] == END[chr(self._buffer[1])].encode():
                yield self._take(stop.end())
            else:
                yield self._discard("truncated", self._start(1))

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
        self._plain_to = 1
