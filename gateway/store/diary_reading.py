"""The diary, read beside the running gateway: what `gateway.checkin` makes its days of."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.store.diary import DIARY_COLUMNS, UpSpan
from gateway.store.reading import Reading, open_for_reading, whole


@contextmanager
def moment_of(path: Path) -> Iterator[Reading]:
    """The store as of one moment: everything that is read belongs together. Raises `StoreRefused`."""
    with open_for_reading(path) as reading:
        reading.all("BEGIN")  # ended with the connection
        yield reading


@dataclass(frozen=True, slots=True)
class Tick:
    """A boot that began, a pairing of its clocks, or an epoch that opened."""

    kind: str
    boot: str
    mono_ms: int
    wall_ms: int | None
    error_ms: int | None
    says: str | None  # an opening: why; a boot: a time that had passed


@dataclass(frozen=True, slots=True)
class Entry:
    """An ending of a session, or a statement."""

    n: int
    id: str
    verb: str
    ref: str | None
    boot: str
    mono_ms: int
    wall_ms: int
    error_ms: int | None
    unsynced: bool
    claimed_ms: int | None
    day: str | None
    entry: str | None
    review_of: str | None
    late_of: str | None
    data: Mapping[str, str]


_SELECT = f"SELECT {', '.join(DIARY_COLUMNS)} FROM diary WHERE "  # noqa: S608 - our own columns


def ticks(reading: Reading) -> list[Tick]:
    """All of them, in their order."""
    rows = reading.all("SELECT kind, boot, mono_ms, wall_ms, error_ms, says FROM diary_tick ORDER BY n")
    return [Tick(*row) for row in rows]  # type: ignore[arg-type]


def boots(reading: Reading) -> list[str]:
    """Boots in their order."""
    both = "SELECT boot, n FROM diary_tick UNION ALL SELECT boot, min(n) FROM diary GROUP BY boot"
    return [str(boot) for (boot,) in reading.all(f"SELECT boot FROM ({both}) GROUP BY boot ORDER BY min(n)")]  # noqa: S608


def reach(reading: Reading) -> dict[str, tuple[int, int]]:
    """From when to when there are entries, by boot, on its own clock."""
    rows = reading.all("SELECT boot, min(mono_ms), max(mono_ms) FROM diary GROUP BY boot")
    return {str(boot): (whole(first), whole(last)) for boot, first, last in rows}


def of_boot(reading: Reading, boot: str, first_ms: int, last_ms: int) -> list[Entry]:
    """Entries of a stretch of a boot."""
    return _entries(reading, "boot = ? AND mono_ms BETWEEN ? AND ?", boot, first_ms, last_ms)


def claiming(reading: Reading, first_ms: int, last_ms: int) -> list[Entry]:
    """Entries that claim to have been then."""
    return _entries(reading, "claimed_ms BETWEEN ? AND ?", first_ms, last_ms)


def statements(reading: Reading, first: str, end: str) -> list[Entry]:
    """What was stated of these days, the end not included."""
    return _entries(reading, "day >= ? AND day < ?", first, end)


def decisions(reading: Reading) -> list[Entry]:
    """All reviews: staff decide about few."""
    return _entries(reading, "review_of IS NOT NULL")


def late_for(reading: Reading, first: str, end: str) -> list[Entry]:
    """Check-ins that came when it was over, of duties of these days."""
    said = "SELECT id FROM diary WHERE day >= ? AND day < ?"
    return _entries(reading, f"late_of IN ({said})", first, end)


def by_id(reading: Reading, event: str) -> Entry | None:
    """One entry; None where it is not known."""
    return next(iter(_entries(reading, "id = ?", event)), None)


def newest_statements(reading: Reading) -> dict[str, tuple[str, str]]:
    """The last statement about each person that no late arrival refers to: (day, event)."""
    rows = reading.all(
        "SELECT ref, max(day), id FROM diary WHERE day IS NOT NULL AND ref IS NOT NULL GROUP BY ref"
    )
    referred = {row[0] for row in reading.all("SELECT late_of FROM diary WHERE late_of IS NOT NULL")}
    return {str(ref): (str(day), str(event)) for ref, day, event in rows if event not in referred}


def newest_n(reading: Reading) -> int:
    """The newest entry's `n`; 0 where there is none."""
    return reading.one("SELECT max(n) FROM diary")


def up_spans(reading: Reading, boot: str, first_ms: int, last_ms: int) -> list[UpSpan]:
    """When check-ins could be taken in a stretch of a boot."""
    rows = reading.all(
        "SELECT kind, boot, from_ms, to_ms FROM diary_up WHERE boot = ? AND to_ms >= ? AND from_ms <= ?",
        boot, first_ms, last_ms,
    )  # fmt: skip
    return [UpSpan(str(kind), str(name), whole(start), whole(end)) for kind, name, start, end in rows]


def _entries(reading: Reading, where: str, *values: object) -> list[Entry]:
    return [_entry(row) for row in reading.all(f"{_SELECT}{where} ORDER BY n", *values)]


def _entry(row: tuple[Any, ...]) -> Entry:
    named: dict[str, Any] = dict(zip(DIARY_COLUMNS, row, strict=True))
    return Entry(**{**named, "unsynced": bool(named["unsynced"]), "data": json.loads(named["data"])})
