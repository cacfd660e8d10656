"""A damaged store: keep what can be read, say what is lost, and do it again if it was cut off.

    1. rename   events.db -> events.db.salvaging-<ms>   (and its WAL)
    2. build    events.db.rebuild from it, in one transaction
    3. rename   events.db.rebuild -> events.db          here it is done
    4. rename   events.db.salvaging-<ms> -> events.db.damaged-<ms>

Killed before step 3 it is begun again from the same file at the next start; killed after it, step 4 is
made up for. The damaged file is evidence: it is never written and never deleted by the gateway.

Every row that can be read and proves itself (its hash is that of its signed bytes) is copied. Where
the list of waiting events cannot be read, whatever is not known to be settled waits again: sending
twice is harmless, the center dedupes. Lost is what should be here, was not settled, and is not kept.
"""

import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from peewee import SqliteDatabase

from gateway.errors import ContractError
from gateway.event_types import TYPE_PREFIX, is_urgent
from gateway.evidence import canonical
from gateway.store import epochs
from gateway.store.database import StoreDamaged
from gateway.store.epochs import Lost
from gateway.store.models import Epoch, Event
from gateway.store.salvage_rows import RawRow, readable_rows
from gateway.store.witness import Statement

TAIL_CHECKED = 64  # events verified at each start; the rest is looked at behind it (`check`)
MOST_RANGES = 256  # lost ranges told one by one; beyond that near ones are told as one
FOUND = "salvage"  # state: what a salvage came to, until the next start has told it


