"""The check of OSDP frames: CRC-16, polynomial 1021, first 1D0F, most significant bit first, nothing inverted."""

from collections.abc import Sequence

POLYNOMIAL = 0x1021
INITIAL = 0x1D0F


def _entry(byte: int) -> int:
    remainder = byte << 8
    for _ in range(8):
        remainder = remainder << 1 ^ (POLYNOMIAL if remainder & 0x8000 else 0)
    return remainder & 0xFFFF


_TABLE: Sequence[int] = tuple(_entry(byte) for byte in range(256))


def crc16(data: bytes) -> int:
    """Of all bytes."""
    crc = INITIAL
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _TABLE[crc >> 8 ^ byte]
    return crc
