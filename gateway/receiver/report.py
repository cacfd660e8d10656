"""Is everything there, and is it unchanged? Two questions with two answers, from the receiver's database.

Reads only; may run beside the receiver. Integrity: every event's bytes match its hash and hang on the
one before. Completeness: nothing is missing up to the highest sequence known of an epoch.
"""

import hashlib
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.receiver.database import open_for_reading


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch of one gateway."""

    gw: str
    epoch: str
    stored: int
    upto: int
    end: int  # highest sequence known, stored or stated by the gateway
    missing: int
    lost: int  # declared lost by the gateway
    forks: int
    rejected: int
    duplicates: int  # dropped
    altered: int  # rows whose bytes do not match their hash
    broken_links: int

    @property
    def complete(self) -> bool:
        """Nothing missing, nothing declared lost."""
        return self.missing == 0 and self.lost == 0

    @property
    def intact(self) -> bool:
        """Nothing changed, doubled or out of its chain."""
        return self.altered == 0 and self.broken_links == 0 and self.forks == 0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "complete": self.complete, "intact": self.intact}


def report(path: Path) -> list[EpochReport]:
    """All epochs, oldest first; raises `StartError` where the database cannot be read."""
    connection = open_for_reading(path)
    try:
        cursors = connection.execute(
            "SELECT id, gw, epoch, upto, rejected_n, end_seq FROM cursor ORDER BY id"
        ).fetchall()
        return [_epoch(connection, *row) for row in cursors]
    finally:
        connection.close()


def quarantined(path: Path) -> int:
    """Messages kept aside because nobody can vouch for them."""
    connection = open_for_reading(path)
    try:
        return int(connection.execute("SELECT count(*) FROM quarantine").fetchone()[0])
    finally:
        connection.close()


def _epoch(
    connection: sqlite3.Connection, key: int, gw: str, epoch: str, upto: int, rejected: int, end_seq: int
) -> EpochReport:
    hashes: dict[int, set[bytes]] = {}
    links: list[tuple[int, bytes | None]] = []
    altered = forks = 0
    for seq, stored_hash, previous, wire in connection.execute(
        "SELECT seq, hash, prevhash, wire FROM event WHERE cursor = ? ORDER BY seq", (key,)
    ):
        altered += not _matches(stored_hash, wire)
        forks += seq in hashes
        hashes.setdefault(seq, set()).add(stored_hash)
        links.append((seq, previous))
    broken = sum(1 for seq, previous in links if seq - 1 in hashes and previous not in hashes[seq - 1])
    lost: set[int] = set()
    for first, last in connection.execute("SELECT first, last FROM lost WHERE cursor = ?", (key,)):
        lost.update(range(first, last + 1))
    end = max(max(hashes, default=0), end_seq)
    absent = {seq for seq in range(1, end + 1) if seq not in hashes}
    duplicates = connection.execute(
        "SELECT coalesce(sum(n), 0) FROM tally WHERE gw = ? AND epoch = ? AND name = 'duplicates'",
        (gw, epoch),
    ).fetchone()[0]
    return EpochReport(
        gw=gw,
        epoch=epoch,
        stored=len(links),
        upto=upto,
        end=end,
        missing=len(absent - lost),
        lost=len(absent & lost),
        forks=forks,
        rejected=rejected,
        duplicates=duplicates,
        altered=altered,
        broken_links=broken,
    )


def _matches(stored_hash: bytes, wire: bytes) -> bool:
    try:
        event = canonical.decode(wire)
    except ContractError:
        return False
    event.pop("jws", None)
    return hashlib.sha256(canonical.encode(event)).digest() == stored_hash
