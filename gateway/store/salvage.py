"""A damaged store: notice it at the start, keep what can be read, say what is lost.

The damaged file is set aside and never written. Every row that can be read and proves itself (its
hash is that of its signed bytes) is copied; where the list of waiting events cannot be read, all
copied events wait again: sending twice is harmless, the center dedupes. The caller opens a new epoch.
"""

import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from peewee import SqliteDatabase

from gateway.errors import ContractError
from gateway.event_types import TYPE_PREFIX, is_urgent
from gateway.evidence import canonical
from gateway.store.database import StoreDamaged
from gateway.store.models import Epoch, Event

TAIL_CHECKED = 64  # events verified at each start; the whole chain is `zhijiao verify`'s work
PROBE_GIVE_UP = 4096  # consecutive unreadable `n` after which the rest is given up


@dataclass(frozen=True, slots=True)
class Salvage:
    """What came of a damaged store."""

    set_aside: str  # file name of the damaged store, beside the new one
    cause: str
    kept: int  # events copied
    lost: tuple[tuple[str, int, int], ...]  # (epoch, from, to): known sequences that could not be kept
    complete: bool = field(default=False)  # False: what stood behind the last readable row is unknown


def check_tail() -> None:
    """Raise `StoreDamaged` unless the newest events prove themselves and hang together."""
    rows = list(Event.select(Event.n, Event.hash, Event.wire).order_by(Event.n.desc()).limit(TAIL_CHECKED))
    for later, earlier in itertools.pairwise(rows):
        if earlier.n == later.n - 1:
            _check_row(later.n, later.hash, later.wire, earlier.hash)
    if rows:
        _check_row(rows[-1].n, rows[-1].hash, rows[-1].wire, None)


def _check_row(n: int, stored_hash: object, wire: object, previous: object) -> None:
    event = _proven(stored_hash, wire) if isinstance(stored_hash, bytes) and isinstance(wire, bytes) else None
    if event is None:
        raise StoreDamaged(f"event row {n} does not match its hash")
    first_of_epoch = event["sequence"] == f"{1:016d}"
    if isinstance(previous, bytes) and not first_of_epoch and event["prevhash"] != previous.hex():
        raise StoreDamaged(f"event row {n} is not chained to the row before")


def _proven(stored_hash: bytes, wire: bytes) -> dict[str, canonical.Json] | None:
    try:
        event = canonical.decode(wire)
        event.pop("jws")
        payload = canonical.encode(event)
    except (ContractError, KeyError):
        return None
    return event if hashlib.sha256(payload).digest() == stored_hash else None


def salvage(damaged: Path, into: SqliteDatabase, *, cause: str) -> Salvage:
    """Copy what can be read of `damaged` into the new, empty store."""
    with closing(sqlite3.connect(f"file:{damaged}?mode=ro", uri=True)) as source:
        source.text_factory = lambda raw: raw.decode(errors="replace")
        waiting = _read_waiting(source)
        lost: list[tuple[str, int, int]] = []
        kept = 0
        with into.atomic():
            epochs: dict[str, int] = {}  # epoch -> first n
            expected = 1
            for n, stored_hash, recorded_ms, wire in _readable_rows(source):
                event = _proven(stored_hash, wire)
                if event is None:
                    continue
                epoch, seq = str(event["source"]).rpartition("/")[2], int(str(event["sequence"]))
                if epoch not in epochs:
                    epochs[epoch] = n - seq + 1
                    reason = _epoch_reason(event) or "salvaged"
                    Epoch.create(first_n=n - seq + 1, epoch=epoch, reason=reason, opened_ms=recorded_ms)
                    expected = n - seq + 1
                if n > expected:
                    lost.append((epoch, expected - epochs[epoch] + 1, seq - 1))
                expected = n + 1
                _keep(into, n, stored_hash, recorded_ms, wire, waits=waiting is None or n in waiting)
                kept += 1
    return Salvage(damaged.name, cause, kept, tuple(lost), complete=False)


def _keep(
    into: SqliteDatabase, n: int, stored_hash: bytes, recorded_ms: int, wire: bytes, *, waits: bool
) -> None:
    into.execute_sql(
        "INSERT INTO event (n, hash, recorded_ms, wire) VALUES (?, ?, ?, ?)",
        (n, stored_hash, recorded_ms, wire),
    )
    if waits:
        kind = str(json.loads(wire)["type"]).removeprefix(TYPE_PREFIX)
        into.execute_sql("INSERT INTO waiting (lane, n) VALUES (?, ?)", (0 if is_urgent(kind) else 1, n))


def _epoch_reason(event: dict[str, canonical.Json]) -> str | None:
    data = event["data"]
    if event["type"] == TYPE_PREFIX + "system.epoch_opened" and isinstance(data, dict):
        return str(data.get("reason"))
    return None


def _read_waiting(source: sqlite3.Connection) -> set[int] | None:
    try:
        return {row[0] for row in source.execute("SELECT n FROM waiting")}
    except sqlite3.Error:
        return None


def _readable_rows(source: sqlite3.Connection) -> Iterator[tuple[int, bytes, int, bytes]]:
    """Rows in order of `n`, stepping over unreadable ones. Each is asked for alone: a scan would end at the first."""
    try:
        last = source.execute("SELECT max(n) FROM event").fetchone()[0]
    except sqlite3.Error:
        last = None
    n, unreadable = 1, 0
    while (last is None and unreadable < PROBE_GIVE_UP) or (last is not None and n <= last):
        try:
            row = source.execute("SELECT hash, recorded_ms, wire FROM event WHERE n = ?", (n,)).fetchone()
        except sqlite3.Error:
            row = None
        if row is not None and isinstance(row[0], bytes) and isinstance(row[2], bytes):
            unreadable = 0
            yield n, row[0], int(row[1]), row[2]
        else:
            unreadable += 1
        n += 1
