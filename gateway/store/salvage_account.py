"""The rows of a damaged store into a new one, and the account of what is missing.

Where an epoch begins is said by the table of epochs, else by the witness, else by its first row: a row's
number may be damaged. Two epochs never get one place: of those that would overlap, the one with rows
stays, and the losses of the other are declared all the same.
"""

import heapq
import itertools
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from peewee import SqliteDatabase

from gateway.event_types import TYPE_PREFIX, is_urgent
from gateway.evidence import canonical
from gateway.spans import Spans
from gateway.store.epochs import Lost
from gateway.store.models import Epoch
from gateway.store.proof import proven
from gateway.store.salvage_rows import RawRow
from gateway.store.witness import MAX_EPOCHS, Statement

MOST_RANGES = 256  # lost ranges told one by one; beyond that near ones are told as one
_FAR = 1 << 62

Told: TypeAlias = Mapping[str, tuple[int, int | None]]  # epoch -> first_n and last sequence, by their table


class Extent(Enum):
    """Which rows are copied."""

    ALL = "all"
    WAITING = "waiting"  # the settled ones are safe at the center: for a disk without room for them
    HERE = "here"  # none: the store is mended where it stands


@dataclass(slots=True)
class _Run:
    """One epoch as it comes out of the damaged file."""

    first_n: int
    reason: str = "salvaged"
    opened_ms: int = 0
    kept: list[tuple[int, int]] = field(default_factory=list)  # sequences, as ranges
    last_seq: int = 0
    last_hash: bytes = bytes(32)

    def add(self, seq: int, digest: bytes) -> None:
        if self.kept and self.kept[-1][1] == seq - 1:
            self.kept[-1] = (self.kept[-1][0], seq)
        else:
            self.kept.append((seq, seq))
        if seq > self.last_seq:
            self.last_seq, self.last_hash = seq, digest


