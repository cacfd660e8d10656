"""Text between two marks, both directions, and the decoder that finds it in a byte stream.

    [start 0 or more] [content 1 to longest] [end 1 or more]

Such as nothing and CR LF, or STX and ETX. A start inside a content ends what was begun: the next one begins there.
Content without an end is noise once it is longer than the longest, and what follows it until the next end is, too.
Leaves out: what the content means, and check bytes before the end, which no source describes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded

STX, ETX = b"\x02", b"\x03"
MOST_CONTENT = 256  # bytes; ours: no number of a card is longer by far


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands around a content."""

    start: bytes
    end: bytes
    longest: int = 64  # bytes of content

    def __post_init__(self) -> None:
        """Refuse marks that cannot be told apart."""
        if not self.end:
            raise LocalProtocolError("marks", "the end mark is empty: no line would ever end")
        if self.start and (self.start in self.end or self.end in self.start):
            raise LocalProtocolError("marks", "one mark is part of the other")
        if not 1 <= self.longest <= MOST_CONTENT:
            raise LocalProtocolError("longest", f"a line has 1 to {MOST_CONTENT} bytes, not {self.longest}")

    def to_bytes(self, line: "Line") -> bytes:
        """The line on the wire."""
        if not 0 < len(line.content) <= self.longest:
            raise LocalProtocolError("length", f"{len(line.content)} bytes; 1 to {self.longest} are carried")
        whole = self.start + line.content + self.end
        marked = self.start and self.start in whole[len(self.start) :]
        if marked or whole.find(self.end, len(self.start)) != len(whole) - len(self.end):
            raise LocalProtocolError("content", "a mark stands inside the content")
        return whole


@dataclass(frozen=True, slots=True)
class Line:
    """One content. It may be somebody's card and stays out of repr."""

    content: bytes = field(repr=False)


class LineDecoder:
    """Finds lines. Holds at most one, whatever comes."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._buffer = bytearray()
        self._skipping = False  # behind a content that was too long, until its end

    def feed(self, data: bytes) -> Iterator[Line | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        found: list[Line | Discarded] = []
        for byte in data:
            self._buffer.append(byte)
            found.extend(self._taken())
        return iter(found)

    def flush(self) -> Iterator[Line | Discarded]:
        """Give up on an unfinished line (the line went quiet); yield what it held."""
        self._skipping = False
        begun = bool(self._marks.start) and self._buffer.startswith(self._marks.start)
        return self._discard("truncated" if begun or not self._marks.start else "noise", len(self._buffer))

    def _taken(self) -> Iterator[Line | Discarded]:
        """What the last byte decides."""
        start, end = self._marks.start, self._marks.end
        if start and self._buffer.endswith(start) and len(self._buffer) > len(start):
            reason = "truncated" if self._buffer.startswith(start) else "noise"
            yield from self._discard(reason, len(self._buffer) - len(start))
        elif self._buffer.endswith(end) and (not start or self._buffer.startswith(start)):
            yield from self._ended()
        elif len(self._buffer) > len(start) + self._marks.longest + len(end):
            yield from self._overfull()

    def _ended(self) -> Iterator[Line | Discarded]:
        content = bytes(self._buffer[len(self._marks.start) : len(self._buffer) - len(self._marks.end)])
        if self._skipping or not 0 < len(content) <= self._marks.longest:
            reason = "empty" if not content and not self._skipping else "length"
            self._skipping = False
            yield from self._discard(reason, len(self._buffer))
            return
        self._buffer.clear()
        yield Line(content)

    def _overfull(self) -> Iterator[Line | Discarded]:
        """Too long: keep only what may be the beginning of a mark."""
        keep = max(len(self._marks.start), len(self._marks.end)) - 1
        if self._marks.start:
            reason = "length" if self._buffer.startswith(self._marks.start) else "noise"
        else:
            reason, self._skipping = "length", True
        yield from self._discard(reason, len(self._buffer) - keep)

    def _discard(self, reason: str, length: int) -> Iterator[Discarded]:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        if data:
            yield Discarded(reason, length, data)
