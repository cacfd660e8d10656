"""Typed replies of the reader. Cards and keys that somebody pressed stay out of repr.

Source: README.md beside the package, section osdp.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.osdp.codes import Reply
from firmware_protocols.osdp.commands import VENDOR_SIZE
from firmware_protocols.osdp.layout import Fixed, packed, require


@dataclass(frozen=True, slots=True)
class BareReply:
    """A reply without data: ACK, BUSY."""

    code: int

    def to_data(self) -> bytes:
        """None."""
        return b""


BARE_REPLIES = frozenset({Reply.ACK, Reply.BUSY})
ACK = BareReply(Reply.ACK)
BUSY = BareReply(Reply.BUSY)


@dataclass(frozen=True, slots=True)
class Nak:
    """NAK: why not (codes.NAKS). Some readers add what it was about."""

    number: int
    about: bytes = b""
    code: int = field(default=Reply.NAK, init=False)

    def to_data(self) -> bytes:
        """One byte, and what it was about."""
        return packed(self.number, 1) + self.about

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("NAK", len(data) > 0, data)
        return cls(data[0], data[1:])


@dataclass(frozen=True, slots=True)
class Identity(Fixed):
    """PDID: who the reader is. Readers differ in the order of the maker's code, so its bytes are kept."""

    CODE: ClassVar[int] = Reply.PDID
    SIZES: ClassVar[tuple[int, ...]] = (3, 1, 1, 4, 3)

    vendor: bytes
    model: int
    version: int
    serial: int
    firmware: bytes


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that a reader can do, how well, how many of it."""

    function: int
    compliance: int
    number: int


SECURITY = 9  # the function that says whether a reader can secure its channel


@dataclass(frozen=True, slots=True)
class Capabilities:
    """PDCAP: all of them."""

    items: tuple[Capability, ...]
    code: int = field(default=Reply.PDCAP, init=False)

    @property
    def secures(self) -> bool:
        """Whether it can secure its channel with AES-128 (S)."""
        return any(one.function == SECURITY and one.compliance & 1 for one in self.items)

    def to_data(self) -> bytes:
        """Three bytes for each."""
        return b"".join(
            packed(value, 1) for one in self.items for value in (one.function, one.compliance, one.number)
        )

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("PDCAP", len(data) % 3 == 0, data)
        return cls(tuple(Capability(*data[at : at + 3]) for at in range(0, len(data), 3)))


@dataclass(frozen=True, slots=True)
class LocalStatus(Fixed):
    """LSTATR: 1 where the reader was opened; 1 where its power fails."""

    CODE: ClassVar[int] = Reply.LSTATR
    SIZES: ClassVar[tuple[int, ...]] = (1, 1)

    tamper: int
    power: int


@dataclass(frozen=True, slots=True)
class States:
    """ISTATR, OSTATR, RSTATR: one byte for each input, output, reader."""

    code: int
    values: tuple[int, ...]

    def to_data(self) -> bytes:
        """The bytes."""
        return b"".join(packed(value, 1) for value in self.values)


STATES = frozenset({Reply.ISTATR, Reply.OSTATR, Reply.RSTATR})


@dataclass(frozen=True, slots=True)
class CardBits:
    """RAW: the bits of a card, first bit first; the last byte is filled up behind its bits."""

    reader: int
    format: int  # 0 unspecified, 1 P/data/P
    count: int
    content: bytes = field(repr=False)
    code: int = field(default=Reply.RAW, init=False)

    @property
    def bits(self) -> str:
        """As digits 0 and 1."""
        return "".join(f"{byte:08b}" for byte in self.content)[: self.count]

    @classmethod
    def of_bits(cls, reader: int, bits: str) -> Self:
        """A card of unspecified format."""
        if set(bits) - {"0", "1"}:
            raise LocalProtocolError("range", "a bit is 0 or 1")
        content = bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))
        return cls(reader, 0, len(bits), content)

    def to_data(self) -> bytes:
        """Four bytes and the bits. Code: range."""
        if len(self.content) != _bytes_of(self.count):
            raise LocalProtocolError("range", f"{len(self.content)} bytes for {self.count} bits")
        return packed(self.reader, 1) + packed(self.format, 1) + packed(self.count, 2) + self.content

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        count = int.from_bytes(data[2:4], "little")
        require("RAW", len(data) >= 4 and len(data) - 4 == _bytes_of(count), data)
        return cls(data[0], data[1], count, data[4:])


def _bytes_of(bits: int) -> int:
    return (bits + 7) // 8


@dataclass(frozen=True, slots=True)
class CardText:
    """FMT (old): a card as characters."""

    reader: int
    direction: int
    content: bytes = field(repr=False)
    code: int = field(default=Reply.FMT, init=False)

    def to_data(self) -> bytes:
        """Three bytes and the characters."""
        return packed(self.reader, 1) + packed(self.direction, 1) + _counted(self.content)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("FMT", len(data) >= 3 and data[2] == len(data) - 3, data)
        return cls(data[0], data[1], data[3:])


@dataclass(frozen=True, slots=True)
class Keys:
    """KEYPAD: what was pressed. Digits in ASCII, 7F is `*`, 0D is `#` (U)."""

    reader: int
    content: bytes = field(repr=False)
    code: int = field(default=Reply.KEYPAD, init=False)

    def to_data(self) -> bytes:
        """Two bytes and the keys."""
        return packed(self.reader, 1) + _counted(self.content)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("KEYPAD", len(data) >= 2 and data[1] == len(data) - 2, data)
        return cls(data[0], data[2:])


def _counted(content: bytes) -> bytes:
    return packed(len(content), 1) + content


@dataclass(frozen=True, slots=True)
class Communication(Fixed):
    """COM: address and speed from now on."""

    CODE: ClassVar[int] = Reply.COM
    SIZES: ClassVar[tuple[int, ...]] = (1, 4)

    new_address: int
    baud: int


@dataclass(frozen=True, slots=True)
class ClientCryptogram(Fixed):
    """CCRYPT: the reader's own number, its random number, its proof that it has the key."""

    CODE: ClassVar[int] = Reply.CCRYPT
    SIZES: ClassVar[tuple[int, ...]] = (8, 8, 16)

    client_uid: bytes
    rnd_b: bytes = field(repr=False)
    cryptogram: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FirstMac(Fixed):
    """RMAC_I: the MAC that the chain begins with."""

    CODE: ClassVar[int] = Reply.RMAC_I
    SIZES: ClassVar[tuple[int, ...]] = (16,)

    mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FromMaker:
    """MFGREP: what only one maker understands."""

    vendor: bytes
    content: bytes = field(repr=False)
    code: int = field(default=Reply.MFGREP, init=False)

    def to_data(self) -> bytes:
        """The maker's three bytes and the content."""
        return packed(self.vendor, VENDOR_SIZE) + self.content

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("MFGREP", len(data) >= VENDOR_SIZE, data)
        return cls(data[:VENDOR_SIZE], data[VENDOR_SIZE:])