class Account:
    """One salvage. Inside a transaction of the new store."""

    def __init__(
        self,
        into: SqliteDatabase,
        told: Told,
        waiting: Spans | None,
        witness: Statement | None,
        extent: Extent = Extent.ALL,
    ) -> None:
        """`told`: the table of epochs, `waiting`: the list of waiting events, where they can be read."""
        self.kept = 0
        self._connection: sqlite3.Connection = into.connection()
        self._extent = extent
        self._told = told
        self._waiting = waiting
        named = () if witness is None else witness.epochs
        self._seen = {seen.epoch: seen for seen in named}
        # The witness names the running epoch and the open ones: another one is settled whole, if it is
        # older than the running one, all were named, and the witness speaks of this store.
        whole = 0 < len(named) < MAX_EPOCHS and (not told or named[0].epoch in told)
        self._settled_below = named[0].first_n if whole else 0
        self._runs: dict[str, _Run] = {}

    def take(self, row: RawRow) -> bool:
        """Keep a row that proves itself and stands at its own place; whether it is such a row."""
        n, digest, recorded_ms, wire = row
        found = proven(digest, wire)
        if found is None:
            return False
        event, _ = found
        epoch, seq = str(event["source"]).rpartition("/")[2], int(str(event["sequence"]))
        run = self._runs.get(epoch)
        if run is None:
            run = self._runs[epoch] = _Run(self._first_n(epoch, n - seq + 1), opened_ms=recorded_ms)
        if n != run.first_n + seq - 1:
            return False  # an event that stands at a place which is not its own
        waits = self._waits(epoch, run, n, seq)
        if not self._put(row, waits=waits):
            return False  # a damaged tree may name a page twice
        run.opened_ms = min(run.opened_ms, recorded_ms)  # rows come in any order
        if seq == 1:
            run.reason = _reason(event) or run.reason
        run.add(seq, digest)
        if waits:
            kind = str(event["type"]).removeprefix(TYPE_PREFIX)
            lane = 0 if is_urgent(kind) else 1
            self._connection.execute("INSERT OR IGNORE INTO waiting (lane, n) VALUES (?, ?)", (lane, n))
        return True

    def _put(self, row: RawRow, *, waits: bool) -> bool:
        if self._extent is Extent.WAITING and not waits:
            return True
        if self._extent is not Extent.HERE:
            insert = "INSERT OR IGNORE INTO event (n, hash, recorded_ms, wire) VALUES (?, ?, ?, ?)"
            if not self._connection.execute(insert, row).rowcount:
                return False
        self.kept += 1
        return True

    def finish(self) -> tuple[Lost, ...]:
        """Write the epochs; what is lost."""
        lost = self._complete()
        ordered = sorted(self._runs.items(), key=lambda item: item[1].first_n)
        for (epoch, run), following in itertools.zip_longest(ordered, ordered[1:]):
            end = self._end(epoch, run, _FAR if following is None else following[1].first_n)
            Epoch.create(
                first_n=run.first_n, epoch=epoch, reason=run.reason, opened_ms=run.opened_ms,
                last_seq=end, last_hash=self._end_hash(epoch, run, end),
            )  # fmt: skip
            lost += self._lost(epoch, run, end)
        return tuple(lost)

    def _first_n(self, epoch: str, by_row: int) -> int:
        said = [self._told[epoch][0]] if epoch in self._told else []
        if epoch in self._seen:
            said.append(self._seen[epoch].first_n)
        return by_row if by_row in said or not said else said[0]

    def _waits(self, epoch: str, run: _Run, n: int, seq: int) -> bool:
        if self._waiting is not None:
            return n in self._waiting
        return seq > self._settled(epoch, run.first_n)

    def _settled(self, epoch: str, first_n: int) -> int:
        """Up to which sequence everything is known to be settled."""
        if epoch in self._seen:
            return self._seen[epoch].settled
        return _FAR if first_n < self._settled_below else 0

    def _complete(self) -> list[Lost]:
        """Add the epochs of which no row was kept; the losses of those that have no place."""
        lost: list[Lost] = []
        runs = dict(self._runs)
        self._runs = {}
        for epoch, run in runs.items():
            self._place(epoch, run, lost, run.first_n + max(run.last_seq, 1) - 1)
        for epoch, (first_n, last) in self._told.items():
            if epoch not in runs:
                self._place(epoch, _Run(first_n), lost, first_n + max(last or 1, 1) - 1)
        for epoch, seen in self._seen.items():
            if epoch not in runs and epoch not in self._told:
                self._place(epoch, _Run(seen.first_n), lost, seen.first_n + max(seen.last_seq, 1) - 1)
        return lost

    def _place(self, epoch: str, run: _Run, lost: list[Lost], last_n: int) -> None:
        if not any(
            run.first_n <= other.first_n <= last_n
            or other.first_n <= run.first_n <= other.first_n + other.last_seq - 1
            for other in self._runs.values()
        ):
            self._runs[epoch] = run
        elif epoch in self._seen and self._seen[epoch].settled < self._seen[epoch].last_seq:
            lost.append(Lost(epoch, self._seen[epoch].settled + 1, self._seen[epoch].last_seq))

    def _end(self, epoch: str, run: _Run, next_n: int) -> int:
        """The last sequence that is known to have been."""
        ends = [run.last_seq, self._told.get(epoch, (0, None))[1] or 0]
        if epoch in self._seen:
            ends.append(self._seen[epoch].last_seq)
        highest = None if self._waiting is None else self._waiting.highest(run.first_n, next_n - 1)
        if highest is not None:
            ends.append(highest - run.first_n + 1)
        return max(ends)

    def _end_hash(self, epoch: str, run: _Run, end: int) -> bytes:
        if run.last_seq == end:
            return run.last_hash
        seen = self._seen.get(epoch)
        return seen.last_hash if seen is not None and seen.last_seq == end else bytes(32)

    def _lost(self, epoch: str, run: _Run, end: int) -> list[Lost]:
        holes, at = [], 1
        for first, last in [*Spans(run.kept), (end + 1, end + 1)]:
            if at < first:
                holes.append((at, first - 1))
            at = last + 1
        return [Lost(epoch, *span) for hole in holes for span in self._unsettled(epoch, run, hole, end)]

    def _unsettled(self, epoch: str, run: _Run, hole: tuple[int, int], end: int) -> list[tuple[int, int]]:
        """The parts of a hole that the center may not have."""
        first, last = hole
        before = run.first_n - 1
        beyond = max(first, self._settled(epoch, run.first_n) + 1)
        if self._waiting is None:
            return [(beyond, last)] if beyond <= last else []
        spans = [(a - before, b - before) for a, b in self._waiting.within(before + first, before + last)]
        # The tail may hold waiting events that the list, as old as its last page, never knew.
        tail = max(beyond, (self._waiting.highest(0, _FAR) or 0) - before + 1)
        if last == end and tail <= last:
            spans.append((tail, last))
        return spans


def as_few(lost: Iterable[Lost]) -> list[Lost]:
    """Merged, and at most `MOST_RANGES`: the narrowest gaps are closed.

    What is sent after all is not lost at the center.
    """
    by_epoch: dict[str, list[tuple[int, int]]] = {}
    for one in lost:
        by_epoch.setdefault(one.epoch, []).append((one.first, one.last))
    merged = [Lost(epoch, *span) for epoch, ranges in by_epoch.items() for span in Spans(ranges)]
    gaps = [
        (later.first - earlier.last, at)
        for at, (earlier, later) in enumerate(itertools.pairwise(merged))
        if earlier.epoch == later.epoch
    ]
    closed = {at for _, at in heapq.nsmallest(max(0, len(merged) - MOST_RANGES), gaps)}
    few: list[Lost] = []
    for at, one in enumerate(merged):
        if at - 1 in closed:
            few[-1] = Lost(one.epoch, few[-1].first, one.last)
        else:
            few.append(one)
    return few


def _reason(event: Mapping[str, canonical.Json]) -> str | None:
    data = event["data"]
    if event["type"] == TYPE_PREFIX + "system.epoch_opened" and isinstance(data, dict):
        return str(data.get("reason"))
    return None
