"""Request and Reply, and the decoders that find them in a byte stream.

    host -> reader   body = CMD PARA data         the cap on its length is ours
    reader -> host   body = SW1 SW2 SW3 data      at most 0x0906 data bytes

A decoder takes any chunking, raises nothing, and holds at most one frame of its direction. A frame
that turns out wrong is searched again from behind its preamble: the next good frame may begin in it.
Leaves out: what commands and data mean (messages.py).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self, TypeVar

from firmware_protocols.buffered import BufferedDecoder, beginning
from firmware_protocols.checksums import xor8
from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.idcard_sam.envelope import (
    HEADER_SIZE,
    PREAMBLE,
    REPLY_BOUNDS,
    REQUEST_BOUNDS,
    Bounds,
    is_dialect,
    seal,
    unseal,
)


@dataclass(frozen=True, slots=True)
class Request:
    """A command of the host."""

    cmd: int
    para: int
    data: bytes = b""

    def to_bytes(self) -> bytes:
        """The frame on the wire."""
        return seal(_octets(cmd=self.cmd, para=self.para) + self.data, REQUEST_BOUNDS)

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Exactly one frame; raises `RemoteProtocolError` when it is none."""
        return cls.from_body(unseal(frame, REQUEST_BOUNDS))

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """CMD, PARA, data, as they stand between length and check byte."""
        return cls(body[0], body[1], bytes(body[2:]))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the reader. Its data may be a person's and stays out of repr."""

    sw1: int
    sw2: int
    sw3: int
    data: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """The frame on the wire."""
        head = _octets(sw1=self.sw1, sw2=self.sw2, sw3=self.sw3)
        return seal(head + self.data, REPLY_BOUNDS)

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Exactly one frame; raises `RemoteProtocolError` when it is none."""
        return cls.from_body(unseal(frame, REPLY_BOUNDS))

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """SW1, SW2, SW3, data, as they stand between length and check byte."""
        return cls(body[0], body[1], body[2], bytes(body[3:]))


FrameT = TypeVar("FrameT")


class _Decoder(BufferedDecoder[FrameT]):
    """Finds the frames of one direction."""

    def __init__(self, from_body: Callable[[bytes], FrameT], bounds: Bounds) -> None:
        longest = bounds.maximum >> 8
        first = [re.escape(bytes([octet])) for octet in PREAMBLE]
        super().__init__(PREAMBLE, re.compile(beginning(*first, b"[\\x00-\\x%02x]" % longest)))
        self._from_body = from_body
        self._bounds = bounds

    def _drain(self) -> Iterator[FrameT | Discarded]:
        while self._buffer:
            if not self._buffer.startswith(PREAMBLE):
                noise = self._next_start()
                if noise == 0:
                    return  # the beginning of a preamble, so far
                yield self._discard("noise", noise)
                continue
            if len(self._buffer) < HEADER_SIZE:
                return
            length = int.from_bytes(self._buffer[len(PREAMBLE) : HEADER_SIZE], "big")
            if not self._bounds.allow(length):
                yield from self._refused("length", HEADER_SIZE)
                continue
            end = HEADER_SIZE + length
            if len(self._buffer) < end:
                return
            counted = bytes(self._buffer[len(PREAMBLE) : end])
            if xor8(counted) != 0:
                yield from self._refused("dialect" if is_dialect(counted) else "checksum", end)
                continue
            self._forget(end)
            yield self._from_body(counted[2:-1])

    def _is_false(self, at: int) -> bool:
        counted = at + len(PREAMBLE)
        length = self._buffer[counted : counted + 2]
        if len(length) < 2:
            return False
        if not self._bounds.allow(int.from_bytes(length, "big")):
            return True
        end = counted + 2 + int.from_bytes(length, "big")
        return end <= len(self._buffer) and self._running.of(self._buffer, counted, end) != 0


class RequestDecoder(_Decoder[Request]):
    """Finds the requests in what the host sends. Used by the simulator."""

    def __init__(self) -> None:
        super().__init__(Request.from_body, REQUEST_BOUNDS)


class ReplyDecoder(_Decoder[Reply]):
    """Finds the replies in what the reader sends."""

    def __init__(self) -> None:
        super().__init__(Reply.from_body, REPLY_BOUNDS)


def _octets(**named: int) -> bytes:
    for name, value in named.items():
        if not 0 <= value <= 0xFF:
            raise LocalProtocolError("range", f"{name} is {value}, which is no byte")
    return bytes(named.values())
