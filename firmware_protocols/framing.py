"""What every frame decoder has in common: it is fed bytes and yields frames or noise.

Rules for a decoder of any family:
  * any chunking of the same bytes gives the same frames;
  * noise is a value (`Discarded`), never an exception;
  * memory is bounded by the largest frame of the family, whatever a length field claims;
  * after noise it finds the next good frame, including one whose start lay inside the noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

FrameT_co = TypeVar("FrameT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Discarded:
    """Bytes that are no frame. `reason` is one of the family's codes, e.g. "noise", "checksum", "length"."""

    reason: str
    length: int
    data: bytes = field(repr=False, default=b"")


class FrameDecoder(Protocol[FrameT_co]):
    """Turns a byte stream into frames."""

    def feed(self, data: bytes) -> Iterator[FrameT_co | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        ...

    def flush(self) -> Iterator[FrameT_co | Discarded]:
        """Give up on an unfinished frame (the line went quiet); yield what it held."""
        ...
