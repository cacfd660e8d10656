"""Requests of the CVR-100AU dialect, both directions.

    [AA AA AA 96 69] [length 2, big-endian] [command 2] [data] [check 1]     sum of length to check is 0 modulo 256

Preamble and length are those of the standard protocol; command numbers and check byte are not. Its replies are not
known, so nothing here asks a reader anything: a technician sees what a host sends, and a test can send it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Self

from firmware_protocols.checksums import twos_complement8
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.idcard_sam.envelope import DIALECT, HEADER_SIZE, PREAMBLE, REQUEST_BOUNDS, unseal


class DialectCommand(Enum):
    """The two bytes of a command."""

    INITIALISE = bytes.fromhex("0001")
    FIND_CARD = bytes.fromhex("0081")
    SELECT_CARD = bytes.fromhex("0082")
    READ_CARD = bytes.fromhex("0083")


NAMES: Mapping[DialectCommand, str] = MappingProxyType(
    {command: command.name.lower().replace("_", " ") for command in DialectCommand}
)


@dataclass(frozen=True, slots=True)
class DialectRequest:
    """One command of a host that speaks the dialect."""

    command: DialectCommand
    data: bytes = b""

    def to_bytes(self) -> bytes:
        """The frame on the wire."""
        body = self.command.value + self.data
        length = len(body) + 1
        if not REQUEST_BOUNDS.allow(length):
            raise LocalProtocolError("length", f"{len(self.data)} data bytes are more than a request carries")
        counted = length.to_bytes(2, "big") + body
        return PREAMBLE + counted + bytes([twos_complement8(counted)])

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Exactly one frame; raises `RemoteProtocolError`, with `standard` for one of the standard protocol.

        A frame whose check byte fits both rules counts as standard: nothing tells them apart.
        """
        try:
            unseal(frame, REQUEST_BOUNDS)
        except RemoteProtocolError as exc:
            if exc.code != "dialect":
                raise
            body = frame[HEADER_SIZE:-1]
            return cls(DialectCommand(bytes(body[:2])), bytes(body[2:]))
        raise RemoteProtocolError("standard", f"a frame of the standard protocol, not of {DIALECT}")
