"""Inputs made of published frames and of chance: the same number and seed make the same input again.

Flipped bits, bytes at their borders, cuts, repeats, pieces of other frames, length fields at their largest, frames
with new content and a right check, random bytes; one behind the other, in chunks of any size, with silences.
"""

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

EDGES = (0x00, 0x01, 0x0A, 0x0D, 0x20, 0x2C, 0x7D, 0x7E, 0x7F, 0x80, 0xAA, 0xEF, 0xFE, 0xFF)
MOST_RANDOM = 64  # bytes
MOST_CHUNKS = 8

Check = Callable[[bytearray], None]


@dataclass(frozen=True, slots=True)
class Input:
    """What a decoder is fed. A chunk of None is a silence: `flush()`."""

    chunks: tuple[bytes | None, ...] = field(repr=False)

    @property
    def data(self) -> bytes:
        return b"".join(chunk for chunk in self.chunks if chunk)

    @property
    def hex(self) -> str:
        """For a report: chunks as they came, `|` between them, `~` for a silence."""
        return "|".join("~" if chunk is None else chunk.hex() for chunk in self.chunks)

    @classmethod
    def of_hex(cls, text: str) -> "Input":
        return cls(tuple(None if one == "~" else bytes.fromhex(one) for one in text.split("|")))


def _flip(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] = rng.choice(EDGES)


def _any(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] = rng.randrange(256)


def _largest(rng: random.Random, data: bytearray) -> None:
    """Two bytes of the head, where lengths stand."""
    at = rng.randrange(min(len(data), 24))
    data[at : at + 2] = rng.choice((b"\xff\xff", b"\x7f\xff", b"\x00\xff", b"FF", b"\xff\x00"))


def _cut(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    if rng.random() < 0.7:
        del data[at:]
    else:
        del data[:at]


def _drop(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randint(1, 6)]


def _insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.randint(1, 6))


def _repeat(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    piece = data[at : at + rng.randint(1, 16)]
    data[at:at] = piece * rng.randint(1, 4)


CHANGES = (_flip, _flip, _set, _any, _largest, _cut, _drop, _insert, _repeat)


class Inputs:
    """The inputs of one decoder or describer."""

    def __init__(
        self, name: str, seed: int, *, vectors: Sequence[bytes], begin: Sequence[bytes], check: Check | None
    ) -> None:
        """`check` puts the right check into a changed frame, so that its content is looked at."""
        self._salt = zlib.crc32(f"{seed} {name}".encode()) << 32
        self._rng = random.Random()
        self._vectors = [one for one in vectors if one] or [b"\0"]
        self._begin = list(begin) or [b"\0"]
        self._check = check

    def make(self, number: int) -> Input:
        """Input `number`, whatever was made before."""
        rng = self._rng
        rng.seed(self._salt | number)
        return self._chunked(self._data())

    def _data(self) -> bytes:
        rng = self._rng
        kind = rng.random()
        if kind < 0.06:
            return rng.randbytes(rng.randint(1, MOST_RANDOM))
        if kind < 0.12:
            return rng.choice(self._begin) * rng.randint(1, 6) + rng.randbytes(rng.randint(0, 8))
        if kind < 0.7:
            return self._changed()
        return b"".join(self._piece() for _ in range(rng.randint(2, 4)))

    def _piece(self) -> bytes:
        rng = self._rng
        kind = rng.random()
        if kind < 0.4:
            return rng.choice(self._vectors)
        if kind < 0.8:
            return self._changed()
        if kind < 0.9:
            one, other = rng.choice(self._vectors), rng.choice(self._vectors)
            return one[: rng.randint(0, len(one))] + other[rng.randint(0, len(other)) :]
        return rng.choice(self._begin)

    def _changed(self) -> bytes:
        rng = self._rng
        data = bytearray(rng.choice(self._vectors))
        for _ in range(rng.randint(1, 3)):
            rng.choice(CHANGES)(rng, data)
            if not data:
                data += rng.randbytes(3)
        if self._check is not None and rng.random() < 0.5:
            self._check(data)
        return bytes(data)

    def _chunked(self, data: bytes) -> Input:
        rng = self._rng
        if rng.random() < 0.4 or len(data) < 2:
            return Input((data,))
        if len(data) < 40 and rng.random() < 0.2:
            return Input(tuple(bytes([one]) for one in data))
        cuts = sorted(rng.randrange(1, len(data)) for _ in range(rng.randint(1, MOST_CHUNKS - 1)))
        chunks: list[bytes | None] = []
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            chunks.append(data[start:end])
            if rng.random() < 0.15:
                chunks.append(None)
        return Input(tuple(chunks))
