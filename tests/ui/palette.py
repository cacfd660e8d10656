"""Pictures with 64 colours: a screen of flat tones needs no more, and the repository stays small."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

COLOURS = 64
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def compress(path: Path) -> None:
    """Write a PNG of eight bits per channel anew with a palette."""
    width, height, channels, rows = _read(path.read_bytes())
    pixels = [[row[at : at + 3] for at in range(0, width * channels, channels)] for row in rows[:height]]
    counted = Counter(pixel for row in pixels for pixel in row)
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    place = {colour: _nearest(colour, palette) for colour in counted}
    raw = b"".join(b"\0" + bytes(place[pixel] for pixel in row) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    path.write_bytes(
        _SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"PLTE", b"".join(palette))
        + _chunk(b"IDAT", zlib.compress(raw, 9))
        + _chunk(b"IEND", b"")
    )


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(
        range(len(palette)),
        key=lambda at: sum((a - b) ** 2 for a, b in zip(colour, palette[at], strict=True)),
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _read(data: bytes) -> tuple[int, int, int, list[bytes]]:
    """Width, height, channels, and the rows without their filters (PNG, 9)."""
    parts = list(_chunks(data))
    width, height, depth, kind = struct.unpack_from(">IIBB", dict(parts)[b"IHDR"])
    channels = {2: 3, 6: 4}[kind]
    if depth != 8:
        raise ValueError(f"{depth} bits per channel; a browser writes eight")
    raw = zlib.decompress(b"".join(content for name, content in parts if name == b"IDAT"))
    stride, rows, above = width * channels, list[bytes](), bytes(width * channels)
    for at in range(0, height * (stride + 1), stride + 1):
        above = _unfiltered(raw[at], bytearray(raw[at + 1 : at + 1 + stride]), above, channels)
        rows.append(above)
    return width, height, channels, rows


def _unfiltered(kind: int, row: bytearray, above: bytes, step: int) -> bytes:
    for at in range(len(row)):
        left = row[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        guess = {0: 0, 1: left, 2: above[at], 3: (left + above[at]) // 2}.get(kind)
        row[at] = (row[at] + (_paeth(left, above[at], corner) if guess is None else guess)) & 0xFF
    return bytes(row)


def _paeth(left: int, up: int, corner: int) -> int:
    wanted = left + up - corner
    return min((left, up, corner), key=lambda one: abs(wanted - one))
