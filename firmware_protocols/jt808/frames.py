"""Frames of JT/T 808 in both layouts of the header, and the decoder that finds them in a stream.

                     2013                       2019 (attributes bit 14)
    message id       WORD                       WORD
    attributes       WORD                       WORD: bits 0-9 body length, 10-12 encryption, 13 sub-package
    version          –                          BYTE
    phone            BCD[6]                     BCD[10]
    serial           WORD                       WORD
    sub-package      total WORD, number WORD    the same; only with bit 13

Some devices set bit 14 with a header of 2013: the layout is the one whose length fits. The vendor's messages 5501 and
5502 have a serial number of one byte.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.checksums import xor8
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded

FLAG = 0x7E
FLAG_BYTE = bytes([FLAG])
ESCAPE = 0x7D
MAX_BODY = 1023
_LEAST = 13  # bytes of a header and its check
LONGEST = 2 * (21 + MAX_BODY + 1) + 2  # bytes between two flags, all of them escaped
SHORT_SERIAL = frozenset({0x5501, 0x5502, 0x4401})
_NO_ESCAPE = re.compile(rb"\x7d(?![\x01\x02])")
_VERSION_BIT, _PACKAGE_BIT, _LENGTH_BITS = 1 << 14, 1 << 13, 0x3FF


@dataclass(frozen=True, slots=True)
class Frame:
    """One message, or one package of it."""

    msg_id: int
    phone: str  # digits as in the header, leading zeros included; hex digits where they are none
    serial: int
    body: bytes = field(default=b"", repr=False)
    version: int | None = None  # 2019: 1
    package: tuple[int, int] | None = None  # of how many, which one, from 1
    attributes: int | None = None  # as they came; None: as they are
    check: int | None = None  # the same

    @property
    def device_id(self) -> str:
        """The phone without leading zeros; an IMEI where its nibbles are no digits."""
        if self.phone.isdigit():
            return self.phone.lstrip("0")
        raw = bytes.fromhex(self.phone)
        if len(raw) != 6:
            return self.phone
        digits = f"{int.from_bytes(raw[:2], 'big') << 32 | int.from_bytes(raw[2:], 'big'):014d}"
        return digits + _luhn(digits)

    @property
    def bits(self) -> int:
        """The attributes."""
        if self.attributes is not None:
            return self.attributes
        found = len(self.body) & _LENGTH_BITS
        found |= _PACKAGE_BIT if self.package else 0
        return found | (_VERSION_BIT if self.version is not None else 0)

    @property
    def claimed(self) -> int:
        """Length of the body by the attributes."""
        return self.bits & _LENGTH_BITS

    @property
    def encryption(self) -> int:
        """0: none, 1: RSA; of the vendor's messages something else."""
        return self.bits >> 10 & 7

    @property
    def flags_version(self) -> bool:
        """Whether bit 14 is set."""
        return bool(self.bits & _VERSION_BIT)

    @property
    def content(self) -> bytes:
        """Header and body, over which the check goes."""
        head = self.msg_id.to_bytes(2, "big") + self.bits.to_bytes(2, "big")
        if self.version is not None:
            head += bytes([self.version])
        head += bytes.fromhex(self.phone) + self.serial.to_bytes(
            1 if self.msg_id in SHORT_SERIAL else 2, "big"
        )
        for number in self.package or ():
            head += number.to_bytes(2, "big")
        return head + self.body

    @property
    def computed(self) -> int:
        """The check as it should be."""
        return xor8(self.content)

    def to_bytes(self) -> bytes:
        """The frame on the wire. Codes: length, phone."""
        if len(self.body) > MAX_BODY:
            raise LocalProtocolError(
                "length", f"{len(self.body)} bytes of body; {MAX_BODY} at most: sub-package it"
            )
        if len(self.phone) != (20 if self.version is not None else 12):
            raise LocalProtocolError("phone", "a phone has 12 digits in a header of 2013, 20 in one of 2019")
        check = self.computed if self.check is None else self.check
        return FLAG_BYTE + escaped(self.content + bytes([check])) + FLAG_BYTE

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one frame, a wrong check included: ask `check` and `computed`. Codes: flag, truncated, escape, …"""
        if len(data) < 2 or data[0] != FLAG or data[-1] != FLAG:
            code = "truncated" if data[:1] == FLAG_BYTE else "flag"
            raise RemoteProtocolError(code, "a frame begins and ends with 7E")
        found = cls.from_content(unescaped(data[1:-1]))
        if FLAG in data[1:-1] and found.claimed != len(
            found.body
        ):  # published without its escapes, or two frames
            raise RemoteProtocolError("trailing", "a flag inside the frame")
        return found

    @classmethod
    def from_content(cls, content: bytes) -> Self:
        """Of what stood between the flags, unescaped. Codes: truncated, length."""
        if len(content) < _LEAST:
            raise RemoteProtocolError(
                "truncated", f"{len(content)} bytes are less than a header and its check"
            )
        msg_id, attributes = int.from_bytes(content[:2], "big"), int.from_bytes(content[2:4], "big")
        length = attributes & _LENGTH_BITS
        packaged = bool(attributes & _PACKAGE_BIT) and msg_id not in SHORT_SERIAL
        new = bool(attributes & _VERSION_BIT) and msg_id not in SHORT_SERIAL
        sizes = {edition: _header(edition, msg_id, packaged=packaged) for edition in (False, True)}
        fits = [edition for edition, size in sizes.items() if size + length + 1 == len(content)]
        edition = fits[0] if len(fits) == 1 else new
        if len(content) < sizes[edition] + 1:
            edition = False
        size = sizes[edition]
        if len(content) < size + 1:
            raise RemoteProtocolError(
                "truncated", f"{len(content)} bytes are less than a header and its check"
            )
        at = 5 if edition else 4
        phone = content[at : at + (10 if edition else 6)]
        at += len(phone)
        width = 1 if msg_id in SHORT_SERIAL else 2
        serial = int.from_bytes(content[at : at + width], "big")
        body = content[size:-1]
        package = None
        if packaged:
            package = (
                int.from_bytes(content[size - 4 : size - 2], "big"),
                int.from_bytes(content[size - 2 : size], "big"),
            )
        return cls(
            msg_id,
            phone.hex(),
            serial,
            bytes(body),
            content[4] if edition else None,
            package,
            attributes,
            content[-1],
        )


def _header(new: bool, msg_id: int, *, packaged: bool) -> int:  # noqa: FBT001 - which edition, not a switch
    size = 17 if new else 12
    size -= msg_id in SHORT_SERIAL
    return size + 4 * packaged


def _luhn(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def escaped(content: bytes) -> bytes:
    """7D as 7D 01, 7E as 7D 02."""
    return content.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")


def unescaped(content: bytes) -> bytes:
    """Inverse of `escaped`. Code: escape."""
    if ESCAPE not in content:
        return content
    wrong = _NO_ESCAPE.search(content)
    if wrong is not None:
        raise RemoteProtocolError("escape", f"7D at byte {wrong.start()} is followed by neither 01 nor 02")
    return content.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")


class Deframer:
    """Cuts a stream at its flags; empty frames, which stand where two flags meet, are left out.

    A flag is never paired blindly: whoever joins in the middle would stay inverted for ever. Each flag ends what is
    before it and may begin what is behind it.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes | Discarded]:
        """Frames with both flags, and noise."""
        for start in range(0, len(data), LONGEST):
            self._buffer += data[start : start + LONGEST]
            yield from self._drain()

    def flush(self) -> Iterator[bytes | Discarded]:
        """What was begun and not ended. A flag alone may still be the beginning of the next frame."""
        if self._buffer:
            yield self._discard("truncated" if self._begun else "noise", len(self._buffer))
        self._begun = False

    def _drain(self) -> Iterator[bytes | Discarded]:
        while True:
            at = self._buffer.find(FLAG)
            if at < 0:
                if len(self._buffer) > LONGEST:
                    yield self._discard("length" if self._begun else "noise", len(self._buffer))
                    self._begun = False
                return
            inside = bytes(self._buffer[:at])
            if inside and self._begun:
                del self._buffer[: at + 1]
                yield FLAG_BYTE + inside + FLAG_BYTE
            else:
                if inside:
                    yield self._discard("noise", at)
                del self._buffer[:1]
            self._begun = True

    def _discard(self, reason: str, length: int) -> Discarded:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return Discarded(reason, length, data)


class Decoder:
    """Finds sound frames of both directions."""

    def __init__(self) -> None:
        self._deframer = Deframer()

    def feed(self, data: bytes) -> Iterator[Frame | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        return (_sound(one) for one in self._deframer.feed(data))

    def flush(self) -> Iterator[Frame | Discarded]:
        """Give up on an unfinished frame."""
        return (_sound(one) for one in self._deframer.flush())


def _sound(found: bytes | Discarded) -> Frame | Discarded:
    if isinstance(found, Discarded):
        return found
    if len(found) < _LEAST + 2:  # a stream of flags holds hundreds of thousands: no error is made for each
        return Discarded("truncated", len(found), found)
    try:
        frame = Frame.from_bytes(found)
    except RemoteProtocolError as exc:
        return Discarded(exc.code, len(found), found)
    if frame.check != frame.computed:
        return Discarded("checksum", len(found), found)
    if frame.claimed != len(frame.body):
        return Discarded("length", len(found), found)
    return frame
