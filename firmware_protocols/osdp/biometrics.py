"""Fingers and faces: asked for, compared, told. Named and carried; nothing here sends them, no template shows.

Source: README.md beside the package, section osdp.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Self

from firmware_protocols.osdp.codes import Command, Reply
from firmware_protocols.osdp.layout import Fixed, packed, require

FACE = 0x0F
FORMATS: Mapping[int, str] = MappingProxyType({1: "raw PGM", 2: "ANSI/INCITS 378"})
_FINGERS = ("thumb", "index", "middle", "ring", "little")
TYPES: Mapping[int, str] = MappingProxyType(
    {
        **{1 + at: f"right {finger}" for at, finger in enumerate(_FINGERS)},
        **{6 + at: f"left {finger}" for at, finger in enumerate(_FINGERS)},
        FACE: "face",
    }
)
HEAD = 4  # bytes before the length of a template
LENGTH_SIZE = 2


@dataclass(frozen=True, slots=True)
class ReadBiometrics(Fixed):
    """BIOREAD: scan and send."""

    CODE: ClassVar[int] = Command.BIOREAD
    SIZES: ClassVar[tuple[int, ...]] = (1, 1, 1, 1)

    reader: int
    bio_type: int
    bio_format: int
    quality: int


@dataclass(frozen=True, slots=True)
class MatchBiometrics:
    """BIOMATCH: scan and compare with this template."""

    reader: int
    bio_type: int
    bio_format: int
    quality: int
    template: bytes = field(repr=False)
    code: int = field(default=Command.BIOMATCH, init=False)

    def to_data(self) -> bytes:
        """Four bytes, the length, the template."""
        return _with_template((self.reader, self.bio_type, self.bio_format, self.quality), self.template)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        template = _template("BIOMATCH", data)
        return cls(data[0], data[1], data[2], data[3], template)


@dataclass(frozen=True, slots=True)
class BiometricsRead:
    """BIOREADR: what was scanned."""

    reader: int
    status: int
    bio_type: int
    quality: int
    template: bytes = field(repr=False)
    code: int = field(default=Reply.BIOREADR, init=False)

    def to_data(self) -> bytes:
        """Four bytes, the length, the template."""
        return _with_template((self.reader, self.status, self.bio_type, self.quality), self.template)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        template = _template("BIOREADR", data)
        return cls(data[0], data[1], data[2], data[3], template)


@dataclass(frozen=True, slots=True)
class BiometricsMatched(Fixed):
    """BIOMATCHR: how well it matched."""

    CODE: ClassVar[int] = Reply.BIOMATCHR
    SIZES: ClassVar[tuple[int, ...]] = (1, 1, 1)

    reader: int
    status: int
    score: int


def _with_template(head: tuple[int, int, int, int], template: bytes) -> bytes:
    return b"".join(packed(value, 1) for value in head) + packed(len(template), LENGTH_SIZE) + template


def _template(name: str, data: bytes) -> bytes:
    start = HEAD + LENGTH_SIZE
    length = int.from_bytes(data[HEAD:start], "little")
    require(name, len(data) >= start and len(data) == start + length, data)
    return data[start:]
