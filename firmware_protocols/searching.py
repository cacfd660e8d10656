"""The root of the decoders that search a stream for places where a frame can begin.

It keeps the buffer and says what is noise; where a frame ends and whether it is sound is the family's (`_drain`).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from firmware_protocols.framing import Discarded

FrameT = TypeVar("FrameT")
_SLICE = 4096  # bytes taken into the buffer at a time, so that one huge read does not grow it


class SearchingDecoder(ABC, Generic[FrameT]):
    """Base of a `FrameDecoder`."""

    def __init__(self, beginnings: re.Pattern[bytes]) -> None:
        """`beginnings`: where a frame can begin, also one that the end of the buffer cuts off."""
        self._beginnings = beginnings
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[FrameT | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        found: list[FrameT | Discarded] = []
        for start in range(0, len(data), _SLICE):
            self._buffer += data[start : start + _SLICE]
            found.extend(self._drain())
        return iter(found)

    @abstractmethod
    def flush(self) -> Iterator[FrameT | Discarded]:
        """Give up on an unfinished frame (the line went quiet); yield what it held."""

    @abstractmethod
    def _drain(self) -> Iterator[FrameT | Discarded]:
        """What the buffer holds that is complete; the beginning of a frame stays in it."""

    def _start_from(self, at: int) -> int:
        """Where the next frame can begin, from `at` on; the length of the buffer when none does."""
        found = self._beginnings.search(self._buffer, at)
        return len(self._buffer) if found is None else found.start()

    def _discard(self, reason: str, length: int) -> Discarded:
        return Discarded(reason, length, self._taken(length))

    def _taken(self, length: int) -> bytes:
        """The first bytes, which leave the buffer."""
        data = bytes(self._buffer[:length])
        self._forget(length)
        return data

    def _forget(self, length: int) -> None:
        del self._buffer[:length]
