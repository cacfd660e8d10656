"""The check of OSDP frames: CRC-16, polynomial 1021, first 1D0F, most significant bit first, nothing inverted."""

from binascii import crc_hqx

from firmware_protocols.running_crc import RunningCrc

INITIAL = 0x1D0F


def crc16(data: bytes | bytearray) -> int:
    """Of all bytes."""
    return crc_hqx(data, INITIAL)


class RunningCrc16(RunningCrc):
    """The same of any stretch of a buffer."""

    first = INITIAL
