"""Reading what can be read of a damaged table of events: in the order of its tree, over any holes.

A torn page makes every query fail that has to pass it. So rows are read for as long as that works;
where it fails, the end of the hole is searched by doubling steps, and inside of it each row is asked
for alone: a page of the tree may cover rows that other pages still hold.

The number of a row may be damaged too, and where reading goes on is decided by a number. One that a
lower one follows was wrong. The last one before a hole, when it leaps, may be wrong or may stand behind
what was purged: what lies between is searched before it is believed. A row may come twice.
"""

import sqlite3
from collections.abc import Iterator
from typing import TypeAlias

MOST_N = 1 << 48  # far beyond any store
PROBED = 200_000  # rows asked for alone before the end of a hole: more than any inner page covers

RawRow: TypeAlias = tuple[int, bytes, int, bytes]  # n, hash, recorded_ms, wire
_AnyRow: TypeAlias = tuple[object, object, object, object]  # of a damaged table: anything

_ROWS = "SELECT n, hash, recorded_ms, wire FROM event WHERE n >= ? ORDER BY n"
_NEXT = "SELECT n FROM event WHERE n >= ? ORDER BY n LIMIT 1"
_ONE = "SELECT n, hash, recorded_ms, wire FROM event WHERE n = ?"


def readable_rows(source: sqlite3.Connection) -> Iterator[RawRow]:
    """Rows whose columns have the right types."""
    at = 1
    while at < MOST_N:
        place = _Place(at - 1)
        try:
            for row in source.execute(_ROWS, (at,)):
                place.passed(row[0])
                if _is_row(row):
                    yield row
            return
        except (sqlite3.Error, OverflowError):
            at, doubted = place.resume()
        behind = _behind_hole(source, at, MOST_N if doubted is None else doubted)
        if behind is not None:
            yield from _alone(source, max(at, behind - PROBED), behind)
            at = behind
            continue
        end = at + PROBED
        yield from _alone(source, at, end if doubted is None else min(end, doubted))
        if doubted is None:
            return
        at = doubted + 1


class _Place:
    """How far reading has come, by numbers that may be wrong."""

    def __init__(self, n: int) -> None:
        self._before = self._last = n  # the last two that rise

    def passed(self, n: int) -> None:
        if n > self._last:
            self._before = self._last
        if n > self._before:  # else it is this one that is wrong
            self._last = n

    def resume(self) -> tuple[int, int | None]:
        """Where a hole begins, and the number behind it that was read already but is not sure."""
        if self._last <= self._before + 1:
            return self._last + 1, None
        return self._before + 1, self._last


def _behind_hole(source: sqlite3.Connection, at: int, below: int) -> int | None:
    """The next `n` at which a query succeeds and finds a row below `below`; None where there is none."""
    step = 1
    while at + step < below:
        try:
            row = source.execute(_NEXT, (at + step,)).fetchone()
        except sqlite3.Error:
            step *= 2
            continue
        if row is None:
            return None
        if row[0] < below:
            return at + step
        step *= 2
    return None


def _alone(source: sqlite3.Connection, first: int, end: int) -> Iterator[RawRow]:
    for n in range(first, end):
        try:
            row = source.execute(_ONE, (n,)).fetchone()
        except sqlite3.Error:
            continue
        if row is not None and _is_row(row):
            yield row


def _is_row(row: _AnyRow) -> bool:
    kinds = (int, bytes, int, bytes)
    return all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True))
