"""What an auditor asks of a store, read beside a running gateway: how far the chain reaches, who did what.

Every question costs a bounded number of rows, whatever the store holds: a page never reads a store of years.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.store.database import StoreDamaged
from gateway.store.outbox import type_of
from gateway.store.reading import Reading, StoredEpoch, open_for_reading, whole

PAGE = 40  # events on one page
LOOKED_AT = 2_000  # rows in one transaction
PATIENCE_S = 1.0  # then the page says how far back it has looked
COUNTED = 5_000  # newest events of an epoch that are looked over for gaps
TOLD = ("audit.", "system.range_lost", "system.rollcall_answered", "system.roster_applied", "system.updated")


@dataclass(frozen=True, slots=True)
class EpochChain:
    """One epoch: what the store holds of it."""

    epoch: str
    reason: str
    opened_ms: int
    running: bool
    first: int | None  # lowest sequence held; above 1 where settled ones were deleted by age
    last: int | None
    head: str | None  # hash of the last one, hex
    settled: int | None  # every event up to this one waits no longer
    gaps: int  # sequences that are absent among the newest `COUNTED`
    looked_at: int  # of how many that is known


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event of the trail. `data` without what is sealed."""

    n: int
    epoch: str
    seq: int
    type: str
    at_ms: int  # recorded
    subject: str
    data: dict[str, Json]


@dataclass(frozen=True, slots=True)
class TrailPage:
    """Newest first; `before`: where to go on, None where there is nothing older."""

    events: Sequence[AuditEvent]
    before: int | None
    reached_ms: int | None  # of the oldest row looked at
    unreadable: int  # rows whose bytes are no event


def chain(path: Path, *, limit: int = 12) -> Sequence[EpochChain]:
    """The newest epochs, newest first. Raises `StoreRefused`."""
    with open_for_reading(path) as reading:
        epochs = reading.epochs()[-limit:]
        return [_epoch(reading, one) for one in reversed(epochs)]


def trail(path: Path, before: int | None = None) -> TrailPage:
    """A page of the events that say who did what, older than `before`. Raises `StoreRefused`."""
    until_s = time.monotonic() + PATIENCE_S
    with open_for_reading(path) as reading:
        epochs = reading.epochs()
        top = reading.last_n() + 1 if before is None else before
        lowest = reading.one("SELECT min(n) FROM event")
        found: list[AuditEvent] = []
        unreadable = 0
        while top > max(lowest, 1) and len(found) < PAGE and time.monotonic() < until_s:
            bottom = max(top - LOOKED_AT, 0)
            rows = reading.all(
                "SELECT n, recorded_ms, wire FROM event WHERE n >= ? AND n < ? "
                "AND (instr(wire, ?) > 0 OR instr(wire, ?) > 0) ORDER BY n DESC",
                bottom,
                top,
                b'"type":"cn.zhijiao.audit.',
                b'"type":"cn.zhijiao.system.',
            )
            top = bottom
            for n, recorded_ms, wire in rows:
                if len(found) == PAGE:
                    top = whole(n) + 1
                    break
                try:
                    event = _event(whole(n), whole(recorded_ms), wire, epochs)
                except (ContractError, StoreDamaged, KeyError, ValueError):
                    unreadable += 1
                    continue
                if event is not None:
                    found.append(event)
        more = top > max(lowest, 1)
        reached = reading.all("SELECT recorded_ms FROM event WHERE n >= ? ORDER BY n LIMIT 1", top)
    return TrailPage(
        found, top if more else None, whole(reached[0][0]) if reached and more else None, unreadable
    )


def _event(n: int, recorded_ms: int, wire: object, epochs: Sequence[StoredEpoch]) -> AuditEvent | None:
    if not isinstance(wire, bytes):
        raise ContractError("altered", "the row holds no bytes")
    kind = type_of(wire)
    if not kind.startswith(TOLD):
        return None  # the mark stood inside the data of another event
    parsed = canonical.parse(wire)
    data = parsed["data"]
    if not isinstance(data, dict):
        raise ContractError("altered", "the event has no data")
    epoch = next(one for one in reversed(epochs) if one.first_n <= n)
    return AuditEvent(
        n,
        epoch.epoch,
        n - epoch.first_n + 1,
        kind,
        recorded_ms,
        str(parsed["subject"]),
        {name: value for name, value in data.items() if name != "sealed"},
    )


def _epoch(reading: Reading, epoch: StoredEpoch) -> EpochChain:
    end = (1 << 62) if epoch.end is None else epoch.end
    (ends,) = reading.all(
        "SELECT (SELECT min(n) FROM event WHERE n >= ?1 AND n < ?2), "
        "(SELECT max(n) FROM event WHERE n >= ?1 AND n < ?2)",
        epoch.first_n,
        end,
    )
    first, last = ends
    if not isinstance(first, int) or not isinstance(last, int):
        return EpochChain(
            epoch.epoch, epoch.reason, epoch.opened_ms, epoch.end is None, None, None, None, None, 0, 0
        )
    heads = reading.all("SELECT hash FROM event WHERE n = ?", last)
    head = heads[0][0] if heads else None
    waiting = [
        whole(row[0])
        for lane in reading.lanes()
        for row in reading.all(
            "SELECT min(n) FROM waiting WHERE lane = ? AND n >= ? AND n < ?", lane, epoch.first_n, end
        )
        if row[0] is not None
    ]
    offset = 1 - epoch.first_n
    since = max(first, last - COUNTED + 1)
    held = reading.one("SELECT count(*) FROM event WHERE n BETWEEN ? AND ?", since, last)
    return EpochChain(
        epoch.epoch,
        epoch.reason,
        epoch.opened_ms,
        epoch.end is None,
        first + offset,
        last + offset,
        head.hex() if isinstance(head, bytes) else None,
        min(waiting, default=last + 1) - 1 + offset,
        last - since + 1 - held,
        last - since + 1,
    )
