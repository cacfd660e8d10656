"""The frame: command, 14 bytes, and the sum of both. Either direction; bit 7 of the command: it was refused."""

from dataclasses import dataclass, field

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

SIZE, DATA_SIZE = 16, 14
REFUSED = 0x80


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `data` is filled up with zeros."""

    command: int
    data: bytes = field(default=b"", repr=False)  # somebody's pulse, perhaps
    refused: bool = False

    def to_bytes(self) -> bytes:
        """16 bytes. Raises `LocalProtocolError` (range)."""
        if not 0 <= self.command < REFUSED or len(self.data) > DATA_SIZE:
            raise LocalProtocolError("range", f"a command below 80 and at most {DATA_SIZE} bytes")
        body = bytes([self.command | REFUSED * self.refused]) + self.data.ljust(DATA_SIZE, b"\0")
        return body + bytes([sum(body) & 0xFF])

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Frame":
        """Exactly one frame. Codes: length, checksum."""
        if len(raw) != SIZE:
            raise RemoteProtocolError("length", f"{len(raw)} bytes; a frame has {SIZE}")
        if sum(raw[:-1]) & 0xFF != raw[-1]:
            raise RemoteProtocolError("checksum", "wrong sum")
        return cls(raw[0] & ~REFUSED, raw[1:-1], bool(raw[0] & REFUSED))
