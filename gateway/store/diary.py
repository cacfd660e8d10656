"""The diary: of every event that says who came, who did not, or what the clocks did, one narrow row.

Events are the truth. `Outbox.append` keeps a row in the transaction of its event, so neither is ever there
without the other. A row outlives its event: when room runs out events of today may go, and what is said of
a duty must not change by that. Where rows may be missing (a store of an earlier release, a salvage) they are
made from the events at the start, once.

Beside them stands when check-ins could be taken, written once a minute: not from events, and believed only
as far as the openings of epochs allow (`gateway.checkin.recalled`). Refs are the province's; nothing here
names anybody. Runs on a connection that is handed in.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any, NamedTuple

from gateway.clock import parse_iso_ms
from gateway.event_types import TYPE_PREFIX

log = logging.getLogger(__name__)

FILLED = "diary"  # state: rows were made from the events that were there before them
_VERSION = "1"

ENDINGS = frozenset({"completed", "rejected", "abandoned", "pending_review"})
STATEMENTS = frozenset({"missed", "unassessed"})
BOOT, PAIRING, OPENING = "boot", "pairing", "opening"
_TICKS = {"system.started": BOOT, "clock.synced": PAIRING, "system.epoch_opened": OPENING}
KEPT = frozenset({f"checkin.{verb}" for verb in ENDINGS | STATEMENTS} | _TICKS.keys())
_MEMBERS = (  # of an event's data: codes, ids and days, never free text
    "session", "kiosk", "purpose", "reason", "method", "counts_as", "entered_by",
)  # fmt: skip

# For a migration: written out, as it was released.
TABLES_SQL = """
CREATE TABLE diary (n INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, verb TEXT NOT NULL, ref TEXT,
    boot TEXT NOT NULL, mono_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL, error_ms INTEGER,
    unsynced INTEGER NOT NULL, claimed_ms INTEGER, day TEXT, entry TEXT, review_of TEXT, late_of TEXT,
    data TEXT NOT NULL);
