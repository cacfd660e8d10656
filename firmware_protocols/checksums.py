"""Checksums that protocols have in common, as plain functions over bytes.

Each one is tested against check values printed in a specification, not against itself.
Leaves out: where a protocol starts and stops summing, which is written in its own family.
"""

from functools import reduce
from operator import xor


def xor8(data: bytes | bytearray | memoryview) -> int:
    """Exclusive-or of all bytes (longitudinal redundancy check). 0 for no bytes."""
    return reduce(xor, data, 0)


def sum8(data: bytes | bytearray | memoryview) -> int:
    """Sum of all bytes modulo 256."""
    return sum(data) & 0xFF


def twos_complement8(data: bytes | bytearray | memoryview) -> int:
    """The byte that brings the sum of all bytes and itself to 0 modulo 256."""
    return -sum(data) & 0xFF
