"""CRC-16/XMODEM of any stretch of a stream, at the price of a few look-ups.

A start of a frame is one byte, so noise is full of them, and each may claim 4 KiB. Taking the CRC of every claim anew
would cost a thousand times its bytes; here each byte is counted once, and a stretch is the difference of two states:
the CRC has no first value, so the state at its begin, moved on over as many zeros, takes out what lay before.
"""

from array import array
from binascii import crc_hqx
from collections.abc import Sequence
from functools import cache

_STEP = 64  # zeros are counted in two hands, 64 and 1, so that some 130 tables are enough


def crc_xmodem(data: bytes) -> int:
    """CRC-16/XMODEM: 1021, begins with 0, nothing inverted. Check value of 123456789: 31C3."""
    return crc_hqx(data, 0)


class RunningCrc:
    """The states of the CRC behind each byte of a buffer."""

    def __init__(self) -> None:
        self._states = array("H", [0])

    def extend(self, data: bytes) -> None:
        """More bytes at the end of the buffer."""
        state, states = self._states[-1], self._states
        for byte in data:
            state = (state << 8 & 0xFFFF) ^ _TABLE[state >> 8 ^ byte]
            states.append(state)

    def forget(self, length: int) -> None:
        """So many bytes of its front are gone."""
        del self._states[:length]

    def of(self, start: int, end: int) -> int:
        """CRC of the bytes from `start` to before `end`."""
        state, zeros = self._states[start], end - start
        table = _over_zeros(zeros & -_STEP)
        state = table[state >> 8] ^ table[256 + (state & 0xFF)]
        table = _over_zeros(zeros % _STEP)
        return self._states[end] ^ table[state >> 8] ^ table[256 + (state & 0xFF)]


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