CREATE INDEX diary_claimed ON diary (claimed_ms) WHERE claimed_ms IS NOT NULL;
CREATE INDEX diary_boot ON diary (boot, mono_ms);
CREATE INDEX diary_ref ON diary (ref, n);
CREATE UNIQUE INDEX diary_said ON diary (day, ref) WHERE day IS NOT NULL;
CREATE UNIQUE INDEX diary_entry ON diary (entry) WHERE entry IS NOT NULL;
CREATE UNIQUE INDEX diary_review ON diary (review_of) WHERE review_of IS NOT NULL;
CREATE INDEX diary_late ON diary (late_of) WHERE late_of IS NOT NULL;
CREATE TABLE diary_tick (n INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    boot TEXT NOT NULL, mono_ms INTEGER NOT NULL, wall_ms INTEGER, error_ms INTEGER, says TEXT);
CREATE TABLE diary_up (kind TEXT NOT NULL, boot TEXT NOT NULL, from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL, PRIMARY KEY (kind, boot, from_ms)) WITHOUT ROWID
"""
# What a salvage carries over: the rows of events whose own rows may be unreadable.
DIARY_COLUMNS = (
    "n", "id", "verb", "ref", "boot", "mono_ms", "wall_ms", "error_ms", "unsynced", "claimed_ms", "day",
    "entry", "review_of", "late_of", "data",
)  # fmt: skip
TICK_COLUMNS = ("n", "id", "kind", "boot", "mono_ms", "wall_ms", "error_ms", "says")


def _insert(table: str, columns: tuple[str, ...]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - our own text


_INSERT, _INSERT_TICK = _insert("diary", DIARY_COLUMNS), _insert("diary_tick", TICK_COLUMNS)
_CANDIDATES = "SELECT n, wire FROM event WHERE instr(wire, ?) OR instr(wire, ?) OR instr(wire, ?)"
_MARKS = tuple(f'"type":"{TYPE_PREFIX}{name}'.encode() for name in ("checkin.", "clock.synced", "system."))


@dataclass(frozen=True, slots=True)
class UpSpan:
    """Check-ins could be taken (`kind`: gateway, kiosk) from here to there on the clock of one boot."""

    kind: str
    boot: str
    from_ms: int
    to_ms: int


def keep(connection: Connection, events: Iterable[tuple[int, bytes]]) -> None:
    """Rows of these events (`n`, wire), which are our own; none of one whose type is not `KEPT`."""
    for n, wire in events:
        event: dict[str, Any] = json.loads(wire)
        kind = event["type"].removeprefix(TYPE_PREFIX)
        if kind in _TICKS:
            tick = _tick(n, _TICKS[kind], event)
            if tick is not None:
                connection.execute(_INSERT_TICK, tick)
        elif kind in KEPT:
            connection.execute(_INSERT, _row(n, kind.partition(".")[2], event))


def fill(connection: Connection) -> bool:
    """Make the rows of all events that are here, where that was not done yet; whether it was done now."""
    row = connection.execute("SELECT value FROM state WHERE key = ?", (FILLED,)).fetchone()
    if row is not None and row[0] == _VERSION:
        return False
    for n, wire in connection.execute(_CANDIDATES, _MARKS):
        try:
            keep(connection, [(n, wire)])
        except (ValueError, KeyError, TypeError, AttributeError):
            # Damaged on disk; the look at the whole chain finds and tells it. Of the time before now nobody
            # says that anybody did not come.
            log.warning("event left out of the diary", extra={"n": n})
    connection.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", (FILLED, _VERSION))
    return True


def highest_n(connection: Connection) -> int:
    """The newest `n` of any row; 0 where there is none."""
    newest = "SELECT max(n) FROM (SELECT max(n) AS n FROM diary UNION ALL SELECT max(n) FROM diary_tick)"
    return int(connection.execute(newest).fetchone()[0] or 0)


def forget(connection: Connection, upto_n: int) -> None:
    """Rows of events that are past their time, whether those went early or still wait."""
    for table in ("diary", "diary_tick"):
        connection.execute(f"DELETE FROM {table} WHERE n <= ?", (upto_n,))  # noqa: S608
    connection.execute("DELETE FROM diary_up WHERE boot NOT IN (SELECT boot FROM diary_tick)")


def _row(n: int, verb: str, event: Mapping[str, Any]) -> tuple[object, ...]:
    data, subject = event["data"], str(event["subject"])
    kept = {name: data[name] for name in _MEMBERS if isinstance(data.get(name), str)}
    claims = [data.get("occurred")]
    if verb == "pending_review":
        claims.append(data.get("device_time"))
    return (
        n,
        event["id"],
        verb,
        subject.removeprefix("person/") if subject.startswith("person/") else None,
        event["bootid"],
        int(event["monoms"]),
        parse_iso_ms(event["time"]),
        event.get("clockerrms"),
        int(event["clockq"] == "unsynced"),
        # Entered by hand, or kept by a device of its own: that it was then is somebody's word. What a device brings
        # at once counts when it came.
        next((one for one in map(time_of, claims) if one is not None), None),
        _text(data.get("day")) if verb in STATEMENTS else None,
        _text(data.get("entry")),
        _text(data.get("review_of")),
        _text(data.get("late_arrival_of")),
        json.dumps(kept, separators=(",", ":")),
    )


def _tick(n: int, kind: str, event: Mapping[str, Any]) -> tuple[object, ...] | None:
    data = event["data"]
    # What a boot itself says is stamped too: a time by which a later one is measured.
    mono_ms, wall_ms, error_ms = int(event["monoms"]), time_of(event["time"]), event.get("clockerrms")
    if event["clockq"] == "unsynced":
        error_ms = None
    if kind == PAIRING:
        try:
            mono_ms, wall_ms, error_ms = int(data["mono_ms"]), int(data["wall_ms"]), data.get("error_ms")
        except (KeyError, TypeError, ValueError):
            return None  # pairs nothing
    says = _text(data.get("passed" if kind == BOOT else "reason"))
    return n, event["id"], kind, event["bootid"], mono_ms, wall_ms, error_ms, says


def time_of(text: object) -> int | None:
    """A time as an event says it; None where it is none."""
    try:
        return parse_iso_ms(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


# -- asked inside a transaction of the db thread ------------------------------------------------------------


def came_since(connection: Connection, ref: str, n: int) -> bool:
    """Whether anything of this person's check-ins was recorded after `n`."""
    verbs = "('completed', 'pending_review', 'rejected')"
    query = f"SELECT 1 FROM diary WHERE ref = ? AND n > ? AND verb IN {verbs} LIMIT 1"  # noqa: S608
    return connection.execute(query, (ref, n)).fetchone() is not None


def was_said(connection: Connection, ref: str, day: str) -> bool:
    """Whether something was stated of this person and day."""
    query = "SELECT 1 FROM diary WHERE ref = ? AND day = ?"
    return connection.execute(query, (ref, day)).fetchone() is not None


def entered(connection: Connection, entry: str) -> str | None:
    """The event that was entered by hand under this key."""
    row = connection.execute("SELECT id FROM diary WHERE entry = ?", (entry,)).fetchone()
    return None if row is None else str(row[0])


class Reviewed(NamedTuple):
    """A decision about an event that waited for review."""

    id: str
    verb: str
    ref: str | None
    purpose: str | None


def reviewed(connection: Connection, event: str) -> Reviewed | None:
    """The decision about this event."""
    row = connection.execute("SELECT id, verb, ref, data FROM diary WHERE review_of = ?", (event,)).fetchone()
    return None if row is None else Reviewed(row[0], row[1], row[2], json.loads(row[3]).get("purpose"))


def note_up(connection: Connection, spans: Sequence[UpSpan]) -> None:
    """Write spans, a longer one in place of what it was."""
    connection.executemany(
        "INSERT OR REPLACE INTO diary_up (kind, boot, from_ms, to_ms) VALUES (?, ?, ?, ?)",
        [(one.kind, one.boot, one.from_ms, one.to_ms) for one in spans],
    )
