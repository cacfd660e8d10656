"""Check values printed in public specifications."""

import random
from collections.abc import Callable
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.checksums import crc_xmodem, sum8, twos_complement8, xor8
from firmware_protocols.osdp.crc16 import RunningCrc16, crc16
from firmware_protocols.running import Running, RunningSum, RunningXor
from firmware_protocols.running_crc import RunningCrc

# NMEA 0183: exclusive-or of the characters between $ and *, as printed behind the star.
NMEA = [
    ("GPAAM,A,A,0.10,N,WPTNME", 0x32),
    ("GPGLL,5300.97914,N,00259.98174,E,125926,A", 0x28),
]
# Intel HEX: the last byte makes the sum of the record 0; records printed in its description.
INTEL_HEX = ["0300300002337A1E", "00000001FF", "10010000214601360121470136007EFE09D2190140"]


@pytest.mark.parametrize(("sentence", "printed"), NMEA)
def test_xor8_gives_the_printed_nmea_checksum(sentence: str, printed: int) -> None:
    assert xor8(sentence.encode("ascii")) == printed


@pytest.mark.parametrize("record", INTEL_HEX)
def test_sums_give_the_printed_intel_hex_checksum(record: str) -> None:
    data = bytes.fromhex(record)
    assert twos_complement8(data[:-1]) == data[-1]
    assert sum8(data) == 0


def test_checksums_of_nothing_are_zero() -> None:
    assert (xor8(b""), sum8(b""), twos_complement8(b"")) == (0, 0, 0)


@given(st.binary(max_size=64))
def test_a_frame_with_its_check_byte_sums_to_zero(data: bytes) -> None:
    assert xor8(data + bytes([xor8(data)])) == 0
    assert sum8(data + bytes([twos_complement8(data)])) == 0


def test_the_crc_has_the_check_value_of_its_name() -> None:
    assert crc_xmodem(b"123456789") == 0x31C3


@pytest.mark.parametrize(
    ("running", "plain"),
    [(RunningXor, xor8), (RunningSum, sum8), (RunningCrc, crc_xmodem), (RunningCrc16, crc16)],
)
def test_a_running_check_is_that_of_any_stretch(
    running: type[Running], plain: Callable[[bytearray], int]
) -> None:
    rng, buffer, one = random.Random(8), bytearray(), running()
    for _ in range(300):
        buffer += rng.randbytes(rng.randrange(40)) + bytes(rng.choice([0, 0, 0, 200]))
        for _ in range(rng.randrange(4)):
            start, end = sorted(rng.randrange(len(buffer) + 1) for _ in range(2))
            assert one.of(buffer, start, end) == plain(buffer[start:end])
        gone = rng.randrange(len(buffer) + 1) if rng.random() < 0.5 else 0
        del buffer[:gone]
        one.forget(gone)


def test_a_long_exclusive_or_is_the_same_by_halves() -> None:
    for size in range(300):
        data = random.Random(size).randbytes(size)
        assert xor8(data) == reduce(xor, data, 0)
