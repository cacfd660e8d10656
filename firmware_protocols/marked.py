"""What decoders of text messages share: a head that is searched for, and a mark behind the last byte.

A head inside a message begins another one: what is before it was cut off. Without its mark a message waits, as long as
it is no longer than the longest, until the line is quiet.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.searching import FrameT, SearchingDecoder


class MarkedDecoder(SearchingDecoder[FrameT]):
    """Base of a `FrameDecoder` for messages that end at a mark."""

    def __init__(
        self,
        beginnings: re.Pattern[bytes],
        stops: re.Pattern[bytes],
        parse: Callable[[bytes], FrameT],
        *,
        longest: int,
        stops_from: int = 1,
        longest_stop: int = 1,
    ) -> None:
        """`stops`: the mark, and whatever else no message holds, from which byte on; bytes, as all sizes here."""
        super().__init__(beginnings)
        self._stops, self._parse = stops, parse
        self._longest, self._stops_from, self._overlap = longest, stops_from, longest_stop - 1
        self._plain_to = stops_from  # no stop before here

    def flush(self) -> Iterator[FrameT | Discarded]:
        """The line is quiet: what counts without a mark is a message, the rest is given up."""
        found: list[FrameT | Discarded] = []
        if self._buffer:
            message = self._unmarked(bytes(self._buffer))
            if message is None:
                found.append(self._discard("truncated", len(self._buffer)))
            else:
                found.append(message)
                self._forget(len(self._buffer))
        return iter(found)

    def _drain(self) -> Iterator[FrameT | Discarded]:
        while self._buffer:
            start = self._start_from(0)
            if start:
                yield self._noise(start)
                continue
            stop = self._stops.search(self._buffer, self._plain_to)
            if stop is None and len(self._buffer) < self._longest:
                self._plain_to = max(self._stops_from, len(self._buffer) - self._overlap)
                return
            end = 0 if stop is None else self._end(stop)
            if stop is None or end > self._longest:
                yield self._discard("length", self._start_from(1))
            elif not end:
                yield self._discard("truncated", self._start_from(1))
            elif end > len(self._buffer):
                return
            else:
                yield self._take(end)

    @abstractmethod
    def _end(self, stop: re.Match[bytes]) -> int:
        """The size of the message that ends at a stop; 0: none ends there."""

    def _unmarked(self, data: bytes) -> FrameT | None:  # noqa: ARG002 - for families that leave the mark out
        """The message that all of a quiet line's bytes are; None: they are none."""
        return None

    def _noise(self, length: int) -> Discarded:
        """What stands before a head."""
        return self._discard("noise", length)

    def _take(self, size: int) -> FrameT | Discarded:
        try:
            found = self._parse(bytes(self._buffer[:size]))
        except RemoteProtocolError as exc:
            return self._discard(exc.code, self._start_from(1))
        self._forget(size)
        return found

    def _forget(self, length: int) -> None:
        super()._forget(length)
        self._plain_to = self._stops_from
