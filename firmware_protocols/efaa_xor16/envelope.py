"""The bytes around every message, both directions, and finding them in a byte stream.

    plain      [EF AA] [MsgID 1] [size 2, big-endian] [data] [parity 1]   parity: xor of MsgID, size and data
    encrypted  [EF AA] [length 2, big-endian] [cipher text] [parity 1]    parity: xor of the cipher text only

Nothing in a header tells the two apart: which one is spoken is agreed before (INIT_ENCRYPTION).
The family efaa_sum32 has the same envelope with a wider size and a sum; a `Layout` says so.
A decoder takes any chunking, raises nothing, and holds at most one frame. A frame that turns out wrong is
searched again from behind its first bytes: the next good frame may begin in it.
Source: README.md beside the package, section efaa-xor16.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeVar

from firmware_protocols.buffered import BufferedDecoder, beginning
from firmware_protocols.checksums import xor8
from firmware_protocols.efaa_xor16.msg_ids import FIRST_COMMAND
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.running import Running, RunningXor

SYNC = bytes.fromhex("EFAA")
MAX_DATA = 4096  # bytes; an image chunk has 4000 at most, everything else far less. A larger claim is noise

FrameT = TypeVar("FrameT")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a kind of frame keeps its size and what its check byte covers."""

    header_size: int  # bytes before the data; the last ones are the size
    parity_from: int  # the first byte that the parity covers
    refusal: Callable[[bytes], str | None]  # a header that cannot be: the code that says why
    size_bytes: int = 2
    check_byte: Callable[[bytes], int] = xor8  # of the bytes from `parity_from` on, without itself
    check_name: str = "parity"
    running: type[Running] = RunningXor  # the same, of any stretch
    octets: tuple[bytes, ...] = ()  # what the bytes behind the sync word can be, as far as that is simple

    def size(self, header: bytes | bytearray) -> int:
        """The size that a whole header claims."""
        return int.from_bytes(header[self.header_size - self.size_bytes : self.header_size], "big")

    def expected(self, frame: bytes) -> int:
        """The check byte that fits a whole frame, whatever its last byte is."""
        return self.check_byte(frame[self.parity_from : -1])


def seal(header: bytes, data: bytes, layout: Layout) -> bytes:
    """The whole frame: sync and `header`, the size of `data`, `data`, parity."""
    frame = SYNC + header + len(data).to_bytes(layout.size_bytes, "big") + data
    return frame + bytes([layout.check_byte(frame[layout.parity_from :])])


def check(frame: bytes, layout: Layout) -> None:
    """Raise unless `frame` is exactly one. Codes: sync, truncated, msg_id, length, checksum, trailing."""
    if not frame.startswith(SYNC):
        if SYNC.startswith(frame):
            raise RemoteProtocolError("truncated", f"{len(frame)} bytes: the frame ends inside its sync word")
        raise RemoteProtocolError("sync", "the frame does not begin with EF AA")
    if len(frame) < layout.header_size:
        raise RemoteProtocolError("truncated", f"{len(frame)} bytes: the frame ends inside its header")
    size = layout.size(frame)
    refusal = layout.refusal(frame[: layout.header_size])
    if refusal is not None:
        raise RemoteProtocolError(
            refusal, f"a header that this direction does not know; it claims {size} bytes"
        )
    end = layout.header_size + size + 1
    if len(frame) < end:
        missing = end - len(frame)
        raise RemoteProtocolError(
            "truncated", f"size {size}, but the frame is {missing} bytes short: cut off"
        )
    if layout.expected(frame[:end]) != frame[end - 1]:
        raise RemoteProtocolError("checksum", f"wrong {layout.check_name} over {size} data bytes")
    if len(frame) > end:
        raise RemoteProtocolError("trailing", f"{len(frame) - end} surplus bytes after the frame")


@dataclass(frozen=True, slots=True)
class PlainFrame:
    """One message of either direction, as a family lays it out. Its data may be a person's and stays out of repr."""

    from_module: ClassVar[Layout]
    from_host: ClassVar[Layout]
    most_data: ClassVar[int]  # bytes
    msg_id: int
    data: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """The frame on the wire."""
        if not 0 <= self.msg_id <= 0xFF:
            raise LocalProtocolError("range", f"message {self.msg_id} is no byte")
        if len(self.data) > self.most_data:
            raise LocalProtocolError(
                "length", f"{len(self.data)} data bytes; {self.most_data} are carried at most"
            )
        return seal(bytes([self.msg_id]), self.data, self.from_host)

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Exactly one frame of either direction; raises `RemoteProtocolError` when it is none."""
        from_module = len(frame) > 2 and frame[2] < FIRST_COMMAND
        check(frame, cls.from_module if from_module else cls.from_host)
        return cls.parse(frame)

    @classmethod
    def parse(cls, frame: bytes) -> Self:
        """One that was found right."""
        return cls(frame[2], bytes(frame[cls.from_host.header_size : -1]))


class Decoder(BufferedDecoder[FrameT]):
    """Finds the frames of one layout."""

    def __init__(self, layout: Layout, parse: Callable[[bytes], FrameT]) -> None:
        first = [re.escape(bytes([octet])) for octet in SYNC]
        super().__init__(SYNC, re.compile(beginning(*first, *layout.octets)), layout.running)
        self._layout = layout
        self._parse = parse

    def _drain(self) -> Iterator[FrameT | Discarded]:
        header_size = self._layout.header_size
        while self._buffer:
            if not self._buffer.startswith(SYNC):
                if SYNC.startswith(self._buffer):
                    return  # the beginning of a sync word, so far
                yield self._discard("noise", self._next_start())
                continue
            if len(self._buffer) < header_size:
                return
            header = bytes(self._buffer[:header_size])
            refusal = self._layout.refusal(header)
            if refusal is not None:
                yield from self._refused(refusal, header_size)
                continue
            end = header_size + self._layout.size(header) + 1
            if len(self._buffer) < end:
                return
            if self._is_wrong(0, end) if self._doubt else not self._fits(end):
                yield from self._refused("checksum", end)
                continue
            yield self._parse(self._taken(end))

    def _fits(self, end: int) -> bool:
        frame = bytes(self._buffer[:end])
        return self._layout.expected(frame) == frame[-1]

    def _is_false(self, at: int) -> bool:
        layout = self._layout
        header = bytes(self._buffer[at : at + layout.header_size])
        if len(header) < layout.header_size:
            return False
        if layout.refusal(header) is not None:
            return True
        end = at + layout.header_size + layout.size(header) + 1
        return end <= len(self._buffer) and self._is_wrong(at, end)

    def _is_wrong(self, at: int, end: int) -> bool:
        """Whether the check does not fit, however many frames claim these bytes."""
        last = end - 1
        return self._running.of(self._buffer, at + self._layout.parity_from, last) != self._buffer[last]
