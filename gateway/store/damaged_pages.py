"""A damaged store's pages without SQLite: those of the file, under what its WAL has committed.

Of a WAL SQLite takes the frames up to the last commit before the first one that is torn or of another
round (wrong salt or checksum); so does this. What was never committed was never acknowledged: it must not
come back as an event. A block that the disk does not give is a page that is not there.

    WAL     header of 32 bytes, then frames of 24 bytes and a page (sqlite.org/walformat.html)
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gateway.store.database import PAGE_SIZE

HEADER, FRAME = 32, 24  # bytes
_MAGIC = 0x377F0682  # its last bit: checksums of big-endian words
_VERSION = 3007000
_CHUNK = 1 << 20

Sums = tuple[int, int]


@dataclass(slots=True)
class Wal:
    """What of a WAL is committed. Fresh, it is an empty one that can be appended to."""

    salts: bytes = bytes(8)
    order: str = ">"  # of the words that are summed up, as `struct` names it
    sums: Sums = (0, 0)  # after the last frame
    end: int = 0  # bytes up to there
    count: int = 0  # pages of the store with it; 0: nothing is committed here
    frames: dict[int, int] = field(default_factory=dict)  # page -> where its newest content stands

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read one; a file that is missing or no WAL of ours has committed nothing."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return cls()
        try:
            return cls._read(lambda at, count: _pread(handle, at, count))
        finally:
            os.close(handle)

    @classmethod
    def _read(cls, pread: Callable[[int, int], bytes]) -> Self:
        head = pread(0, HEADER)
        if len(head) < HEADER:
            return cls()
        magic, version, page_size = struct.unpack_from(">3I", head)
        order = ">" if magic & 1 else "<"
        sums = _sums(order, (0, 0), head[:24])
        if (magic & ~1, version, page_size) != (_MAGIC, _VERSION, PAGE_SIZE) or head[24:] != _packed(sums):
            return cls()
        wal = cls(head[16:24], order)
        uncommitted: dict[int, int] = {}
        at = HEADER
        while len(frame := pread(at, FRAME + PAGE_SIZE)) == FRAME + PAGE_SIZE:
            number, size = struct.unpack_from(">2I", frame)
            sums = _sums(order, sums, frame[:8] + frame[FRAME:])
            if number == 0 or frame[8:FRAME] != wal.salts + _packed(sums):
                break
            uncommitted[number] = at + FRAME
            at += len(frame)
            if size:
                wal.frames |= uncommitted
                uncommitted.clear()
                wal.sums, wal.end, wal.count = sums, at, size
        return wal

    def write(self, source: Path, into: Path, one_more: tuple[int, bytes, int] | None = None) -> None:
        """What is committed as a WAL of its own; then one page more: its number, content, pages of the store."""
        with into.open("wb") as out:
            sums, salts, order = self.sums, self.salts, self.order
            if self.end:
                with source.open("rb") as committed:
                    left = self.end
                    while left and (chunk := committed.read(min(left, _CHUNK))):
                        left -= out.write(chunk)
            elif one_more is not None:
                salts, order = b"salvaged", ">"
                head = struct.pack(">4I", _MAGIC | 1, _VERSION, PAGE_SIZE, 0) + salts
                sums = _sums(order, (0, 0), head)
                out.write(head + _packed(sums))
            if one_more is not None:
                number, page, count = one_more
                head = struct.pack(">2I", number, count)
                out.write(head + salts + _packed(_sums(order, sums, head + page)) + page)


class Pages:
    """The pages as of the last commit. Raises `OSError` only where the file cannot be opened."""

    def __init__(self, path: Path) -> None:
        beside = path.with_name(path.name + "-wal")
        self.wal = Wal.of(beside)
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._beside = os.open(beside, os.O_RDONLY | os.O_CLOEXEC) if self.wal.frames else None
        self.count = self.wal.count or -(-os.fstat(self._file).st_size // PAGE_SIZE)

    def get(self, number: int) -> bytes | None:
        """A page, the first being 1; None where it cannot be read."""
        at = self.wal.frames.get(number)
        if at is not None and self._beside is not None:
            page = _pread(self._beside, at, PAGE_SIZE)
        elif 1 <= number <= self.count:
            page = _pread(self._file, (number - 1) * PAGE_SIZE, PAGE_SIZE)
        else:
            return None
        return page if len(page) == PAGE_SIZE else None

    def close(self) -> None:
        """Close the files."""
        os.close(self._file)
        if self._beside is not None:
            os.close(self._beside)


def _pread(handle: int, at: int, count: int) -> bytes:
    try:
        return os.pread(handle, count, at)
    except OSError:  # a block that is gone: damage like any other, and counted as what stood on it
        return b""


def _sums(order: str, before: Sums, content: bytes) -> Sums:
    one, two = before
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two


def _packed(sums: Sums) -> bytes:
    return struct.pack(">2I", *sums)
