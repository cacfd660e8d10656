"""The check of OSDP frames: CRC-16, polynomial 1021, first 1D0F, most significant bit first, nothing inverted."""

from binascii import crc_hqx

INITIAL = 0x1D0F


def crc16(data: bytes | bytearray) -> int:
    """Of all bytes."""
    return crc_hqx(data, INITIAL)
