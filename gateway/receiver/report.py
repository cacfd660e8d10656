"""Three questions with three answers, from the receiver's database: unchanged? complete? known when?

Reads only; may run beside the receiver. Integrity: every event's bytes match its hash and hang on the
one before. Completeness: nothing is missing up to the highest sequence known of an epoch; what a gateway
declared lost is gone, but said so. Time: how many events can be placed by more than their order.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.corrected_time import (
    CLOCK_SYNCED,
    Corrected,
    Pairing,
    Pairings,
    TimeQuality,
    pairing_of,
)
from gateway.receiver import lost_places
from gateway.receiver.cursor import Cursor
from gateway.receiver.database import open_for_reading
from gateway.receiver.intervals import Range, Ranges
from gateway.receiver.sql import Reading, marks

RANGES_LISTED = 16  # of each kind, in a report
ALARMS = ("store_rollback", "center_rollback", "chain_mismatch", "duplicate_identity")


class Completeness(StrEnum):
    """Whether everything of an epoch is here."""

    COMPLETE = "complete"
    DECLARED = "incomplete-but-declared"  # what is missing, the gateway has said that it lost
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """One epoch of one gateway. Lists of ranges are cut off; the numbers beside them are not."""

    gw: str
    epoch: str
    stored: int
    upto: int
    end: int  # highest sequence known, stored or stated by the gateway
    missing: int
    missing_ranges: tuple[Range, ...]
    lost: int  # declared lost by the gateway
    lost_ranges: tuple[Range, ...]
    forks: int
    fork_seqs: tuple[int, ...]
    rejected: int
    duplicates: int  # dropped
    altered: int  # rows whose bytes do not match their hash
    broken_links: int
    alarms: dict[str, int]  # of ALARMS, those that were raised for this epoch, and how often
    times: dict[str, int]  # events by the quality of their corrected time

    @property
    def completeness(self) -> Completeness:
        """The verdict on missing events."""
        if self.missing:
            return Completeness.INCOMPLETE
        return Completeness.DECLARED if self.lost else Completeness.COMPLETE

    @property
    def complete(self) -> bool:
        """Nothing missing, nothing declared lost."""
        return self.completeness is Completeness.COMPLETE

    @property
    def intact(self) -> bool:
        """Nothing changed, doubled or out of its chain."""
        return self.altered == 0 and self.broken_links == 0 and self.forks == 0

    @property
    def time(self) -> str:
        """The worst quality of time that an event of the epoch has."""
        found = [quality for quality in TimeQuality if self.times.get(quality.value)]
        return (found[-1] if found else TimeQuality.PAIRED).value

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            **asdict(self),
            "completeness": self.completeness.value,
            "complete": self.complete,
            "intact": self.intact,
            "time": self.time,
        }


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """One stored event and when it really happened. Nothing that speaks of a person."""

    gw: str
    epoch: str
    seq: int
    type: str
    id: str | None
    time_ms: int | None  # as the gateway stated it
    received_ms: int
    understood: bool
    rejected: str | None  # why
    corrected: Corrected

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        facts = asdict(self)
        del facts["corrected"]
        return facts | {
            "corrected_ms": self.corrected.ms,
            "corrected_quality": self.corrected.quality.value,
            "corrected_error_ms": self.corrected.error_ms,
        }


def report(path: Path | str) -> list[EpochReport]:
    """All epochs, oldest first; raises `StartError` where the database cannot be read."""
    connection = open_for_reading(path)
    try:
        cursors = connection.execute(
            "SELECT id, gw, epoch, upto, rejected_n, end_seq FROM cursor ORDER BY id"
        ).fetchall()
        pairings = _pairings(connection)
        return [_epoch(connection, pairings.get(row[1], Pairings()), *row) for row in cursors]
    finally:
        connection.close()


def events(path: Path | str) -> Iterator[ListedEvent]:
    """Every stored event in order of gateway, epoch and sequence, with its corrected time; raises `StartError`."""
    connection = open_for_reading(path)
    try:
        pairings = _pairings(connection)
        for (
            gw,
            epoch,
            seq,
            name,
            event_id,
            time_ms,
            received_ms,
            understood,
            code,
            wire,
        ) in connection.each(
            "SELECT c.gw, c.epoch, e.seq, e.type, e.event_id, e.time_ms, e.received_ms, e.understood, r.code, "
            "e.wire FROM cursor c JOIN event e ON e.cursor = c.id LEFT JOIN rejected r ON r.n = e.n "
            "ORDER BY c.gw, c.id, e.seq, e.n"
        ):
            yield ListedEvent(
                gw=gw,
                epoch=epoch,
                seq=seq,
                type=name,
                id=None if event_id is None else event_id.hex(),
                time_ms=time_ms,
                received_ms=received_ms,
                understood=bool(understood),
                rejected=code,
                corrected=pairings.get(gw, Pairings()).correct(_message(wire)),
            )
    finally:
        connection.close()


def quarantined(path: Path | str) -> int:
    """Messages kept aside because nobody can vouch for them."""
    connection = open_for_reading(path)
    try:
        return int(connection.execute("SELECT count(*) FROM quarantine").fetchone()[0])
    finally:
        connection.close()


def _pairings(connection: Reading) -> dict[str, Pairings]:
    """By gateway: a boot may span epochs. What was refused pairs nothing."""
    found: dict[str, list[Pairing]] = {}
    for gw, wire in connection.execute(
        "SELECT c.gw, e.wire FROM event e JOIN cursor c ON c.id = e.cursor "
        "LEFT JOIN rejected r ON r.n = e.n WHERE e.type = ? AND r.n IS NULL",
        (CLOCK_SYNCED,),
    ):
        pairing = pairing_of(_message(wire))
        if pairing is not None:
            found.setdefault(gw, []).append(pairing)
    return {gw: Pairings(some) for gw, some in found.items()}


def _epoch(
    connection: Reading,
    pairings: Pairings,
    key: int,
    gw: str,
    epoch: str,
    upto: int,
    rejected: int,
    end_seq: int,
) -> EpochReport:
    stored = altered = broken = 0
    held, forked, times = Ranges(), Ranges(), Counter[str]()
    before: tuple[int, set[bytes]] = (0, set())
    here: tuple[int, set[bytes]] = (0, set())
    for seq, stored_hash, previous, wire in connection.each(
        "SELECT seq, hash, prevhash, wire FROM event WHERE cursor = ? ORDER BY seq, n", (key,)
    ):
        if seq == here[0]:
            forked.add(seq, seq)
        else:
            before, here = here, (seq, set())
            held.add(seq, seq)
        here[1].add(stored_hash)
        stored += 1
        broken += seq > 1 and before[0] == seq - 1 and previous not in before[1]
        message = _message(wire)
        altered += not _matches(stored_hash, message)
        times[pairings.correct(message).quality.value] += 1
    disputed = _disputed(connection, key)
    end = max(held.highest() or 0, end_seq)
    absent = Ranges([(1, end)] if end else [])
    for first, last in held:
        absent.discard(first, last)
    for first, last in disputed:
        absent.add(first, last)
    missing, lost = absent.copy(), Ranges()
    for first, last in connection.execute("SELECT first, last FROM lost WHERE cursor = ?", (key,)):
        missing.discard(first, last)
        for begin, finish in absent.overlapping(first, last):
            lost.add(max(begin, first), min(finish, last))
    return EpochReport(
        gw=gw,
        epoch=epoch,
        stored=stored,
        upto=upto,
        end=end,
        missing=missing.total(),
        missing_ranges=tuple(missing)[:RANGES_LISTED],
        lost=lost.total(),
        lost_ranges=tuple(lost)[:RANGES_LISTED],
        forks=forked.total(),
        fork_seqs=_numbers(forked)[:RANGES_LISTED],
        rejected=rejected,
        duplicates=_tally(connection, gw, epoch, "duplicates"),
        altered=altered,
        broken_links=broken,
        alarms=_alarms(connection, gw, epoch),
        times=dict(times),
    )


def _disputed(connection: Reading, key: int) -> Ranges:
    """Places that are lost although something is stored there."""
    cursor = Cursor()
    for first, last in connection.execute("SELECT first, last FROM lost WHERE cursor = ?", (key,)):
        cursor.declared.add(first, last)
    lost_places.load(connection, key, cursor)
    return cursor.disputed


def _numbers(ranges: Ranges) -> tuple[int, ...]:
    return tuple(number for first, last in ranges for number in range(first, last + 1))


def _tally(connection: Reading, gw: str, epoch: str, name: str) -> int:
    found = connection.execute(
        "SELECT coalesce(sum(n), 0) FROM tally WHERE gw = ? AND epoch = ? AND name = ?", (gw, epoch, name)
    ).fetchone()
    return int(found[0])


def _alarms(connection: Reading, gw: str, epoch: str) -> dict[str, int]:
    rows = connection.execute(
        f"SELECT kind, sum(n) FROM alarm WHERE gw = ? AND epoch = ? AND kind IN ({marks(len(ALARMS))}) GROUP BY kind",  # noqa: S608
        (gw, epoch, *ALARMS),
    )
    return {str(kind): int(n) for kind, n in rows}


def _message(wire: bytes) -> dict[str, Json]:
    """The event in these bytes; empty where somebody altered them beyond reading."""
    try:
        return canonical.decode(wire)
    except ContractError:
        return {}


def _matches(stored_hash: bytes, message: dict[str, Json]) -> bool:
    signed = {name: member for name, member in message.items() if name != "jws"}
    return hashlib.sha256(canonical.encode(signed)).digest() == stored_hash
