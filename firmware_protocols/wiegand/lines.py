"""Text between two marks, both directions, and the decoder that finds it in a byte stream.

    [start 0 or more] [content 1 to longest] [end 1 or more]

Such as nothing and CR LF, or STX and ETX. A start inside a content ends what was begun: the next one begins there.
Content without an end is noise once it is longer than the longest, and what follows it until the next end is, too.
Leaves out: what the content means, and check bytes before the end, which no source describes.
"""

import re
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
        self._starts = re.compile(b"(?:" + re.escape(marks.start) + b"){3,}")  # a run is one piece of noise
        self._buffer = bytearray()
        self._decide = frozenset(one[-1] for one in (marks.start, marks.end) if one)  # last bytes of a mark
        self._most = len(marks.start) + marks.longest + len(marks.end)
        self._skipping = False  # behind a content that was too long, until its end

    def feed(self, data: bytes) -> Iterator[Line | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        found: list[Line | Discarded] = []
        at = 0
        for run in self._starts.finditer(data) if self._marks.start else ():
            found += self._fed(data[at : run.start() + len(self._marks.start)])
            self._buffer += data[run.start() + len(self._marks.start) : run.end()]
            found.append(self._discard("truncated", len(self._buffer) - len(self._marks.start)))
            at = run.end()
        return iter(found + self._fed(data[at:]))

    def _fed(self, data: bytes) -> list[Line | Discarded]:
        found: list[Line | Discarded] = []
        for byte in data:
            self._buffer.append(byte)
            if byte not in self._decide and len(self._buffer) <= self._most:
                continue
            taken = self._taken()
            if taken is not None:
                found.append(taken)
        return found

    def flush(self) -> Iterator[Line | Discarded]:
        """Give up on an unfinished line (the line went quiet); yield what it held."""
        self._skipping = False
        begun = bool(self._marks.start) and self._buffer.startswith(self._marks.start)
        if self._buffer:
            reason = "truncated" if begun or not self._marks.start else "noise"
            yield self._discard(reason, len(self._buffer))

    def _taken(self) -> Line | Discarded | None:
        """What the last byte decides."""
        start, end = self._marks.start, self._marks.end
        if start and self._buffer.endswith(start) and len(self._buffer) > len(start):
            reason = "truncated" if self._buffer.startswith(start) else "noise"
            return self._discard(reason, len(self._buffer) - len(start))
        if self._buffer.endswith(end) and (not start or self._buffer.startswith(start)):
            return self._ended()
        if len(self._buffer) > self._most:
            return self._overfull()
        return None

    def _ended(self) -> Line | Discarded:
        content = bytes(self._buffer[len(self._marks.start) : len(self._buffer) - len(self._marks.end)])
        if self._skipping or not 0 < len(content) <= self._marks.longest:
            reason = "empty" if not content and not self._skipping else "length"
            self._skipping = False
            return self._discard(reason, len(self._buffer))
        self._buffer.clear()
        return Line(content)

    def _overfull(self) -> Discarded:
        """Too long: keep only what may be the beginning of a mark."""
        keep = max(len(self._marks.start), len(self._marks.end)) - 1
        if self._marks.start:
            reason = "length" if self._buffer.startswith(self._marks.start) else "noise"
        else:
            reason, self._skipping = "length", True
        return self._discard(reason, len(self._buffer) - keep)

    def _discard(self, reason: str, length: int) -> Discarded:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return Discarded(reason, length, data)
