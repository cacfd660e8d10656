"""The roster that is in force, as one encrypted row, and the note of one that was refused.

The store knows its version, size and times; whom it names, only who has the key. One row: of an older
roster nothing stays (`secure_delete`). `put` and `current` run inside a transaction of the db thread.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass, fields
from typing import Self

from peewee import SQL

from gateway.store.models import RosterRow
from gateway.store.reading import Reading, whole

REFUSED = "roster_refused"  # state: the last one that was not taken, until one is
UNREADABLE = "roster_unreadable"  # state: why the row could not be opened at the last start


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRoster:
    """The roster in force; `sealed` is opened by `gateway.checkin`."""

    version: int
    digest: bytes
    persons: int
    left_out: int
    issued_ms: int
    expires_ms: int
    applied_ms: int  # by the clock as it stood then
    applied_boot: str
    applied_mono_ms: int
    sealed: bytes


_COLUMNS = tuple(one.name for one in fields(StoredRoster))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a roster was not taken."""

    code: str
    version: int | None
    at_ms: int

    def as_text(self) -> str:
        """For `Outbox.note`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Inverse of `as_text`."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a command beside the gateway sees."""

    stored: StoredRoster | None
    refusal: Refusal | None
    unreadable: str | None


def current() -> StoredRoster | None:
    """The roster in force. What damage left in a column is no reason to stop: then it does not open."""
    row = RosterRow.select(*map(SQL, _COLUMNS)).tuples().first()
    return None if row is None else _of_row(row)


def is_current(connection: sqlite3.Connection, digest: bytes) -> bool:
    """Whether this is the roster in force, without reading it."""
    row = connection.execute("SELECT digest FROM roster").fetchone()
    return row is not None and row[0] == digest


def put(roster: StoredRoster) -> None:
    """Replace the roster in force."""
    RosterRow.delete().execute()
    RosterRow.create(**asdict(roster))


def look(reading: Reading) -> Seen:
    """The same from beside a running gateway; a store that no gateway of this release has opened has none."""
    known = reading.one("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'roster'")
    rows = reading.all(f"SELECT {', '.join(_COLUMNS)} FROM roster") if known else []  # noqa: S608
    state = reading.state()
    refused = state.get(REFUSED)
    return Seen(
        _of_row(rows[0]) if rows else None,
        None if refused is None else Refusal.from_text(refused),
        state.get(UNREADABLE),
    )


def _of_row(row: tuple[object, ...]) -> StoredRoster:
    version, digest, persons, left_out, issued_ms, expires_ms, applied_ms, boot, mono_ms, sealed = row
    return StoredRoster(
        version=whole(version),
        digest=digest if isinstance(digest, bytes) else b"",
        persons=whole(persons),
        left_out=whole(left_out),
        issued_ms=whole(issued_ms),
        expires_ms=whole(expires_ms),
        applied_ms=whole(applied_ms),
        applied_boot=str(boot),
        applied_mono_ms=whole(mono_ms),
        sealed=sealed if isinstance(sealed, bytes) else b"",
    )
