"""Files for a reader (firmware, settings) in pieces, and how large a reply the panel takes. Orders of fields: S, U.

Source: README.md beside the package, section osdp.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self

from firmware_protocols.osdp.codes import Command, Reply
from firmware_protocols.osdp.layout import Fixed, packed, require

HEAD_SIZES = (1, 4, 4, 2)  # kind, whole size, offset, size of this piece
HEAD = sum(HEAD_SIZES)


@dataclass(frozen=True, slots=True)
class ReceiveSize(Fixed):
    """ACURXSIZE: the longest frame that the panel takes."""

    CODE: ClassVar[int] = Command.ACURXSIZE
    SIZES: ClassVar[tuple[int, ...]] = (2,)

    size: int


@dataclass(frozen=True, slots=True)
class FilePiece:
    """FILETRANSFER: one piece."""

    kind: int
    total: int
    offset: int
    piece: bytes = field(repr=False)
    code: int = field(default=Command.FILETRANSFER, init=False)

    def to_data(self) -> bytes:
        """Eleven bytes and the piece."""
        head = (self.kind, self.total, self.offset, len(self.piece))
        return (
            b"".join(packed(value, size) for value, size in zip(head, HEAD_SIZES, strict=True)) + self.piece
        )

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Raises `RemoteProtocolError`, code data_length."""
        require("FILETRANSFER", len(data) >= HEAD and len(data) - HEAD == _number(data, 9, 11), data)
        return cls(data[0], _number(data, 1, 5), _number(data, 5, 9), data[HEAD:])


def _number(data: bytes, start: int, end: int) -> int:
    return int.from_bytes(data[start:end], "little")


@dataclass(frozen=True, slots=True)
class FileStatus(Fixed):
    """FTSTAT: what to do next, how long to wait, how it went, the longest piece."""

    CODE: ClassVar[int] = Reply.FTSTAT
    SIZES: ClassVar[tuple[int, ...]] = (1, 2, 2, 2)

    action: int
    delay_ms: int
    status: int
    largest: int
