"""Checksums that protocols have in common, as plain functions over bytes.

Each one is tested against check values printed in a specification, not against itself.
Leaves out: where a protocol starts and stops summing, which is written in its own family.
"""

from binascii import crc_hqx
from functools import reduce
from operator import xor

_SHORT = 48  # bytes; so many are faster one by one


def xor8(data: bytes | bytearray | memoryview) -> int:
    """Exclusive-or of all bytes (longitudinal redundancy check). 0 for no bytes."""
    if len(data) <= _SHORT:
        return reduce(xor, data, 0)
    folded, size = int.from_bytes(data, "little"), len(data)
    while size > 1:  # the upper half onto the lower: twenty times faster than byte by byte
        size = (size + 1) // 2
        folded = folded >> 8 * size ^ folded & (1 << 8 * size) - 1
    return folded


def sum8(data: bytes | bytearray | memoryview) -> int:
    """Sum of all bytes modulo 256."""
    return sum(data) & 0xFF


def twos_complement8(data: bytes | bytearray | memoryview) -> int:
    """The byte that brings the sum of all bytes and itself to 0 modulo 256."""
    return -sum(data) & 0xFF


def crc_xmodem(data: bytes | bytearray | memoryview) -> int:
    """CRC-16/XMODEM: 1021, begins with 0, nothing inverted. Check value of 123456789: 31C3."""
    return crc_hqx(data, 0)
