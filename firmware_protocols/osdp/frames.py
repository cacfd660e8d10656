"""A frame of either direction and its bytes.

    [FF] [53] [address 1] [length 2] [control 1] [security block] [code 1] [data] [MAC 4] [check]

    FF         a mark that lets the receivers settle; some leave it out. Neither length nor check counts it
    address    bit 7 set in a reply; 7F is everybody's, for configuration
    length     little-endian, from 53 to the check
    control    bits 0 and 1 sequence number, 04 the check is a CRC, 08 a security block is there
    check      CRC-16 little-endian, or one byte that brings the sum of all to 0

Leaves out: what code and data mean; whether a MAC is right, which only who has the keys can tell.
Source: README.md beside the package, section osdp.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from firmware_protocols.checksums import twos_complement8
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.osdp.crc16 import crc16
from firmware_protocols.osdp.security_block import MAC_SIZE, SecurityBlock

MARK = 0xFF
SOM = 0x53
REPLY_BIT = 0x80
EVERYBODY = 0x7F
HEADER_SIZE = 5  # 53, address, length, control
SEQUENCE_BITS, CRC_BIT, SECURITY_BIT = 0x03, 0x04, 0x08
_CONTROL_BITS = SEQUENCE_BITS | CRC_BIT | SECURITY_BIT
_LEAST = HEADER_SIZE + 2  # a code and a check of one byte
MAX_FRAME = (
    1440  # bytes without the mark; the longest that the standard lets a panel announce (U). More is noise
)


class Check(StrEnum):
    """How a frame proves that it arrived whole."""

    CRC16 = "crc16"
    CHECKSUM8 = "checksum8"

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return 2 if self is Check.CRC16 else 1

    def of(self, body: bytes | bytearray) -> bytes:
        """The check that belongs behind `body`."""
        return crc16(body).to_bytes(2, "little") if self is Check.CRC16 else bytes([twos_complement8(body)])


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. Its data may be somebody's card or a key and stays out of repr."""

    address: int
    sequence: int
    code: int
    data: bytes = field(default=b"", repr=False)
    reply: bool = False
    check: Check = Check.CRC16
    security: SecurityBlock | None = None
    mac: bytes | None = field(default=None, repr=False)
    mark: bool = field(default=False, compare=False)  # of the line, not of what is said

    def to_bytes(self) -> bytes:
        """The frame on the wire, with its mark where it has one."""
        body = self.body()
        return bytes([MARK] * self.mark) + body + self.check.of(body)

    def body(self) -> bytes:
        """From 53 to the MAC: what the check covers."""
        if self.mac is None and self._mac_size():
            raise LocalProtocolError("mac", "a frame with this security block goes nowhere without its MAC")
        return self.covered() + (self.mac or b"")

    def covered(self) -> bytes:
        """From 53 to the end of the data: what the MAC covers. The length counts MAC and check already."""
        self._require()
        block = self.security.to_bytes() if self.security else b""
        inside = block + bytes([self.code]) + self.data
        size = HEADER_SIZE + len(inside) + self._mac_size() + self.check.size
        if size > MAX_FRAME:
            raise LocalProtocolError("length", f"a frame of {size} bytes; {MAX_FRAME} are carried at most")
        control = self.sequence | CRC_BIT * (self.check is Check.CRC16) | SECURITY_BIT * bool(block)
        address = self.address | REPLY_BIT * self.reply
        return bytes([SOM, address, *size.to_bytes(2, "little"), control]) + inside

    def _mac_size(self) -> int:
        return MAC_SIZE if self.security is not None and self.security.has_mac else 0

    def _require(self) -> None:
        if not 0 <= self.address <= EVERYBODY:
            raise LocalProtocolError("range", f"address {self.address} is not 0 to {EVERYBODY}")
        if not 0 <= self.sequence <= SEQUENCE_BITS:
            raise LocalProtocolError("range", f"sequence number {self.sequence} is not 0 to 3")
        if not 0 <= self.code <= 0xFF:
            raise LocalProtocolError("range", f"code {self.code} is no byte")
        if self.mac is not None and len(self.mac) != self._mac_size():
            raise LocalProtocolError("mac", f"{len(self.mac)} bytes of MAC where {self._mac_size()} belong")

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Exactly one frame of either direction.

        Codes: sync, truncated, length, control, security_block, checksum, trailing.
        """
        marked = frame[:1] == bytes([MARK])
        raw = frame[1:] if marked else frame
        if not raw:
            raise RemoteProtocolError("truncated", f"{len(frame)} bytes are no frame yet")
        if raw[0] != SOM:
            raise RemoteProtocolError("sync", "the frame does not begin with 53, or FF 53")
        if len(raw) < HEADER_SIZE:
            raise RemoteProtocolError("truncated", f"{len(raw)} bytes: the frame ends inside its header")
        size = size_of(raw)
        refused = refusal(raw)
        if refused is not None:
            raise RemoteProtocolError(refused, f"a header that cannot be; it claims {size} bytes")
        if len(raw) < size:
            raise RemoteProtocolError("truncated", f"{size - len(raw)} of {size} bytes are missing: cut off")
        if not is_whole(raw[:size]):
            raise RemoteProtocolError("checksum", f"wrong {check_of(raw)} over {size} bytes")
        if len(raw) > size:
            raise RemoteProtocolError("trailing", f"{len(raw) - size} surplus bytes after the frame")
        return cls.parse(raw, marked=marked)

    @classmethod
    def parse(cls, raw: bytes, *, marked: bool) -> Self:
        """A frame whose header and check were found right. Code: security_block, length."""
        control, check = raw[4], check_of(raw)
        inside = raw[HEADER_SIZE : -2 if control & CRC_BIT else -1]
        block = SecurityBlock.from_bytes(inside) if control & SECURITY_BIT else None
        start = inside[0] if block else 0  # its length
        end = len(inside) - (MAC_SIZE if block and block.has_mac else 0)
        if start >= end:
            raise RemoteProtocolError("length", f"{len(raw)} bytes leave no room for a code")
        return cls(
            address=raw[1] & ~REPLY_BIT,
            sequence=control & SEQUENCE_BITS,
            code=inside[start],
            data=inside[start + 1 : end],
            reply=bool(raw[1] & REPLY_BIT),
            check=check,
            security=block,
            mac=inside[end:] if block and block.has_mac else None,
            mark=marked,
        )


def size_of(raw: bytes | bytearray) -> int:
    """The length that a whole header claims."""
    return int.from_bytes(raw[2:4], "little")


def check_of(raw: bytes | bytearray) -> Check:
    """Which check a whole header promises."""
    return Check.CRC16 if raw[4] & CRC_BIT else Check.CHECKSUM8


def refusal(raw: bytes | bytearray) -> str | None:
    """Why a whole header (53 first) cannot be one; None where it can."""
    control = raw[4]
    if control & ~_CONTROL_BITS:
        return "control"
    least = _LEAST + (1 if control & CRC_BIT else 0) + (2 if control & SECURITY_BIT else 0)
    return None if least <= raw[2] | raw[3] << 8 <= MAX_FRAME else "length"


def is_whole(raw: bytes | bytearray) -> bool:
    """Whether the check at the end of `raw` fits."""
    if raw[4] & CRC_BIT:
        return crc16(raw[:-2]) == raw[-2] | raw[-1] << 8
    return sum(raw) & 0xFF == 0
