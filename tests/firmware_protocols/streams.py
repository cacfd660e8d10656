"""Cutting a stream for the decoders of every family, and putting together what came out."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from firmware_protocols.framing import Discarded


class Framed(Protocol):
    """Any frame."""

    def to_bytes(self) -> bytes: ...


def bytes_of(found: Sequence[Framed | Discarded]) -> bytes:
    return b"".join(item.data if isinstance(item, Discarded) else item.to_bytes() for item in found)


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]
