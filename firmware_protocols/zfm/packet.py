"""Packets: bytes <-> Packet, and the decoder that finds them in a stream.

    [EF 01] [address 4] [PID 1] [length 2] [payload] [sum 2]        all numbers big-endian

    length counts payload and sum; sum is that of PID, length and payload modulo 65536.

A module that has started says so with a bare 55, outside of any packet: `Discarded("ready", ...)`.
Leaves out: what a payload means (commands.py, replies.py). Source: README.md, section zfm.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from firmware_protocols.buffered import BufferedDecoder
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded

HEADER = bytes.fromhex("EF01")
PREFIX_SIZE = 9  # bytes before the payload
SUM_SIZE = 2
DEFAULT_ADDRESS = 0xFFFFFFFF
READY = 0x55

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


def checksum(counted: bytes) -> int:
    """Sum of PID, length and payload, 16 bits."""
    return sum(counted) & 0xFFFF


def _sum_fits(whole: bytes) -> bool:
    return checksum(whole[6:-SUM_SIZE]) == int.from_bytes(whole[-SUM_SIZE:], "big")


class PacketDecoder(BufferedDecoder[Packet]):
    """Finds packets in a byte stream: those with one of `pids`, and of `address` where one is given.

    Takes any chunking, raises nothing, holds at most one packet. A packet that turns out wrong is searched
    again from behind its header. Reasons of `Discarded`: ready, noise, pid, length, checksum, truncated,
    direction (a PID that was not expected here), address (of another module on the line).
    """

    def __init__(self, pids: frozenset[Pid] = PIDS, address: int | None = None) -> None:
        super().__init__(HEADER)
        self._pids = pids
        self._address = address

    def _is_begun(self) -> bool:
        return True  # noise never stays in the buffer

    def _drain(self) -> Iterator[Packet | Discarded]:
        while self._buffer:
            if self._buffer[0] == READY:
                yield self._discard("ready", 1)
            elif not self._begins_packet():
                yield self._discard("noise", self._noise_length())
            elif len(self._buffer) < PREFIX_SIZE:
                return
            else:
                length = int.from_bytes(self._buffer[7:PREFIX_SIZE], "big")
                end = PREFIX_SIZE + length
                if self._buffer[6] not in PIDS:
                    yield self._discard("pid", self._next_start(PREFIX_SIZE))
                elif not MIN_LENGTH <= length <= MAX_LENGTH:
                    yield self._discard("length", self._next_start(PREFIX_SIZE))
                elif len(self._buffer) < end:
                    return
                else:
                    yield self._take(end)

    def _take(self, end: int) -> Packet | Discarded:
        whole = bytes(self._buffer[:end])
        if not _sum_fits(whole):
            return self._discard("checksum", self._next_start(end))
        packet = Packet._of(whole)  # noqa: SLF001 - the sum has just been checked
        if packet.pid not in self._pids:
            return self._discard("direction", end)
        if self._address not in {None, packet.address}:
            return self._discard("address", end)
        del self._buffer[:end]
        return packet

    def _begins_packet(self) -> bool:
        return self._buffer.startswith(HEADER) or self._buffer == HEADER[:1]

    def _noise_length(self) -> int:
        """Up to the next byte that is worth a look: a header, the first half of one, or 55."""
        starts = [self._next_start(len(self._buffer))]
        ready = self._buffer.find(READY)
        if ready > 0:
            starts.append(ready)
        return min(starts)


class CommandDecoder(PacketDecoder):
    """Finds what a host sends. Used by the simulator."""

    def __init__(self, address: int | None = None) -> None:
        super().__init__(frozenset({Pid.COMMAND, Pid.DATA, Pid.LAST_DATA}), address)


class ReplyDecoder(PacketDecoder):
    """Finds what a module sends."""

    def __init__(self, address: int | None = None) -> None:
        super().__init__(frozenset({Pid.ACKNOWLEDGE, Pid.DATA, Pid.LAST_DATA}), address)
