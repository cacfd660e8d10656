"""Frames of Topin, and the decoder that finds them in a stream.

A frame is taken where `0D 0A` stands at a size that it may have (`sizes`). While one waits for the rest that it
claims, another that is whole inside it wins, also one with the same end: a claim is easily wrong, and a whole frame is
rarely chance.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.searching import SearchingDecoder
from firmware_protocols.topin.sizes import END, HEAD, MOST, WIFI, ends, least

START, TAIL = b"\x78\x78", b"\x0d\x0a"
_START = re.compile(rb"\x78(?:\x78|\Z)")
_EACH_START = re.compile(rb"(?=\x78\x78)")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of either direction."""

    number: int  # of the message
    content: bytes = field(default=b"", repr=False)
    length: int | None = None  # as it came; None: number and content

    @property
    def length_ok(self) -> bool:
        """Whether the length is that of the content, or of number and content; in a scan it counts something else."""
        size = len(self.content)
        return self.number in WIFI or self.length in (None, size, size + 1)

    def to_bytes(self) -> bytes:
        """The frame on the wire; one that was heard is what it was. Code: length."""
        length = len(self.content) + 1 if self.length is None else self.length
        if length > 0xFF or HEAD + len(self.content) + END > MOST:
            raise LocalProtocolError("length", f"{len(self.content)} bytes do not fit into a frame")
        return START + bytes([length, self.number]) + self.content + TAIL

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Exactly one frame. Codes: start, truncated, length, trailing."""
        if data[:2] != START:
            raise RemoteProtocolError("start", "a frame begins with 78 78")
        if len(data) < HEAD + END or not data.endswith(TAIL):
            raise RemoteProtocolError("truncated", f"{len(data)} bytes and no 0D 0A at their end")
        if len(data) > MOST:
            raise RemoteProtocolError("length", f"{len(data)} bytes; a frame has {MOST} at most")
        first = data.find(TAIL, HEAD + least(data[3]))
        if first < 0:
            raise RemoteProtocolError("truncated", f"{len(data)} bytes are too few for this number")
        size = next((one for one in ends(data) or () if data[one - END : one] == TAIL), first + END)
        if size < len(data):
            raise RemoteProtocolError("trailing", f"{len(data) - size} surplus bytes after the frame")
        return cls(data[3], bytes(data[HEAD:-END]), data[2])


@dataclass(frozen=True, slots=True)
class _Span:
    """A whole frame in the buffer."""

    start: int
    end: int


class Decoder(SearchingDecoder[Frame]):
    """Finds frames of both directions: they look the same."""

    def __init__(self) -> None:
        super().__init__(_START)
        self._looked = 0  # behind the last 0D 0A that was looked at
        self._no_tail_to = 0  # no other begins before here
        self._inner: _Span | None = None  # the first whole frame that does not begin at the beginning

    def flush(self) -> Iterator[Frame | Discarded]:
        """The line is quiet: a frame that claims more than came ends at its 0D 0A, the rest is given up."""
        return iter([*self._drain(quiet=True)])

    def _drain(self, *, quiet: bool = False) -> Iterator[Frame | Discarded]:
        while self._buffer:
            if not self._buffer.startswith(START) and (start := self._start_from(0)):
                yield self._discard("noise", start)
                continue
            sizes = ends(self._buffer)
            found = self._whole(sizes or ())
            inner = self._look(found or len(self._buffer))
            if found and (inner is None or found < inner.end):
                yield self._take(found)
            elif inner is not None:
                yield self._before(inner)
            elif quiet or (sizes is not None and len(self._buffer) >= max(sizes, default=0)):
                given = self._loose(quiet=quiet)
                if given is None:
                    return
                yield given
            else:
                return

    def _whole(self, sizes: tuple[int, ...]) -> int:
        """The size of the frame at the beginning; 0: it is not whole."""
        have = len(self._buffer)
        return next((one for one in sizes if one <= have and self._buffer[one - END : one] == TAIL), 0)

    def _look(self, end: int) -> _Span | None:
        """The first whole frame inside what waits, before `end`. Each start counts for the next 0D 0A alone."""
        while self._inner is None:
            tail = self._buffer.find(TAIL, max(self._looked, self._no_tail_to), end)
            if tail < 0:
                self._no_tail_to = max(self._no_tail_to, end - 1)
                break
            for found in _EACH_START.finditer(self._buffer, max(1, self._looked), tail):
                if tail + END - found.start() in (ends(self._buffer, found.start()) or ()):
                    self._inner = _Span(
                        found.start(), tail + END
                    )  # the last of several: it has least before it
            self._looked = tail + END
        return self._inner

    def _before(self, inner: _Span) -> Frame | Discarded:
        """What stands before a whole frame: one whose length lied, or noise."""
        tail = self._tail()
        if tail >= 0 and tail + END <= inner.start:
            return self._take_loose(tail + END)
        return self._discard("truncated", self._start_from(1))

    def _loose(self, *, quiet: bool) -> Frame | Discarded | None:
        """The frame ends at its first 0D 0A, for its length is none; None: that is still to come."""
        tail = self._tail()
        if tail >= 0:
            return self._take_loose(tail + END)
        if quiet:
            any_end = self._buffer.find(TAIL, 1) >= 0
            return self._discard("truncated", self._start_from(1) if any_end else len(self._buffer))
        return self._hopeless(len(self._buffer) + 1)

    def _take_loose(self, size: int) -> Frame | Discarded:
        """From the last start before its end: what is before that was cut off."""
        last = self._buffer.rfind(START, 1, size - HEAD)
        if last > 0 and size - last >= HEAD + least(self._buffer[last + 3]) + END:
            return self._discard("truncated", last)
        return self._hopeless(size) or self._take(size)

    def _hopeless(self, end: int) -> Discarded | None:
        """What begins so far before the next possible end that it cannot reach it."""
        if end <= MOST:
            return None
        early = 0 <= self._buffer.find(TAIL, 1) < min(end - END, self._least())
        return self._discard("length", self._start_from(1 if early else end - MOST))

    def _least(self) -> int:
        """Before here no frame at the beginning can end."""
        return HEAD + least(self._buffer[3]) if len(self._buffer) >= HEAD else HEAD

    def _tail(self) -> int:
        """Offset of the first 0D 0A that can end the frame at the beginning; below 0: none."""
        return self._buffer.find(TAIL, self._least()) if len(self._buffer) >= HEAD else -1

    def _take(self, size: int) -> Frame:
        found = Frame(self._buffer[3], bytes(self._buffer[HEAD : size - END]), self._buffer[2])
        self._forget(size)
        return found

    def _forget(self, length: int) -> None:
        super()._forget(length)
        self._looked = self._looked - length if self._looked > length else 0
        self._no_tail_to = self._no_tail_to - length if self._no_tail_to > length else 0
        if self._inner is not None:
            inner = _Span(self._inner.start - length, self._inner.end - length)
            self._inner = inner if inner.start > 0 else None
