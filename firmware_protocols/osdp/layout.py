"""Data of fixed size to values and back: a message names the sizes of its fields, numbers are little-endian.

A value that does not fit its place is our mistake, data of a wrong size the far end's.
"""

from dataclasses import dataclass, fields
from typing import ClassVar, Protocol, Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError


class Message(Protocol):
    """Any typed command or reply."""

    @property
    def code(self) -> int:
        """The number of the command or reply."""
        ...

    def to_data(self) -> bytes:
        """The data behind the code."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Base of a message whose data have one size. Its fields are numbers and byte strings."""

    CODE: ClassVar[int]
    SIZES: ClassVar[tuple[int, ...]] = ()  # bytes of each field

    @property
    def code(self) -> int:
        """The number of the command or reply."""
        return self.CODE

    def to_data(self) -> bytes:
        """The data behind the code. Code: range."""
        values = (getattr(self, one.name) for one in fields(self))
        return b"".join(packed(value, size) for value, size in zip(values, self.SIZES, strict=True))

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require(cls.__name__, len(data) == sum(cls.SIZES), data)
        values: list[int | bytes] = []
        at = 0
        for one, size in zip(fields(cls), cls.SIZES, strict=True):
            piece = data[at : at + size]
            values.append(piece if one.type is bytes else int.from_bytes(piece, "little"))
            at += size
        return cls(*values)


def packed(value: int | bytes, size: int) -> bytes:
    """A value in its place of `size` bytes. Code: range."""
    if isinstance(value, bytes):
        if len(value) != size:
            raise LocalProtocolError("range", f"{len(value)} bytes where {size} belong")
        return value
    if not 0 <= value < 1 << 8 * size:
        raise LocalProtocolError("range", f"a number does not fit its {size} bytes")
    return value.to_bytes(size, "little")


def require(name: str, fits: bool, data: bytes) -> None:  # noqa: FBT001 - reads as a condition
    """Raise unless `data` fit the message of that name."""
    if not fits:
        raise RemoteProtocolError("data_length", f"{name}: {len(data)} data bytes do not fit it")
