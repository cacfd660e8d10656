"""A copy of the store while the gateway runs and writes: one consistent moment, in one file.

SQLite's backup, in steps, from a read-only connection that holds one snapshot. In WAL mode a reader
never makes a writer wait, so a check-in is not held up; the snapshot keeps the copying from starting
anew at every commit, at the price of a WAL that cannot be folded back meanwhile. The copy is proven
before it gets its name. Keys are not part of it.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import ContractError, StoreRefused
from gateway.evidence.chain import Link, check_successor
from gateway.store.new_file import new_file
from gateway.store.reading import Reading, open_for_reading, prove_row, translate

PAGES_PER_STEP = 256  # 1 MiB: some tens of ms on a slow card
PAUSE_S = 0.005  # between steps: the card belongs to the check-ins
TAIL_CHECKED = 64  # events
Progress = Callable[[int, int], object]  # pages done, pages in all

_SOURCE_FAULTS = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True)
class Copy:
    """What a copy holds."""

    path: Path
    bytes: int
    sha256: str  # of the file
    gateway: str | None  # None: no event in it
    epoch: str | None
    last_seq: int
    head: str | None  # hash of the newest event
    newest_ms: int | None  # when that was recorded
    waiting: int


def back_up(store: Path, out: Path, progress: Progress) -> Copy:
    """Copy the store to the new file `out`; raises `StoreRefused` and `ConfigError` (file_exists)."""
    with open_for_reading(store) as reading, new_file(out) as fresh:
        copy_pages(reading, fresh.path, progress, pause_s=PAUSE_S)
        copy = examine(fresh.path)
    return replace(copy, path=out)


def copy_pages(reading: Reading, into: Path, progress: Progress, *, pause_s: float) -> None:
    """Copy one moment of the store into `into`; raises `StoreRefused`."""

    def step(_status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)
        if remaining:
            time.sleep(pause_s)

    try:
        with closing(sqlite3.connect(into, isolation_level=None)) as target:
            # Nobody else sees the file yet and it is synced as a whole: a journal would only cost.
            target.execute("PRAGMA journal_mode = off")
            target.execute("PRAGMA synchronous = off")
            reading.connection.execute("BEGIN")  # one snapshot: else every commit would start it anew
            reading.last_n()
            try:
                reading.connection.backup(target, pages=PAGES_PER_STEP, progress=step)
            finally:
                reading.connection.execute("ROLLBACK")
            # The copy says "WAL" like its source; as a single file it needs no company.
            target.execute("PRAGMA journal_mode = delete")
    except sqlite3.Error as exc:
        raise _told(exc, reading.path, into) from exc


def examine(path: Path) -> Copy:
    """Prove a copy: SQLite's own check and the end of the chain; raises `StoreRefused` (backup_damaged)."""
    with open_for_reading(path) as reading:
        told = [str(row[0]) for row in reading.all("PRAGMA quick_check(1)")]
        if told != ["ok"]:
            raise _damaged(path, f"SQLite's own check: {told[0][:120]}")
        link, newest_ms = _tail(reading)
        waiting = reading.one("SELECT count(*) FROM waiting")
    return Copy(
        path=path,
        bytes=path.stat().st_size,
        sha256=_sha256(path),
        gateway=None if link is None else link.gateway,
        epoch=None if link is None else link.epoch,
        last_seq=0 if link is None else link.seq,
        head=None if link is None else link.hash,
        newest_ms=newest_ms,
        waiting=waiting,
    )


def _tail(reading: Reading) -> tuple[Link | None, int | None]:
    """The newest event, when the newest ones prove themselves and hang together."""
    last = reading.last_n()
    before: Link | None = None
    before_n = 0
    for row in reading.rows(max(1, last - TAIL_CHECKED + 1), last):
        try:
            link, _ = prove_row(row, None)
            check_successor(link, before if before_n == row.n - 1 else None)
        except ContractError as exc:
            raise _damaged(reading.path, f"event row {row.n}: {exc}") from exc
        before, before_n = link, row.n
    recorded_ms = reading.one("SELECT recorded_ms FROM event WHERE n = ?", last) if last else None
    return before, recorded_ms


def _damaged(path: Path, what: str) -> StoreRefused:
    return StoreRefused(
        "backup_damaged", f"{path}: {what}; find out with zhijiao outbox verify --store, use another copy"
    )


def _told(exc: sqlite3.Error, source: Path, into: Path) -> Exception:
    code = getattr(exc, "sqlite_errorcode", None)
    if code is not None and code & 0xFF not in _SOURCE_FAULTS:
        reason = "the disk is full" if code & 0xFF == sqlite3.SQLITE_FULL else str(exc)
        return StoreRefused("output_io", f"{into.parent}: {reason}; choose a place with more room")
    return translate(exc, source)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
