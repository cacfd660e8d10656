"""Frames found in a byte stream.

On a bus of two wires everybody hears everybody: a decoder is told which direction counts, and gives the other one
as noise of reason "direction". A frame that turns out wrong is searched again from behind its first byte.
"""

from collections.abc import Iterator

from firmware_protocols.buffered import BufferedDecoder
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp.frames import HEADER_SIZE, MARK, SOM, Frame, is_whole, refusal, size_of

_MARKED = bytes([MARK, SOM])


class AnyDecoder(BufferedDecoder[Frame]):
    """Finds frames of both directions: what a listener on the bus hears."""

    reply: bool | None = None  # None: both

    def __init__(self) -> None:
        super().__init__(bytes([SOM]))

    def _drain(self) -> Iterator[Frame | Discarded]:
        while self._buffer:
            if self._buffer == _MARKED[:1]:
                return  # the mark of a frame, so far
            if not self._is_begun():
                yield self._discard("noise", self._next_start(len(self._buffer)))
                continue
            marked = int(self._buffer[0] == MARK)
            header = bytes(self._buffer[marked : marked + HEADER_SIZE])
            if len(header) < HEADER_SIZE:
                return
            refused = refusal(header)
            if refused is not None:
                yield self._discard(refused, self._next_start(marked + HEADER_SIZE))
                continue
            end = marked + size_of(header)
            if len(self._buffer) < end:
                return
            yield self._take(marked, end)

    def _take(self, marked: int, end: int) -> Frame | Discarded:
        raw = bytes(self._buffer[marked:end])
        if not is_whole(raw):
            return self._discard("checksum", self._next_start(end))
        try:
            frame = Frame.parse(raw, marked=bool(marked))
        except RemoteProtocolError as exc:
            return self._discard(exc.code, end)
        if self.reply not in {None, frame.reply}:
            return self._discard("direction", end)
        del self._buffer[:end]
        return frame

    def _is_begun(self) -> bool:
        return self._buffer[:1] == _MARKED[1:] or self._buffer.startswith(_MARKED)

    def _next_start(self, end: int) -> int:
        """As in the base, and the mark before a frame belongs to it."""
        after = 1 + self._buffer.startswith(_MARKED)
        found = self._buffer.find(_MARKED[1:], after)
        if found < 0:
            found = len(self._buffer)
        if found > after and self._buffer[found - 1] == MARK:
            found -= 1
        return min(found, end)


class ReplyDecoder(AnyDecoder):
    """Finds what readers say."""

    reply = True


class CommandDecoder(AnyDecoder):
    """Finds what the control panel says. Used by the simulator."""

    reply = False
