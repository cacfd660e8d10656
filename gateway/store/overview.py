"""What a store holds, in a few seeks: for `zhijiao outbox status`, beside a running gateway or without one."""

import heapq
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreRefused
from gateway.store.epochs import RESTORED
from gateway.store.lock import is_held
from gateway.store.outbox import REST_LANE, URGENT_LANE
from gateway.store.reading import SUSPECT_SUFFIX, Reading, StoredEpoch, whole
from gateway.store.witness import Witness

ALARM_PREFIX = "alarm:"
SET_ASIDE = (
    ".damaged-",
    ".salvaging-",
    ".before-restore-",
)  # parts of the names of files that were set aside
RESERVE, WITNESS = "reserve", "witness"  # files beside the store


@dataclass(frozen=True, slots=True)
class EpochRange:
    """An epoch and which of its sequences the store holds, lowest and highest; None: none of them."""

    epoch: str
    reason: str
    opened_ms: int
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The facts; judging them is the caller's."""

    running: bool
    epochs: tuple[EpochRange, ...]
    waiting_urgent: int
    waiting_rest: int
    oldest_waiting_ms: int | None  # when it was recorded
    newest_settled: tuple[str, int, int] | None  # (epoch, sequence, recorded ms)
    rejected: tuple[tuple[str, int], ...]  # (code, how many)
    alarms: tuple[str, ...]  # kind/about of those that stand
    store_bytes: int  # the file and its WAL
    free_in_file_bytes: int
    reserve_bytes: int | None
    disk_free_bytes: int
    read_only: bool
    suspect: bool  # damage was met while running
    restored: bool
    clean_stop: bool
    set_aside: tuple[str, ...]


def overview(reading: Reading) -> Overview:
    """Raises `StoreRefused` where the file cannot be read."""
    path, state = reading.path, reading.state()
    table = reading.epochs()
    page = reading.one("PRAGMA page_size")
    try:
        disk = os.statvfs(path.parent)
        beside = sorted(entry.name for entry in path.parent.iterdir() if entry.name.startswith(path.name))
    except OSError as exc:
        raise StoreRefused("store_io", f"{path.parent}: {exc.strerror}; use sudo") from exc
    return Overview(
        running=is_held(path),
        epochs=tuple(_range(reading, epoch) for epoch in table),
        waiting_urgent=reading.one("SELECT count(*) FROM waiting WHERE lane = ?", URGENT_LANE),
        waiting_rest=reading.one("SELECT count(*) FROM waiting WHERE lane >= ?", REST_LANE),
        oldest_waiting_ms=_oldest_waiting(reading),
        newest_settled=_newest_settled(reading, table),
        rejected=tuple(
            (str(code), whole(count))
            for code, count in reading.all(
                "SELECT code, count(*) FROM rejected GROUP BY code ORDER BY count(*) DESC, code"
            )
        ),
        alarms=tuple(sorted(key.removeprefix(ALARM_PREFIX) for key in state if key.startswith(ALARM_PREFIX))),
        store_bytes=_size(path) + (_size(path.with_name(path.name + "-wal")) or 0),
        free_in_file_bytes=reading.one("PRAGMA freelist_count") * page,
        reserve_bytes=_reserve(path),
        disk_free_bytes=disk.f_bavail * disk.f_frsize,
        read_only=bool(disk.f_flag & os.ST_RDONLY),
        suspect=path.with_name(path.name + SUSPECT_SUFFIX).exists(),
        restored=state.get(RESTORED) == "1",
        clean_stop=_stopped_in_order(path),
        set_aside=tuple(
            name
            for name in beside
            if any(part in name for part in SET_ASIDE) and not name.endswith(("-wal", "-shm"))
        ),
    )


def _range(reading: Reading, epoch: StoredEpoch) -> EpochRange:
    end = (1 << 62) if epoch.end is None else epoch.end
    held = reading.all(
        # Two seeks; min and max in one query would read every row between.
        "SELECT (SELECT min(n) FROM event WHERE n >= ?1 AND n < ?2), "
        "(SELECT max(n) FROM event WHERE n >= ?1 AND n < ?2)",
        epoch.first_n,
        end,
    )
    first, last = held[0]
    if not isinstance(first, int) or not isinstance(last, int):
        return EpochRange(epoch.epoch, epoch.reason, epoch.opened_ms, None, None)
    offset = 1 - epoch.first_n
    return EpochRange(epoch.epoch, epoch.reason, epoch.opened_ms, first + offset, last + offset)


def _oldest_waiting(reading: Reading) -> int | None:
    lowest = [reading.one("SELECT min(n) FROM waiting WHERE lane = ?", lane) for lane in reading.lanes()]
    if not lowest:
        return None
    rows = reading.all("SELECT recorded_ms FROM event WHERE n = ?", min(lowest))
    return whole(rows[0][0]) if rows else None


def _newest_settled(reading: Reading, table: list[StoredEpoch]) -> tuple[str, int, int] | None:
    """The newest event that does not wait. Reads the narrow list of waiting ones downwards, not the events."""
    top = reading.last_n()
    lanes = [
        (row[0] for row in reading.each("SELECT n FROM waiting WHERE lane = ? ORDER BY n DESC", lane))
        for lane in reading.lanes()
    ]
    for n in heapq.merge(*lanes, reverse=True):
        found = reading.one("SELECT max(n) FROM event WHERE n > ? AND n <= ?", n, top) if n < top else 0
        if found:
            break
        top = n - 1
    else:
        found = reading.one("SELECT max(n) FROM event WHERE n <= ?", top)
    epoch = next((e for e in reversed(table) if e.first_n <= found), None)
    if not found or epoch is None:
        return None
    recorded_ms = reading.one("SELECT recorded_ms FROM event WHERE n = ?", found)
    return epoch.epoch, found - epoch.first_n + 1, recorded_ms


def _stopped_in_order(path: Path) -> bool:
    try:
        statement = Witness(path.with_name(WITNESS)).read()
    except OSError:
        return False
    return statement is not None and statement.left is not None


def _reserve(path: Path) -> int | None:
    """Bytes really held, not those that the file claims."""
    try:
        return path.with_name(RESERVE).stat().st_blocks * 512
    except OSError:
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
