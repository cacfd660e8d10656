"""Frames of xexun2, and the decoder that finds them in a stream.

    FA AF | type WORD | serial WORD | IMEI BCD[8]: 15 digits and a filler | attributes WORD: bits 0-9 length of the
    payload | checksum WORD over the payload | payload | FA AF

Between the flags FA AF is written as FB BF 01, and FB BF as FB BF 02. A flag is never paired blindly: whoever joins in
the middle would stay inverted for ever. Each may begin a frame, also one that ended a frame which lost its own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.searching import SearchingDecoder

FLAG, ESCAPE = b"\xfa\xaf", b"\xfb\xbf"
HEAD = 16  # bytes from the type to the checksum
MOST_PAYLOAD = 0x3FF
LONGEST = len(FLAG) + (HEAD + MOST_PAYLOAD) * 3 // 2 + 1  # bytes to the flag at the end, all of them escaped
_MEANT: Mapping[bytes, bytes] = MappingProxyType({b"\x01": FLAG, b"\x02": ESCAPE})
_ESCAPED = re.compile(rb"\xfb\xbf(.?)", re.DOTALL)
# A flag with room for a head behind it, or what the end of the buffer shows of one.
_PLAIN = rb"(?:(?!\xfa\xaf).)"
_START = re.compile(rb"\xfa(?:\xaf(?:%b{16}|%b{0,15}\Z)|\Z)" % (_PLAIN, _PLAIN), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of either direction."""

    msg: int  # the type
    serial: int
    identity: bytes = field(repr=False)  # IMEI as it came
    payload: bytes = field(default=b"", repr=False)
    attributes: int | None = None  # as they came; None: as they are
    check: int | None = None  # the same

    @property
    def imei(self) -> str:
        """Fifteen digits."""
        return self.identity.hex()[:15]

    @property
    def claimed(self) -> int:
        """Length of the payload by the attributes."""
        return len(self.payload) if self.attributes is None else self.attributes & MOST_PAYLOAD

    @property
    def length_ok(self) -> bool:
        """Whether it is that."""
        return self.claimed == len(self.payload)

    @property
    def computed(self) -> int:
        """The checksum as it should be: the sum of the bytes, inverted."""
        return ~sum(self.payload) & 0xFFFF

    @property
    def check_ok(self) -> bool:
        """Whether it is that; of a sum beyond 16 bits also with its carry added, for no such frame is published."""
        total = sum(self.payload)
        return self.check in (None, self.computed, ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)

    @property
    def content(self) -> bytes:
        """What is between the flags, unescaped."""
        attributes = len(self.payload) if self.attributes is None else self.attributes
        check = self.computed if self.check is None else self.check
        head = self.msg.to_bytes(2, "big") + self.serial.to_bytes(2, "big") + self.identity
        return head + attributes.to_bytes(2, "big") + check.to_bytes(2, "big") + self.payload

    def to_bytes(self) -> bytes:
        """The frame on the wire; one that was heard is what it was. Codes: length, imei."""
        if len(self.payload) > MOST_PAYLOAD:
            raise LocalProtocolError(
                "length", f"{len(self.payload)} bytes of payload; {MOST_PAYLOAD} are carried at most"
            )
        if len(self.identity) != 8:
            raise LocalProtocolError("imei", "an IMEI has 8 bytes here")
        return FLAG + escaped(self.content) + FLAG

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one frame, a wrong length or checksum included. Codes: flag, truncated, trailing, escape."""
        if not data.startswith(FLAG):
            raise RemoteProtocolError("flag", "a frame begins with FA AF")
        end = data.find(FLAG, len(FLAG))
        if end < 0:
            raise RemoteProtocolError("truncated", f"{len(data)} bytes and no FA AF at their end")
        if end + len(FLAG) != len(data):
            raise RemoteProtocolError("trailing", f"{len(data) - end - 2} surplus bytes after the frame")
        return cls.from_content(unescaped(data[len(FLAG) : end]))

    @classmethod
    def from_content(cls, content: bytes) -> Self:
        """Of what stood between the flags, unescaped. Code: truncated."""
        if len(content) < HEAD:
            raise RemoteProtocolError("truncated", f"{len(content)} bytes; a head has {HEAD}")
        msg, serial, attributes, check = (
            int.from_bytes(content[at : at + 2], "big") for at in (0, 2, 12, 14)
        )
        return cls(msg, serial, content[4:12], content[HEAD:], attributes, check)


def escaped(content: bytes) -> bytes:
    """Without a flag in it."""
    return content.replace(ESCAPE, ESCAPE + b"\x02").replace(FLAG, ESCAPE + b"\x01")


def unescaped(content: bytes) -> bytes:
    """Inverse of `escaped`. Code: escape."""

    def meant(found: re.Match[bytes]) -> bytes:
        if found[1] not in _MEANT:
            raise RemoteProtocolError(
                "escape", f"FB BF at byte {found.start()} is followed by neither 01 nor 02"
            )
        return _MEANT[found[1]]

    return _ESCAPED.sub(meant, content)


class Decoder(SearchingDecoder[Frame]):
    """Finds sound frames of both directions."""

    def __init__(self) -> None:
        super().__init__(_START)
        self._spent = 0  # bytes at its front that ended a frame, and may begin one

    def flush(self) -> Iterator[Frame | Discarded]:
        """Give up on an unfinished frame: nothing that is whole lies in it."""
        reason = "truncated" if self._buffer.startswith(FLAG) else "noise"
        found = self._noise(reason, self._spent, len(self._buffer))
        self._buffer.clear()
        self._spent = 0
        return iter(found)

    def _drain(self) -> Iterator[Frame | Discarded]:
        found: list[Frame | Discarded] = []
        begun, at, reason = self._spent, 0, "noise"  # what lies between `begun` and `at` is none
        while (start := self._start_from(at)) < len(self._buffer):
            end = self._buffer.find(FLAG, start + len(FLAG))
            if end < 0 and len(self._buffer) - start <= LONGEST:
                break
            one = self._frame(start, end)
            if isinstance(one, Frame):
                found += [*self._noise(reason, begun, start), one]
                begun, at, reason = end + len(FLAG), end, "noise"
                continue
            reason = one if start <= begun else reason
            at = start + len(FLAG) if end < 0 else end
        found += self._noise(reason, begun, start)
        self._forget(start)
        self._spent = max(0, begun - start)
        return iter(found)

    def _frame(self, start: int, end: int) -> Frame | str:
        """What is between two flags, or why it is none; `end` below 0: no flag so far."""
        if end < 0 or end - start > LONGEST:
            return "length"
        try:
            frame = Frame.from_content(unescaped(bytes(self._buffer[start + len(FLAG) : end])))
        except RemoteProtocolError as exc:
            return exc.code
        if not frame.length_ok:
            return "length"
        return frame if frame.check_ok else "checksum"

    def _noise(self, reason: str, start: int, end: int) -> list[Discarded]:
        return [Discarded(reason, end - start, bytes(self._buffer[start:end]))] if start < end else []
