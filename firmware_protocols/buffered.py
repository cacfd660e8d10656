"""What decoders share that search a stream for a sync word: the buffer, the noise, what is left at a silence.

A family says where a frame ends and whether it is sound (`_drain`); the rules are those of `framing`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from firmware_protocols.framing import Discarded

FrameT = TypeVar("FrameT")
_SLICE = 4096  # bytes taken into the buffer at a time, so that one huge read does not grow it


class BufferedDecoder(ABC, Generic[FrameT]):
    """Base of a `FrameDecoder` whose frames begin with `sync`, which never begins inside itself."""

    def __init__(self, sync: bytes) -> None:
        self._sync = sync
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[FrameT | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        found: list[FrameT | Discarded] = []
        for start in range(0, len(data), _SLICE):
            self._buffer += data[start : start + _SLICE]
            found.extend(self._drain())
        return iter(found)

    def flush(self) -> Iterator[FrameT | Discarded]:
        """Give up on an unfinished frame (the line went quiet); yield what it held."""
        found: list[FrameT | Discarded] = []
        while self._buffer:
            reason = "truncated" if self._is_begun() else "noise"
            found.append(self._discard(reason, self._next_start(len(self._buffer)) or len(self._buffer)))
            found.extend(self._drain())
        return iter(found)

    @abstractmethod
    def _drain(self) -> Iterator[FrameT | Discarded]:
        """What the buffer holds that is complete; the beginning of a frame stays in it."""

    def _is_begun(self) -> bool:
        """Whether what is left at a silence counts as a frame that was begun."""
        return self._buffer.startswith(self._sync)

    def _next_start(self, end: int) -> int:
        """Offset before `end` where the next sync word begins or may begin; `end` when none does.

        Behind the one at the beginning, where there is one.
        """
        after = len(self._sync) if self._buffer.startswith(self._sync) else 0
        found = self._buffer.find(self._sync, after)
        if 0 <= found < end:
            return found
        for size in range(min(len(self._sync) - 1, len(self._buffer) - after), 0, -1):
            start = len(self._buffer) - size
            if start < end and self._buffer.endswith(self._sync[:size]):
                return start
        return end

    def _discard(self, reason: str, length: int) -> Discarded:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return Discarded(reason, length, data)
