"""Typed commands of the control panel. Biometrics and files: biometrics.py, files.py.

Times of light and sound are counted in 100 ms. A key never shows in repr.
Source: README.md beside the package, section osdp.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Self

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.osdp.codes import Command
from firmware_protocols.osdp.layout import Fixed, packed, require

KEY_SIZE = 16
SCBK = 1  # type of the one key that can be set
VENDOR_SIZE = 3


class Colour(IntEnum):
    """Of a light (U)."""

    OFF = 0
    RED = 1
    GREEN = 2
    AMBER = 3
    BLUE = 4


@dataclass(frozen=True, slots=True)
class Bare:
    """A command without data: POLL, LSTAT, ISTAT, OSTAT, RSTAT, ABORT."""

    code: int

    def to_data(self) -> bytes:
        """None."""
        return b""


BARE = frozenset({Command.POLL, Command.LSTAT, Command.ISTAT, Command.OSTAT, Command.RSTAT, Command.ABORT})
POLL = Bare(Command.POLL)


@dataclass(frozen=True, slots=True)
class Identify(Fixed):
    """Who are you? The form is 0: the standard one."""

    CODE: ClassVar[int] = Command.ID
    SIZES: ClassVar[tuple[int, ...]] = (1,)

    form: int = 0


@dataclass(frozen=True, slots=True)
class AskCapabilities(Fixed):
    """What can you do? The form is 0: the standard one."""

    CODE: ClassVar[int] = Command.CAP
    SIZES: ClassVar[tuple[int, ...]] = (1,)

    form: int = 0


@dataclass(frozen=True, slots=True)
class Light(Fixed):
    """LED: what a light does for a while, and what it does when that is over (order of the fields: S).

    Codes of temporary: 0 leave, 1 end it, 2 begin. Of permanent: 0 leave, 1 set.
    """

    CODE: ClassVar[int] = Command.LED
    SIZES: ClassVar[tuple[int, ...]] = (1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1)

    reader: int
    led: int
    temporary: int = 0
    on_100ms: int = 0
    off_100ms: int = 0
    on_colour: int = 0
    off_colour: int = 0
    timer_100ms: int = 0
    permanent: int = 0
    permanent_on_100ms: int = 0
    permanent_off_100ms: int = 0
    permanent_on_colour: int = 0
    permanent_off_colour: int = 0


@dataclass(frozen=True, slots=True)
class Buzz(Fixed):
    """BUZ. Tone 1 is silence, 2 the usual one (U)."""

    CODE: ClassVar[int] = Command.BUZ
    SIZES: ClassVar[tuple[int, ...]] = (1, 1, 1, 1, 1)

    reader: int
    tone: int
    on_100ms: int
    off_100ms: int
    count: int


@dataclass(frozen=True, slots=True)
class SetCommunication(Fixed):
    """COMSET: another address and speed, valid after the answer."""

    CODE: ClassVar[int] = Command.COMSET
    SIZES: ClassVar[tuple[int, ...]] = (1, 4)

    new_address: int
    baud: int


@dataclass(frozen=True, slots=True)
class Challenge(Fixed):
    """CHLNG: the panel's random number."""

    CODE: ClassVar[int] = Command.CHLNG
    SIZES: ClassVar[tuple[int, ...]] = (8,)

    rnd_a: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerCryptogram(Fixed):
    """SCRYPT: the panel's proof that it has the key."""

    CODE: ClassVar[int] = Command.SCRYPT
    SIZES: ClassVar[tuple[int, ...]] = (16,)

    cryptogram: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeepActive(Fixed):
    """KEEPACTIVE: go on reading the card that lies there (U)."""

    CODE: ClassVar[int] = Command.KEEPACTIVE
    SIZES: ClassVar[tuple[int, ...]] = (2,)

    time_ms: int


@dataclass(frozen=True, slots=True)
class Output:
    """One output. Control 1 off, 2 on, 3 off and 4 on without the timer's say, 5 on and 6 off for a time (U)."""

    number: int
    control: int
    timer_100ms: int


OUTPUT_SIZES = (1, 1, 2)


@dataclass(frozen=True, slots=True)
class SetOutputs:
    """OUT: any number of outputs."""

    outputs: tuple[Output, ...]
    code: int = field(default=Command.OUT, init=False)

    def to_data(self) -> bytes:
        """Four bytes for each."""
        return b"".join(
            packed(value, size)
            for one in self.outputs
            for value, size in zip((one.number, one.control, one.timer_100ms), OUTPUT_SIZES, strict=True)
        )

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        each = sum(OUTPUT_SIZES)
        require("OUT", len(data) > 0 and len(data) % each == 0, data)
        pieces = (data[at : at + each] for at in range(0, len(data), each))
        return cls(tuple(Output(one[0], one[1], int.from_bytes(one[2:], "little")) for one in pieces))


@dataclass(frozen=True, slots=True)
class ShowText:
    """TEXT on a display (order of the fields: S)."""

    reader: int
    command: int
    time_s: int
    row: int
    column: int
    text: bytes = field(repr=False)  # may greet somebody by name
    code: int = field(default=Command.TEXT, init=False)

    def to_data(self) -> bytes:
        """Six bytes and the text."""
        head = (self.reader, self.command, self.time_s, self.row, self.column, len(self.text))
        return b"".join(packed(value, 1) for value in head) + self.text

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("TEXT", len(data) >= 6 and data[5] == len(data) - 6, data)
        return cls(data[0], data[1], data[2], data[3], data[4], data[6:])


@dataclass(frozen=True, slots=True)
class SetKey:
    """KEYSET: the key of the secure channel (type 1, length, key: S). Goes out sealed or not at all."""

    key: bytes = field(repr=False)
    code: int = field(default=Command.KEYSET, init=False)

    def to_data(self) -> bytes:
        """Type, length, key. Code: key."""
        if len(self.key) != KEY_SIZE:
            raise LocalProtocolError("key", f"a key has {KEY_SIZE} bytes, not {len(self.key)}")
        return bytes([SCBK, KEY_SIZE]) + self.key

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("KEYSET", data[:2] == bytes([SCBK, KEY_SIZE]) and len(data) == 2 + KEY_SIZE, data)
        return cls(data[2:])


@dataclass(frozen=True, slots=True)
class ToMaker:
    """MFG: what only one maker understands."""

    vendor: bytes
    content: bytes = field(repr=False)
    code: int = field(default=Command.MFG, init=False)

    def to_data(self) -> bytes:
        """The maker's three bytes and the content."""
        return packed(self.vendor, VENDOR_SIZE) + self.content

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("MFG", len(data) >= VENDOR_SIZE, data)
        return cls(data[:VENDOR_SIZE], data[VENDOR_SIZE:])
