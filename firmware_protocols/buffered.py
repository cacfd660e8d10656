"""What decoders share that search a stream for a sync word: the buffer, the noise, what is left at a silence.

A family says where a frame can begin (`beginnings`), where it ends and whether it is sound (`_drain`); the rules are
those of `framing`. A stream of nothing but beginnings costs about as much as any other: what cannot begin a frame is
passed over by the search, what turns out to be none (`_is_false`) without a piece of noise each.
"""

import re
from collections.abc import Iterator

from firmware_protocols.framing import Discarded
from firmware_protocols.running import Running, RunningXor
from firmware_protocols.searching import FrameT, SearchingDecoder

ANY = rb"[\x00-\xff]"
_LONGEST_BEGINNING = 16  # bytes that an expression for a beginning looks at, at most


def beginning(*octets: bytes) -> bytes:
    """The expression for a frame whose first bytes are such: each a class of one byte, cut off or not."""
    whole = b""
    for octet in reversed(octets[1:]):
        whole = rb"(?:\Z|" + octet + whole + b")"
    return octets[0] + whole


class BufferedDecoder(SearchingDecoder[FrameT]):
    """Base of a `FrameDecoder` whose frames begin with `sync`."""

    def __init__(
        self, sync: bytes, beginnings: re.Pattern[bytes], running: type[Running] = RunningXor
    ) -> None:
        """`beginnings`: where a frame can begin, also one that the end of the buffer cuts off."""
        super().__init__(beginnings)
        self._sync = sync
        self._running = running()  # for `_is_false`
        self._doubt = (
            0  # bytes that a frame claimed which was none: others that claim them are asked `_is_false`
        )

    def flush(self) -> Iterator[FrameT | Discarded]:
        """Give up on an unfinished frame (the line went quiet); yield what it held."""
        found: list[FrameT | Discarded] = []
        while self._buffer:
            reason = "truncated" if self._is_begun() else "noise"
            found.append(self._discard(reason, self._next_start() or len(self._buffer)))
            found.extend(self._drain())
        return iter(found)

    def _is_begun(self) -> bool:
        """Whether the buffer begins with what counts as a frame that was begun."""
        return self._buffer.startswith(self._sync)

    def _is_false(self, at: int) -> bool:  # noqa: ARG002 - for families that can tell
        """Whether all of the frame that may begin at `at` has come, and it is none."""
        return False

    def _next_start(self) -> int:
        """Where the next frame can begin, behind the one at the beginning; the length of the buffer when none does."""
        return self._start_from(int(self._is_begun()))

    def _refused(self, reason: str, end: int) -> Iterator[Discarded]:
        """A frame to `end` that is none, and the noise behind it, up to where another may begin.

        One that begins inside it and is known to be false goes with it.
        """
        self._doubt = max(self._doubt, end)
        at = self._start_before(end, int(self._is_begun()))
        while at < end and self._is_false(at):
            at = self._start_before(end, at + 1)
        yield self._discard(reason, at)
        if at == end and self._buffer and self._beginnings.match(self._buffer) is None:
            noise = self._noise_length()
            if noise:
                yield self._discard("noise", noise)

    def _start_before(self, end: int, at: int) -> int:
        """Where the next frame can begin from `at` on; `end` when none does before: what is behind is not searched."""
        found = self._beginnings.search(self._buffer, at, end + _LONGEST_BEGINNING)
        return end if found is None else min(found.start(), end)

    def _noise_length(self) -> int:
        """Of what the buffer begins with and is no frame."""
        return self._next_start()

    def _forget(self, length: int) -> None:
        del self._buffer[:length]
        self._running.forget(length)
        if self._doubt:
            self._doubt = max(0, self._doubt - length)
