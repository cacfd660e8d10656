"""Packets: bytes <-> Packet, and the decoder that finds them in a stream.

    [EF 01] [address 4] [PID 1] [length 2] [payload] [sum 2]        all numbers big-endian

    length counts payload and sum; sum is that of PID, length and payload modulo 65536.

A module that has started says so with a bare 55, outside of any packet: `Discarded("ready", ...)`.
Leaves out: what a payload means (commands.py, replies.py). Source: README.md, section zfm.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from firmware_protocols.buffered import ANY, BufferedDecoder, beginning
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded

HEADER = bytes.fromhex("EF01")
PREFIX_SIZE = 9  # bytes before the payload
SUM_SIZE = 2
DEFAULT_ADDRESS = 0xFFFFFFFF
READY = 0x55
_READY = bytes([READY])

# Largest payload: a data packet, as large as the packet size code 3 makes it. The longest command (a notepad
# page) and the longest reply (product information) are far shorter. A longer claim is noise at once.
MAX_PAYLOAD = 256
MIN_LENGTH = SUM_SIZE + 1
MAX_LENGTH = SUM_SIZE + MAX_PAYLOAD


class Pid(IntEnum):
    """Packet identifier."""

    COMMAND = 0x01
    DATA = 0x02  # more follow
    ACKNOWLEDGE = 0x07
    LAST_DATA = 0x08


PIDS = frozenset(Pid)
_BEGINNING = beginning(rb"\xef", rb"\x01", ANY, ANY, ANY, ANY, rb"[\x01\x02\x07\x08]", rb"[\x00\x01]")
_BEGINNINGS = re.compile(_BEGINNING)
_WORTH_A_LOOK = re.compile(re.escape(_READY) + rb"|" + _BEGINNING)


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. Its payload may be a template or an image and stays out of repr."""

    pid: Pid
    payload: bytes = field(repr=False)
    address: int = DEFAULT_ADDRESS

    def to_bytes(self) -> bytes:
        """The packet on the wire."""
        if not 1 <= len(self.payload) <= MAX_PAYLOAD:
            raise LocalProtocolError(
                "length", f"a payload of {len(self.payload)} bytes; a packet carries 1 to {MAX_PAYLOAD}"
            )
        if not 0 <= self.address <= 0xFFFFFFFF:
            raise LocalProtocolError("range", "an address has four bytes")
        counted = bytes([self.pid]) + (len(self.payload) + SUM_SIZE).to_bytes(2, "big") + self.payload
        return HEADER + self.address.to_bytes(4, "big") + counted + checksum(counted).to_bytes(2, "big")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one packet. Codes: header, truncated, pid, length, trailing, checksum."""
        if not data.startswith(HEADER):
            if HEADER.startswith(data):
                raise RemoteProtocolError("truncated", f"{len(data)} bytes: the packet ends in its header")
            raise RemoteProtocolError("header", "the packet does not begin with EF 01")
        if len(data) < PREFIX_SIZE:
            raise RemoteProtocolError("truncated", f"{len(data)} bytes: the packet ends before its payload")
        if data[6] not in PIDS:
            raise RemoteProtocolError("pid", f"packet identifier {data[6]:02X}; 01, 02, 07 and 08 are known")
        length = int.from_bytes(data[7:PREFIX_SIZE], "big")
        if not MIN_LENGTH <= length <= MAX_LENGTH:
            raise RemoteProtocolError(
                "length", f"length value {length}; a packet has {MIN_LENGTH} to {MAX_LENGTH}"
            )
        present = len(data) - PREFIX_SIZE
        if present < length:
            raise RemoteProtocolError(
                "truncated", f"length value {length}, but only {present} bytes follow: the packet is cut off"
            )
        if present > length:
            raise RemoteProtocolError("trailing", f"{present - length} surplus bytes after the packet")
        if not _sum_fits(data):
            raise RemoteProtocolError("checksum", f"wrong sum over a payload of {length - SUM_SIZE} bytes")
        return cls._of(data)

    @classmethod
    def _of(cls, whole: bytes) -> Self:
        return cls(Pid(whole[6]), bytes(whole[PREFIX_SIZE:-SUM_SIZE]), int.from_bytes(whole[2:6], "big"))


def checksum(counted: bytes | bytearray) -> int:
    """Sum of PID, length and payload, 16 bits."""
    return sum(counted) & 0xFFFF


def _sum_fits(whole: bytes | bytearray) -> bool:
    return checksum(whole[6:-SUM_SIZE]) == int.from_bytes(whole[-SUM_SIZE:], "big")


class PacketDecoder(BufferedDecoder[Packet]):
    """Finds packets in a byte stream: those with one of `pids`, and of `address` where one is given.

    Takes any chunking, raises nothing, holds at most one packet. A packet that turns out wrong is searched
    again from behind its header. Reasons of `Discarded`: ready, noise, pid, length, checksum, truncated,
    direction (a PID that was not expected here), address (of another module on the line).
    """

    def __init__(self, pids: frozenset[Pid] = PIDS, address: int | None = None) -> None:
        super().__init__(HEADER, _BEGINNINGS)
        self._pids = pids
        self._address = address

    def _is_begun(self) -> bool:
        return True  # noise never stays in the buffer

    def _drain(self) -> Iterator[Packet | Discarded]:
        while self._buffer:
            if self._buffer[0] == READY:
                yield self._discard("ready", len(self._buffer) - len(self._buffer.lstrip(_READY)))
            elif not self._begins_packet():
                yield self._discard("noise", self._noise_length())
            elif len(self._buffer) < PREFIX_SIZE:
                return
            else:
                length = int.from_bytes(self._buffer[7:PREFIX_SIZE], "big")
                end = PREFIX_SIZE + length
                if self._buffer[6] not in PIDS:
                    yield from self._refused("pid", PREFIX_SIZE)
                elif not MIN_LENGTH <= length <= MAX_LENGTH:
                    yield from self._refused("length", PREFIX_SIZE)
                elif len(self._buffer) < end:
                    return
                else:
                    yield from self._take(end)

    def _take(self, end: int) -> Iterator[Packet | Discarded]:
        whole = bytes(self._buffer[:end])
        if not _sum_fits(whole):
            yield from self._refused("checksum", end)
            return
        packet = Packet._of(whole)  # noqa: SLF001 - the sum has just been checked
        if packet.pid not in self._pids:
            yield self._discard("direction", end)
        elif self._address not in {None, packet.address}:
            yield self._discard("address", end)
        else:
            self._forget(end)
            yield packet

    def _is_false(self, at: int) -> bool:
        prefix = self._buffer[at : at + PREFIX_SIZE]
        if len(prefix) < PREFIX_SIZE:
            return False
        length = int.from_bytes(prefix[7:], "big")
        if not MIN_LENGTH <= length <= MAX_LENGTH:
            return True
        end = at + PREFIX_SIZE + length
        return end <= len(self._buffer) and not _sum_fits(self._buffer[at:end])

    def _begins_packet(self) -> bool:
        return self._buffer.startswith(HEADER) or self._buffer == HEADER[:1]

    def _noise_length(self) -> int:
        """Up to the next byte that is worth a look: where a packet can begin, or 55."""
        found = _WORTH_A_LOOK.search(self._buffer, int(self._buffer[0] != READY))
        return len(self._buffer) if found is None else found.start()


class CommandDecoder(PacketDecoder):
    """Finds what a host sends. Used by the simulator."""

    def __init__(self, address: int | None = None) -> None:
        super().__init__(frozenset({Pid.COMMAND, Pid.DATA, Pid.LAST_DATA}), address)


class ReplyDecoder(PacketDecoder):
    """Finds what a module sends."""

    def __init__(self, address: int | None = None) -> None:
        super().__init__(frozenset({Pid.ACKNOWLEDGE, Pid.DATA, Pid.LAST_DATA}), address)
