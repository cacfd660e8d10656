"""What decoders share that search a stream for a sync word: the buffer, the noise, what is left at a silence.

A family says where a frame can begin (`beginnings`), where it ends and whether it is sound (`_drain`); the rules are
those of `framing`. A stream of nothing but beginnings costs about as much as any other: what cannot begin a frame is
passed over by the search, what turns out to be none (`_is_false`) without a piece of noise each.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from firmware_protocols.framing import Discarded
from firmware_protocols.running import Running, RunningXor

FrameT = TypeVar("FrameT")
ANY = rb"[\x00-\xff]"
_SLICE = 4096  # bytes taken into the buffer at a time, so that one huge read does not grow it


def beginning(*octets: bytes) -> bytes:
    """The expression for a frame whose first bytes are such: each a class of one byte, cut off or not."""
    whole = b""
    for octet in reversed(octets[1:]):
        whole = rb"(?:\Z|" + octet + whole + b")"
    return octets[0] + whole


class BufferedDecoder(ABC, Generic[FrameT]):
    """Base of a `FrameDecoder` whose frames begin with `sync`."""

    def __init__(
        self, sync: bytes, beginnings: re.Pattern[bytes], running: type[Running] = RunningXor
    ) -> None:
        """`beginnings`: where a frame can begin, also one that the end of the buffer cuts off."""
        self._sync = sync
        self._beginnings = beginnings
        self._running = running()  # for `_is_false`
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
            found.append(self._discard(reason, self._next_start() or len(self._buffer)))
            found.extend(self._drain())
        return iter(found)

    @abstractmethod
    def _drain(self) -> Iterator[FrameT | Discarded]:
        """What the buffer holds that is complete; the beginning of a frame stays in it."""

    def _is_begun(self) -> bool:
        """Whether the buffer begins with what counts as a frame that was begun."""
        return self._buffer.startswith(self._sync)

    def _is_false(self, at: int) -> bool:  # noqa: ARG002 - for families that can tell
        """Whether all of the frame that may begin at `at` has come, and it is none."""
        return False

    def _next_start(self) -> int:
        """Where the next frame can begin, behind the one at the beginning; the length of the buffer when none does."""
        return self._start_from(int(self._is_begun()))

    def _start_from(self, at: int) -> int:
        found = self._beginnings.search(self._buffer, at)
        return len(self._buffer) if found is None else found.start()

    def _refused(self, reason: str, end: int) -> Iterator[Discarded]:
        """A frame to `end` that is none, and the noise behind it, up to where another may begin.

        One that begins inside it and is known to be false goes with it.
        """
        at = self._next_start()
        while at < end and self._is_false(at):
            at = self._start_from(at + 1)
        yield self._discard(reason, min(at, end))
        if at > end and (noise := self._noise_length()):
            yield self._discard("noise", noise)

    def _noise_length(self) -> int:
        """Of what the buffer begins with and is no frame."""
        return self._next_start()

    def _discard(self, reason: str, length: int) -> Discarded:
        return Discarded(reason, length, self._taken(length))

    def _taken(self, length: int) -> bytes:
        """The first bytes, which leave the buffer."""
        data = bytes(self._buffer[:length])
        self._forget(length)
        return data

    def _forget(self, length: int) -> None:
        del self._buffer[:length]
        self._running.forget(length)
