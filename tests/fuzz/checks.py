"""A right length and check for a changed frame, by family: so that fuzzing reaches what stands inside frames.

Written from the tables of firmware_protocols/README.md; a frame that comes out wrong all the same is one more input.
"""

from collections.abc import Mapping
from functools import reduce
from operator import xor

from firmware_protocols.gt06.frames import crc_x25
from firmware_protocols.osdp.crc16 import crc16
from tests.fuzz.inputs import Check


def _sam(data: bytearray) -> None:
    if len(data) > 8:
        data[:7] = b"\xaa\xaa\xaa\x96\x69" + (len(data) - 7).to_bytes(2, "big")
        data[-1] = reduce(xor, data[5:-1], 0)


def _xor16(data: bytearray) -> None:
    if len(data) > 5:
        data[:2], data[3:5] = b"\xef\xaa", (len(data) - 6).to_bytes(2, "big")
        data[-1] = reduce(xor, data[2:-1], 0)


def _sealed(data: bytearray) -> None:
    del data[len(data) - (len(data) - 5) % 16 :]
    if len(data) > 5:
        data[:4] = b"\xef\xaa" + (len(data) - 5).to_bytes(2, "big")
        data[-1] = reduce(xor, data[4:-1], 0)


def _sum32(data: bytearray) -> None:
    if len(data) > 7:
        data[:2], data[3:7] = b"\xef\xaa", (len(data) - 8).to_bytes(4, "big")
        data[-1] = sum(data[2:-1]) & 0xFF


def _zfm(data: bytearray) -> None:
    if len(data) > 11:
        data[:2], data[7:9] = b"\xef\x01", (len(data) - 9).to_bytes(2, "big")
        data[-2:] = (sum(data[6:-2]) & 0xFFFF).to_bytes(2, "big")


def _osdp(data: bytearray) -> None:
    at = int(data[:1] == b"\xff")
    body = data[at:]
    if len(body) > 8:
        body[0], body[2:4] = 0x53, len(body).to_bytes(2, "little")
        body[4] &= 0x0F
        if body[4] & 4:
            body[-2:] = crc16(bytes(body[:-2])).to_bytes(2, "little")
        else:
            body[-1] = -sum(body[:-1]) & 0xFF
        data[at:] = body


def _colmi(data: bytearray) -> None:
    data[16:] = b""
    data += bytes(16 - len(data))
    data[-1] = sum(data[:-1]) & 0xFF


def _gt06(data: bytearray) -> None:
    if 10 <= len(data) < 255:
        data[:3] = b"\x78\x78" + bytes([len(data) - 5])
        data[-4:] = crc_x25(bytes(data[2:-4])).to_bytes(2, "big") + b"\r\n"


def _jt808(data: bytearray) -> None:
    """7E inside is left out; length and check are those of the unescaped content."""
    inside = bytearray(data.replace(b"\x7e", b"").replace(b"\x7d\x01", b"\x7d").replace(b"\x7d\x02", b"\x7e"))
    if len(inside) > 13:
        header = 17 if inside[2] & 0x40 else 12
        body = max(0, len(inside) - header - 1) & 0x3FF
        inside[2:4] = ((inside[2] & 0x60) << 8 | body).to_bytes(2, "big")
        inside[-1] = reduce(xor, inside[:-1], 0)
        data[:] = b"\x7e" + inside.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def _watch(data: bytearray) -> None:
    words = bytes(data).split(b"*", 3)
    if len(words) == 4 and len(words[2]) == 4 and data[-1:] == b"]":
        words[2] = b"%04X" % (len(words[3]) - 1)
        data[:] = b"*".join(words)


CHECKS: Mapping[str, Check] = {
    "idcard-sam": _sam,
    "efaa-xor16": _xor16,
    "efaa-xor16-aes": _sealed,
    "efaa-sum32": _sum32,
    "zfm": _zfm,
    "osdp": _osdp,
    "colmi": _colmi,
    "gt06": _gt06,
    "jt808": _jt808,
    "watch": _watch,
}
