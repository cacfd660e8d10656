"""Reading what can be read of a damaged table of events: each row once, in order, over any holes.

A torn page makes every query fail that has to pass it. So rows are read in stretches while that works;
where it fails, the end of the hole is searched by doubling steps, and inside of it each row is asked
for alone: a page of the tree may cover rows that other pages still hold.
"""

import sqlite3
from collections.abc import Iterator
from typing import TypeAlias

STRETCH = 500  # rows in one query
MOST_N = 1 << 48  # far beyond any store
PROBED = 200_000  # rows asked for alone before the end of a hole: more than any inner page covers

RawRow: TypeAlias = tuple[int, bytes, int, bytes]  # n, hash, recorded_ms, wire
_AnyRow: TypeAlias = tuple[object, object, object, object]  # of a damaged table: anything

_ROWS = "SELECT n, hash, recorded_ms, wire FROM event WHERE n >= ? ORDER BY n LIMIT ?"
_ONE = "SELECT n, hash, recorded_ms, wire FROM event WHERE n = ?"


def readable_rows(source: sqlite3.Connection) -> Iterator[RawRow]:
    """Rows whose columns have the right types."""
    at = 1
    while True:
        rows, whole = _stretch(source, at)
        yield from filter(_is_row, rows)
        if rows:
            at = rows[-1][0] + 1
        if whole:
            return
        if not rows:
            behind = _behind_hole(source, at)
            end = at + PROBED if behind is None else behind
            yield from _alone(source, max(at, end - PROBED), end)
            if behind is None:
                return
            at = behind


def _stretch(source: sqlite3.Connection, at: int) -> tuple[list[RawRow], bool]:
    """Rows from `at` on until the first that fails; whether the table ended there."""
    rows: list[RawRow] = []
    try:
        for row in source.execute(_ROWS, (at, STRETCH)):
            rows.append(row)  # noqa: PERF402 - the query may fail midway: what came before it is kept
    except (sqlite3.Error, OverflowError):
        return rows, False
    return rows, not rows


def _behind_hole(source: sqlite3.Connection, at: int) -> int | None:
    """The next `n` at which a query succeeds and finds a row; None where there is none."""
    step = 1
    while at + step < MOST_N:
        try:
            row = source.execute(_ROWS, (at + step, 1)).fetchone()
        except sqlite3.Error:
            step *= 2
            continue
        return None if row is None else at + step
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