@dataclass(frozen=True, slots=True)
class Salvage:
    """What came of a damaged store."""

    set_aside: str  # file name of the damaged store, beside the new one
    cause: str
    kept: int  # events copied
    lost: tuple[Lost, ...]

    def as_text(self) -> str:
        """To be kept in the new store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Salvage":
        """Inverse of `as_text`."""
        members = json.loads(text)
        lost = tuple(Lost(**one) for one in members.pop("lost"))
        return cls(**members, lost=lost)


def check_tail() -> None:
    """Raise `StoreDamaged` unless the newest events prove themselves and hang together."""
    rows = list(Event.select(Event.n, Event.hash, Event.wire).order_by(Event.n.desc()).limit(TAIL_CHECKED))
    for later, earlier in itertools.pairwise(rows):
        check_row(later.n, later.hash, later.wire, earlier.hash if earlier.n == later.n - 1 else None)
    if rows:
        check_row(rows[-1].n, rows[-1].hash, rows[-1].wire, None)


def check_row(
    n: int, stored_hash: object, wire: object, before: object
) -> tuple[dict[str, canonical.Json], str]:
    """The event and its signature; raises `StoreDamaged` unless the row proves itself and is chained to `before`.

    `before` is the hash of the row before; None where that is not at hand.
    """
    found = proven(stored_hash, wire) if isinstance(stored_hash, bytes) and isinstance(wire, bytes) else None
    if found is None:
        raise StoreDamaged(f"event row {n} does not match its hash")
    event, _ = found
    first_of_epoch = event["sequence"] == f"{1:016d}"
    if isinstance(before, bytes) and not first_of_epoch and event["prevhash"] != before.hex():
        raise StoreDamaged(f"event row {n} is not chained to the row before")
    return found


def proven(stored_hash: bytes, wire: bytes) -> tuple[dict[str, canonical.Json], str] | None:
    """The event without its signature, and the signature, when the hash is that of the signed bytes."""
    try:
        event = canonical.decode(wire)
        jws = str(event.pop("jws"))
        payload = canonical.encode(event)
    except (ContractError, KeyError):
        return None
    return (event, jws) if hashlib.sha256(payload).digest() == stored_hash else None


def salvage(
    damaged: Path, into: SqliteDatabase, *, name: str, cause: str, witness: Statement | None
) -> Salvage:
    """Copy what can be read of `damaged` into the new, empty store, and keep there what came of it.

    `name` is what the damaged file will be called for good.
    """
    with closing(sqlite3.connect(f"file:{damaged}?mode=ro", uri=True)) as source, into.atomic():
        source.text_factory = lambda raw: raw.decode(errors="replace")
        copy = _Copy(into, _waiting(source), witness)
        for row in readable_rows(source):
            copy.take(row)
        lost = copy.finish(_epochs(source))
        found = Salvage(name, cause, copy.kept, lost)
        epochs.set_state(FOUND, found.as_text())
        _copy_state(source)
    return found


@dataclass(slots=True)
class _Run:
    """One epoch as it comes out of the damaged file."""

    first_n: int
    reason: str = "salvaged"
    opened_ms: int = 0
    kept: list[tuple[int, int]] = field(default_factory=list)  # sequences, as ranges
    last_hash: bytes = bytes(32)

    def add(self, seq: int, digest: bytes) -> None:
        if self.kept and self.kept[-1][1] == seq - 1:
            self.kept[-1] = (self.kept[-1][0], seq)
        else:
            self.kept.append((seq, seq))
        self.last_hash = digest


class _Copy:
    """Rows into the new store, and the account of what is missing."""

    def __init__(self, into: SqliteDatabase, waiting: set[int] | None, witness: Statement | None) -> None:
        self.kept = 0
        self._connection = into.connection()
        self._waiting = waiting
        self._seen = {} if witness is None else {seen.epoch: seen for seen in witness.epochs}
        self._witnessed = witness is not None
        self._runs: dict[str, _Run] = {}

    def take(self, row: RawRow) -> None:
        n, digest, recorded_ms, wire = row
        found = proven(digest, wire)
        if found is None:
            return
        event, _ = found
        epoch, seq = str(event["source"]).rpartition("/")[2], int(str(event["sequence"]))
        run = self._runs.setdefault(epoch, _Run(n - seq + 1, opened_ms=recorded_ms))
        if n != run.first_n + seq - 1:
            return  # an event that stands at a place which is not its own
        if seq == 1:
            run.reason = _reason(event) or run.reason
        run.add(seq, digest)
        self._connection.execute("INSERT INTO event (n, hash, recorded_ms, wire) VALUES (?, ?, ?, ?)", row)
        if self._waits(epoch, n, seq):
            kind = str(event["type"]).removeprefix(TYPE_PREFIX)
            lane = 0 if is_urgent(kind) else 1
            self._connection.execute("INSERT INTO waiting (lane, n) VALUES (?, ?)", (lane, n))
        self.kept += 1

    def _waits(self, epoch: str, n: int, seq: int) -> bool:
        if self._waiting is not None:
            return n in self._waiting
        return seq > self._settled(epoch)

    def _settled(self, epoch: str) -> int:
        """Up to which sequence the witness saw everything settled; an epoch it no longer names is settled whole."""
        if epoch in self._seen:
            return self._seen[epoch].settled
        return 1 << 62 if self._witnessed else 0

    def finish(self, told: Mapping[str, tuple[int, int | None]]) -> tuple[Lost, ...]:
        """Write the epochs; what is lost. `told`: first_n and last sequence of epochs, where still readable."""
        for epoch, (first_n, _last) in told.items():
            self._runs.setdefault(epoch, _Run(first_n))
        for epoch, seen in self._seen.items():
            self._runs.setdefault(epoch, _Run(seen.first_n))
        lost: list[Lost] = []
        ordered = sorted(self._runs.items(), key=lambda item: item[1].first_n)
        for (epoch, run), following in itertools.zip_longest(ordered, ordered[1:]):
            end = self._end(epoch, run, told, None if following is None else following[1].first_n)
            Epoch.create(
                first_n=run.first_n, epoch=epoch, reason=run.reason, opened_ms=run.opened_ms,
                last_seq=end, last_hash=self._end_hash(epoch, run, end),
            )  # fmt: skip
            lost += self._lost(epoch, run, end)
        return tuple(_as_few(lost))

    def _end(
        self, epoch: str, run: _Run, told: Mapping[str, tuple[int, int | None]], next_n: int | None
    ) -> int:
        """The last sequence that is known to have been."""
        ends = [run.kept[-1][1] if run.kept else 0]
        if epoch in self._seen:
            ends.append(self._seen[epoch].last_seq)
        last = told.get(epoch, (0, None))[1]
        if last is not None:
            ends.append(last)
        beyond = next_n if next_n is not None else 1 << 62
        ends += [
            n - run.first_n + 1
            for n in (max((w for w in self._waiting or () if run.first_n <= w < beyond), default=None),)
            if n is not None
        ]
        return max(ends)

    def _end_hash(self, epoch: str, run: _Run, end: int) -> bytes:
        if run.kept and run.kept[-1][1] == end:
            return run.last_hash
        seen = self._seen.get(epoch)
        return seen.last_hash if seen is not None and seen.last_seq == end else bytes(32)

    def _lost(self, epoch: str, run: _Run, end: int) -> list[Lost]:
        holes, at = [], 1
        for first, last in [*run.kept, (end + 1, end + 1)]:
            if at < first:
                holes.append((at, first - 1))
            at = last + 1
        return [Lost(epoch, *span) for hole in holes for span in self._unsettled(epoch, run, hole, end)]

    def _unsettled(self, epoch: str, run: _Run, hole: tuple[int, int], end: int) -> list[tuple[int, int]]:
        """The parts of a hole that the center may not have."""
        first, last = hole
        beyond = max(first, self._settled(epoch) + 1)
        if self._waiting is None:
            return [(beyond, last)] if beyond <= last else []
        spans = _spans(n - run.first_n + 1 for n in self._waiting if first <= n - run.first_n + 1 <= last)
        # The tail may hold waiting events that the list, as old as its last page, never knew.
        tail = max(beyond, max(self._waiting, default=0) - run.first_n + 2)
        if last == end and tail <= last:
            spans.append((tail, last))
        return spans


def _spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return spans


def _as_few(lost: list[Lost]) -> list[Lost]:
    """At most `MOST_RANGES`: the narrowest gaps are closed. What is sent after all is not lost at the center."""
    while len(lost) > MOST_RANGES:
        gaps = [
            (later.first - earlier.last, at)
            for at, (earlier, later) in enumerate(itertools.pairwise(lost))
            if earlier.epoch == later.epoch
        ]
        if not gaps:
            return lost
        at = min(gaps)[1]
        lost[at : at + 2] = [Lost(lost[at].epoch, lost[at].first, lost[at + 1].last)]
    return lost


def _waiting(source: sqlite3.Connection) -> set[int] | None:
    try:
        return {row[0] for row in source.execute("SELECT n FROM waiting")}
    except sqlite3.Error:
        return None


def _epochs(source: sqlite3.Connection) -> dict[str, tuple[int, int | None]]:
    try:
        rows = source.execute("SELECT epoch, first_n, last_seq FROM epoch").fetchall()
    except sqlite3.Error:
        return {}
    return {
        epoch: (first_n, last_seq)
        for epoch, first_n, last_seq in rows
        if isinstance(epoch, str) and isinstance(first_n, int) and isinstance(last_seq, int | None)
    }


def _copy_state(source: sqlite3.Connection) -> None:
    """Standing alarms and the like; what cannot be read is found out anew."""
    try:
        rows = source.execute("SELECT key, value FROM state").fetchall()
    except sqlite3.Error:
        return
    for key, value in rows:
        if isinstance(key, str) and isinstance(value, str) and key not in {FOUND, epochs.RESTORED}:
            epochs.set_state(key, value)


def _reason(event: Mapping[str, canonical.Json]) -> str | None:
    data = event["data"]
    if event["type"] == TYPE_PREFIX + "system.epoch_opened" and isinstance(data, dict):
        return str(data.get("reason"))
    return None
