"""Lines of the bracelet, and the decoder that finds them in a stream.

A line counts as whole with its check; CR and LF behind it are `line_end`, which is no fault.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.checksums import xor8
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.marked import MarkedDecoder

BEGIN, CHECK = b"$", b"*"
LINE_END = "line_end"  # the reason of what stands between lines
LONGEST = 512  # bytes; the longest published has some 120
_WORD = rb"[A-Z]{2,8}"
_START = re.compile(rb"\$(?:" + _WORD + rb"[,*]|[A-Z]{0,8}\Z)")
_STOP = re.compile(rb"[$*\x00-\x1f]")
_LINE = re.compile(rb"\$(" + _WORD + rb")((?:,[^$*,\x00-\x1f]*)*)\*([0-9A-Fa-f]{2})")
_HEX = re.compile(rb"[0-9A-Fa-f]{2}|[0-9A-Fa-f]?\Z")  # of the check, or what came of it
_LINE_END = re.compile(rb"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of either direction."""

    word: str
    fields: tuple[str, ...] = field(default=(), repr=False)
    check: str | None = None  # as it came; None: as it is

    @property
    def covered(self) -> bytes:
        """What the check goes over, a byte for each character: what was heard may hold any."""
        return ",".join((self.word, *self.fields)).encode("latin-1", "replace")

    @property
    def computed(self) -> str:
        """The check as it should be."""
        return f"{xor8(self.covered):02X}"

    @property
    def sound(self) -> bool:
        """The check is right."""
        return self.check is None or self.check.upper() == self.computed

    def to_bytes(self) -> bytes:
        """The line without its end; one that was heard is what it was. Codes: form, length."""
        line = BEGIN + self.covered + CHECK + (self.check or self.computed).encode("latin-1", "replace")
        if _LINE.fullmatch(line) is None or max("".join(self.fields), default="") > "\xff":
            raise LocalProtocolError(
                "form", "a word has two to eight letters; no $, * and line ends in fields"
            )
        if len(line) > LONGEST:
            raise LocalProtocolError("length", f"{len(line)} bytes; {LONGEST} are carried at most")
        return line

    def to_line(self) -> bytes:
        """As it is sent."""
        return self.to_bytes() + b"\r\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one line, a wrong check included: ask `sound`. Codes: begin, truncated, trailing, length, form."""
        if not data.startswith(BEGIN):
            raise RemoteProtocolError("begin", "a line begins with $")
        star = data.find(CHECK)
        if star < 0 or len(data) < star + 3:
            raise RemoteProtocolError("truncated", f"{len(data)} bytes and no check behind a *")
        rest = data[star + 3 :]
        if rest and _LINE_END.fullmatch(rest) is None:
            raise RemoteProtocolError("trailing", f"{len(rest)} surplus bytes after the line")
        if star + 3 > LONGEST:
            raise RemoteProtocolError("length", f"{star + 3} bytes; {LONGEST} are carried at most")
        match = _LINE.fullmatch(data[: star + 3])
        if match is None:
            raise RemoteProtocolError("form", "not $WORD,fields*hh")
        fields = tuple(match[2].decode("latin-1").split(",")[1:])
        return cls(match[1].decode("ascii"), fields, match[3].decode("ascii"))


class Decoder(MarkedDecoder[Frame]):
    """Finds lines of both directions, sound or not: whoever asks decides what an unsound one is worth."""

    def __init__(self) -> None:
        super().__init__(_START, _STOP, Frame.from_bytes, longest=LONGEST)

    def _end(self, stop: re.Match[bytes]) -> int:
        is_end = stop[0] == CHECK and _HEX.match(self._buffer, stop.end()) is not None
        return stop.start() + 3 if is_end else 0

    def _noise(self, length: int) -> Discarded:
        between = _LINE_END.match(self._buffer)
        return super()._noise(length) if between is None else self._discard(LINE_END, between.end())
