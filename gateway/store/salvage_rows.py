"""Every event row that stands on a readable page of a damaged store, without its tree and its schema.

A page of the tree, or of the schema, covers rows that other pages still hold: to ask for rows by number is
to lose them with it. So each page that calls itself a leaf of a table is read by itself, cell by cell.
What has the shape of an event is given out; that it is one, its hash must prove (`proof`), so no other
table's row and no chance pattern can pass. Pages that were freed hold nothing: `secure_delete` made them zero.

    leaf    0x0D, then at 3 the number of cells, at 8 where each one begins  (sqlite.org/fileformat2.html)
    cell    length of the record, n, as much of the record as fits, the first page of the rest
    record  length of its head, a type for each column, then the columns; `n` stands in the cell alone
"""

import struct
from collections.abc import Iterable, Iterator
from typing import TypeAlias, TypeGuard

from gateway.store.damaged_pages import Pages
from gateway.store.database import PAGE_SIZE

MOST_N = 1 << 48  # far beyond any store

RawRow: TypeAlias = tuple[int, bytes, int, bytes]  # n, hash, recorded_ms, wire
AnyRow: TypeAlias = tuple[object, object, object, object]  # of a damaged table: anything

_LEAF = 0x0D
_MOST_CELLS = (PAGE_SIZE - 8) // 4
_MOST_HERE = PAGE_SIZE - 35  # bytes of a record that are not carried over to further pages
_LEAST_HERE = (PAGE_SIZE - 12) * 32 // 255 - 23
_MOST_BYTES = 1 << 24  # of a record: far beyond any event
_WHOLE_NUMBERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # type -> bytes


class _NotAnEventError(ValueError):
    """A cell of another table, or damage."""


def event_rows(pages: Pages) -> Iterator[RawRow]:
    """In the order of the file."""
    for number in range(2, pages.count + 1):
        page = pages.get(number)
        if page is None or page[0] != _LEAF:
            continue
        count = min(int.from_bytes(page[3:5], "big"), _MOST_CELLS)
        for at in struct.unpack_from(f">{count}H", page, 8):
            try:
                yield _row(pages, page, at)
            except _NotAnEventError:
                continue


def whole_rows(rows: Iterable[AnyRow]) -> Iterator[RawRow]:
    """Those whose columns have the right types."""
    return (row for row in rows if _is_row(row))


def _is_row(row: AnyRow) -> TypeGuard[RawRow]:
    kinds = (int, bytes, int, bytes)
    return all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True))


def _row(pages: Pages, page: bytes, at: int) -> RawRow:
    size, at = _varint(page, at)
    n, at = _varint(page, at)
    if not 0 < n < MOST_N or size > _MOST_BYTES:
        raise _NotAnEventError
    here = size if size <= _MOST_HERE else _LEAST_HERE + (size - _LEAST_HERE) % (PAGE_SIZE - 4)
    here = here if here <= _MOST_HERE else _LEAST_HERE
    record = page[at : at + here]
    ends, recorded = _columns(record, size)
    if here < size:
        record += _rest(pages, page[at + here : at + here + 4], size - here)
    if len(record) != size:
        raise _NotAnEventError
    hash_at, ms_at, wire_at = ends
    recorded_ms = (
        recorded if recorded is not None else int.from_bytes(record[ms_at:wire_at], "big", signed=True)
    )
    return n, record[hash_at:ms_at], recorded_ms, record[wire_at:]


def _columns(record: bytes, size: int) -> tuple[tuple[int, int, int], int | None]:
    """Where hash, time and wire bytes begin; the time where it is told by its type alone."""
    head, at = _varint(record, 0)
    types: list[int] = []
    while at < head and len(types) < 5:
        kind, at = _varint(record, at)
        types.append(kind)
    if len(types) != 4 or at != head:
        raise _NotAnEventError
    own, digest, time, wire = types
    time_bytes = 0 if time in {8, 9} else _WHOLE_NUMBERS.get(time)
    blobs = all(kind >= 12 and kind % 2 == 0 for kind in (digest, wire))
    if own != 0 or time_bytes is None or not blobs:
        raise _NotAnEventError
    ms_at = head + (digest - 12) // 2
    wire_at = ms_at + time_bytes
    if wire_at + (wire - 12) // 2 != size:
        raise _NotAnEventError
    return (head, ms_at, wire_at), time - 8 if time in {8, 9} else None


def _rest(pages: Pages, following: bytes, left: int) -> bytes:
    parts = []
    while left > 0:
        page = pages.get(int.from_bytes(following, "big"))
        if page is None:
            raise _NotAnEventError
        following = page[:4]
        parts.append(page[4 : 4 + left])
        left -= PAGE_SIZE - 4
    return b"".join(parts)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for end, byte in enumerate(raw[at : at + 9], 1):
        if end == 9:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + end
    raise _NotAnEventError
