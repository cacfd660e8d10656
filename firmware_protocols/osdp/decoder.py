"""Frames found in a byte stream.

On a bus of two wires everybody hears everybody: a decoder is told which direction counts, and gives the other one
as noise of reason "direction". A frame that turns out wrong is searched again from behind its first byte.
"""

import re
from collections.abc import Iterator

from firmware_protocols.buffered import ANY, BufferedDecoder, beginning
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp.crc16 import RunningCrc16
from firmware_protocols.osdp.frames import (
    CRC_BIT,
    HEADER_SIZE,
    MARK,
    SOM,
    Frame,
    is_whole,
    refusal,
    size_of,
)
from firmware_protocols.running import RunningSum

_MARKED = bytes([MARK, SOM])
SHORT = 64  # bytes; so many are gone over faster than looked up
_BEGUN = (bytes([SOM]), _MARKED)
_UNMARKED = (rb"\x53", ANY, ANY, rb"[\x00-\x05]", rb"[\x00-\x0f]")  # length at most 5A0, control
# The mark before a frame belongs to it.
_BEGINNINGS = re.compile(beginning(rb"\xff", *_UNMARKED) + rb"|(?<!\xff)" + beginning(*_UNMARKED))


class AnyDecoder(BufferedDecoder[Frame]):
    """Finds frames of both directions: what a listener on the bus hears."""

    reply: bool | None = None  # None: both

    def __init__(self) -> None:
        super().__init__(bytes([SOM]), _BEGINNINGS, RunningSum)
        self._running_crc = RunningCrc16()

    def _drain(self) -> Iterator[Frame | Discarded]:
        while self._buffer:
            if not self._is_begun():
                if self._buffer == _MARKED[0:1]:
                    return  # the mark of a frame, so far
                yield self._discard("noise", self._next_start())
                continue
            marked = int(self._buffer[0] == MARK)
            header = self._buffer[marked : marked + HEADER_SIZE]
            if len(header) < HEADER_SIZE:
                return
            refused = refusal(header)
            if refused is not None:
                yield from self._refused(refused, marked + HEADER_SIZE)
                continue
            end = marked + size_of(header)
            if len(self._buffer) < end:
                return
            if self._doubt and self._is_wrong(marked, end, header[4]):
                yield from self._refused("checksum", end)
            else:
                yield from self._take(marked, end)

    def _take(self, marked: int, end: int) -> Iterator[Frame | Discarded]:
        raw = bytes(self._buffer[marked:end])
        if not is_whole(raw):
            yield from self._refused("checksum", end)
            return
        try:
            frame = Frame.parse(raw, marked=bool(marked))
        except RemoteProtocolError as exc:
            yield self._discard(exc.code, end)
            return
        if self.reply not in {None, frame.reply}:
            yield self._discard("direction", end)
        else:
            self._forget(end)
            yield frame

    def _is_begun(self) -> bool:
        return self._buffer.startswith(_BEGUN)

    def _is_false(self, at: int) -> bool:
        at += self._buffer[at] == MARK
        header = self._buffer[at : at + HEADER_SIZE]
        if len(header) < HEADER_SIZE:
            return False
        if refusal(header) is not None:
            return True
        end = at + (header[2] | header[3] << 8)
        return end <= len(self._buffer) and self._is_wrong(at, end, header[4])

    def _is_wrong(self, at: int, end: int, control: int) -> bool:
        """Whether the check does not fit, however many frames claim these bytes."""
        if end - at <= SHORT:
            return not is_whole(self._buffer[at:end])
        if not control & CRC_BIT:
            return self._running.of(self._buffer, at, end) != 0
        check = self._buffer[end - 2] | self._buffer[end - 1] << 8
        return self._running_crc.of(self._buffer, at, end - 2) != check

    def _forget(self, length: int) -> None:
        super()._forget(length)
        self._running_crc.forget(length)


class ReplyDecoder(AnyDecoder):
    """Finds what readers say."""

    reply = True


class CommandDecoder(AnyDecoder):
    """Finds what the control panel says. Used by the simulator."""

    reply = False
