"""The security block of a frame: its length 1, its type 1, and in a handshake one byte more.

11 CHLNG, 12 CCRYPT, 13 SCRYPT, 14 RMAC_I      the handshake
15 command, 16 reply                           a MAC behind the data
17 command, 18 reply                           a MAC, and the data encrypted
"""

from dataclasses import dataclass
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

CHALLENGE, CLIENT, SERVER, BEGUN = 0x11, 0x12, 0x13, 0x14
HANDSHAKE = frozenset({CHALLENGE, CLIENT, SERVER, BEGUN})
MAC_COMMAND, MAC_REPLY = 0x15, 0x16
SEALED_COMMAND, SEALED_REPLY = 0x17, 0x18
SEALED = frozenset({SEALED_COMMAND, SEALED_REPLY})
WITH_MAC = frozenset({MAC_COMMAND, MAC_REPLY}) | SEALED
FROM_READER = frozenset({CLIENT, BEGUN, MAC_REPLY, SEALED_REPLY})
MAC_SIZE = 4  # bytes of a MAC that go over the line
HEAD = 2  # length and type
LONGEST = 3  # bytes of a block


@dataclass(frozen=True, slots=True)
class SecurityBlock:
    """One block. `value`: which key (1 the reader's own, 0 the default one), or how a handshake ended (1 well)."""

    type: int
    value: int | None = None

    @property
    def has_mac(self) -> bool:
        """Whether a MAC stands behind the data."""
        return self.type in WITH_MAC

    @property
    def is_sealed(self) -> bool:
        """Whether the data are encrypted."""
        return self.type in SEALED

    def to_bytes(self) -> bytes:
        """On the wire."""
        if refusal(HEAD if self.value is None else LONGEST, self.type):
            raise LocalProtocolError("security_block", f"no block of type {self.type:02X} has such a length")
        if self.value is None:
            return bytes([HEAD, self.type])
        if not 0 <= self.value <= 0xFF:
            raise LocalProtocolError("range", f"{self.value} is no byte")
        return bytes([LONGEST, self.type, self.value])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The block that `data` begins with. Codes: security_block, truncated."""
        if len(data) < HEAD:
            raise RemoteProtocolError("truncated", "the frame ends inside its security block")
        size, kind = data[0], data[1]
        if refusal(size, kind):
            raise RemoteProtocolError("security_block", f"type {kind:02X} with {size} bytes is not known")
        if len(data) < size:
            raise RemoteProtocolError("truncated", "the frame ends inside its security block")
        return cls(kind, data[2] if size == LONGEST else None)


def refusal(size: int, kind: int) -> bool:
    """Whether there is no block of this length and type."""
    if kind in HANDSHAKE:
        return size != LONGEST
    return kind not in WITH_MAC or size != HEAD
