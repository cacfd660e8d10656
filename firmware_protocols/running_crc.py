"""CRC-16 of polynomial 1021 over any stretch of a stream, at the price of a few look-ups.

Where a frame can begin with nearly any byte, noise is full of beginnings, and each may claim the longest frame. Taking
the CRC of every claim anew would cost a thousand times its bytes; here each byte is counted once, and a stretch is the
difference of two states: the state at its begin, moved on over as many zeros, takes out what lay before.
"""

from array import array
from binascii import crc_hqx
from collections.abc import Iterator, Sequence
from functools import cache
from typing import ClassVar

from firmware_protocols.running import Running

_STEP = 64  # zeros are counted in two hands, 64 and 1, so that some 130 tables are enough


class RunningCrc(Running):
    """The most significant bit first, nothing inverted."""

    typecode = "H"
    first: ClassVar[int] = 0  # value of no bytes

    def _go_on(self, data: bytearray, value: int) -> Iterator[int]:
        yield value
        for byte in data:
            value = (value << 8 & 0xFFFF) ^ _TABLE[value >> 8 ^ byte]
            yield value

    def _between(self, start: int, end: int) -> int:
        state, zeros = self._values[start] ^ self.first, end - start
        table = _over_zeros(zeros & -_STEP)
        state = table[state >> 8] ^ table[256 + (state & 0xFF)]
        table = _over_zeros(zeros % _STEP)
        return self._values[end] ^ table[state >> 8] ^ table[256 + (state & 0xFF)]


@cache
def _over_zeros(count: int) -> Sequence[int]:
    """What each high byte of a state becomes over so many zeros, then each low byte."""
    zeros = bytes(count)
    bits = [crc_hqx(zeros, 1 << bit) for bit in range(16)]
    found = array("H", bytes(1024))
    for half, shift in ((0, 8), (256, 0)):
        for value in range(1, 256):
            top = value.bit_length() - 1
            found[half + value] = found[half + (value ^ 1 << top)] ^ bits[shift + top]
    return found


_TABLE: Sequence[int] = tuple(crc_hqx(bytes([byte]), 0) for byte in range(256))
