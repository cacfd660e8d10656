"""A damaged store: keep what can be read, say what is lost, and do it again if it was cut off.

    1. rename   events.db -> events.db.salvaging-<ms>   (and its WAL)
    2. build    events.db.rebuild from it, in one transaction
    3. rename   events.db.rebuild -> events.db          here it is done
    4. rename   events.db.salvaging-<ms> -> events.db.damaged-<ms>

Where the disk has no room for the copy, only what waits is copied; where it has no room for that and
SQLite finds the file whole, what does not prove itself is taken out of it, into a file of its own, and
the rest goes on where it stands (`salvage_here`).

Killed before step 3 it is begun again from the same file at the next start; killed after it, step 4 is
made up for. The damaged file is evidence: it is not written where there is another way, and never deleted by the
gateway.

Every event whose own pages can be read and that proves itself (its hash is that of its signed bytes) is
copied (`salvage_rows`); the other tables are asked in a view that does without the damaged schema
(`salvage_view`). Where the list of waiting events cannot be read, whatever is not known to be settled
waits again: sending twice is harmless, the center dedupes. Lost is what should be here, was not settled,
and is not kept; what an earlier salvage lost and no start has told yet is told with it.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from peewee import SqliteDatabase

from gateway.spans import Spans
from gateway.store import diary, epochs, salvage_account
from gateway.store.enrolments import ENROLMENT_COLUMNS, SUSPECT
from gateway.store.epochs import Lost
from gateway.store.salvage_account import Account, Extent, Told
from gateway.store.salvage_rows import event_rows, whole_rows
from gateway.store.salvage_view import view_of
from gateway.store.transaction import transaction
from gateway.store.witness import Statement

FOUND = "salvage"  # state: what a salvage came to, until the next start has told it

ENDED = "ended:"  # state: how the last session of a kiosk ended, and the event that says so
# Beside the events: what the center refused, how old they are, which orders were carried out, which records
# of devices are stored, who is expected, whose templates lie where, who may sign in, and who has to wait before
# the next try.
_KEPT_TABLES = {
    "rejected": ("n", "code", "message"),
    "day": ("day", "n"),
    "command": ("cmdid", "name", "received_ms", "status", "answer"),
    "device_record": ("n", "id", "device"),
    "roster": (
        "version",
        "digest",
        "persons",
        "left_out",
        "issued_ms",
        "expires_ms",
        "applied_ms",
        "applied_boot",
        "applied_mono_ms",
        "sealed",
    ),
    "enrolment": ENROLMENT_COLUMNS,
    "account": (
        "name",
        "role",
        "hash",
        "generation",
        "created_ms",
        "changed_ms",
        "disabled",
        "must_change",
    ),
    "kiosk_token": ("kiosk", "digest", "created_ms", "source"),
    "lockout": ("account", "source", "failures", "known", "boot", "mono_ms", "remaining_ms"),
    # Made again from the events as well, at the start: what is in either is known. Not when check-ins could
    # be taken: of the time before a salvage nobody can say that nothing of it is missing.
    "diary": diary.DIARY_COLUMNS,
    "diary_tick": diary.TICK_COLUMNS,
}


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


def salvage(
    damaged: Path,
    into: SqliteDatabase,
    *,
    name: str,
    cause: str,
    witness: Statement | None,
    extent: Extent = Extent.ALL,
) -> Salvage:
    """Copy what can be read of `damaged` into the new, empty store, and keep there what came of it.

    `name` is what the damaged file will be called for good.
    """
    with view_of(damaged) as view, transaction(into):
        source = view.tables
        account = Account(into, _epochs(source), _waiting(source), witness, extent)
        for row in event_rows(view.pages):
            account.take(row)
        lost = salvage_account.as_few([*_untold(source), *account.finish()])
        found = Salvage(name, cause, account.kept, tuple(lost))
        epochs.set_state(FOUND, found.as_text())
        _copy_state(source)
        for table, columns in _KEPT_TABLES.items():
            _copy_table(source, into, table, columns)
        if lost or not _whole(source, "enrolment"):
            epochs.set_state(SUSPECT, cause)
        _forget_endings(into.connection())
        # Of a record whose event is lost the mark is lost, too: its device sends it again.
        into.execute_sql(
            "DELETE FROM device_record WHERE n NOT IN (SELECT n FROM event) "
            "AND n >= (SELECT coalesce(min(n), 0) FROM event)"
        )
    return found


def salvage_here(
    damaged: SqliteDatabase, beside: Path, *, cause: str, witness: Statement | None
) -> Salvage | None:
    """For a disk without room for a copy: take out what does not prove itself, into the file `beside`.

    None where SQLite's own check finds the file torn, or a list is gone: writing to it would spoil more.
    """
    here: sqlite3.Connection = damaged.connection()
    told, waiting = _epochs(here), _waiting(here)
    if waiting is None or here.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
        return None
    with transaction(damaged):
        account = Account(damaged, told, waiting, witness, Extent.HERE)
        rows = here.execute("SELECT n, hash, recorded_ms, wire FROM event ORDER BY n")
        sound = Spans.of(row[0] for row in whole_rows(rows) if account.take(row))
        odd = [n for (n,) in here.execute("SELECT n FROM event") if n not in sound]
        _keep_beside(here, odd, beside)
        here.executemany("DELETE FROM event WHERE n = ?", ((n,) for n in odd))
        here.execute("DELETE FROM waiting WHERE n NOT IN (SELECT n FROM event)")
        here.execute("DELETE FROM epoch")
        epochs.set_state(diary.FILLED, None)
        _forget_endings(here)
        lost = salvage_account.as_few([*_untold(here), *account.finish()])
        found = Salvage(beside.name, cause, account.kept, tuple(lost))
        epochs.set_state(FOUND, found.as_text())
        if lost or not _whole(here, "enrolment"):
            epochs.set_state(SUSPECT, cause)
    return found


def _keep_beside(here: sqlite3.Connection, odd: list[int], beside: Path) -> None:
    """Evidence is kept before it is taken out; done again after a crash, nothing of it is replaced."""
    with closing(sqlite3.connect(beside)) as kept, kept:
        kept.execute("CREATE TABLE IF NOT EXISTS event (n INTEGER PRIMARY KEY, hash, recorded_ms, wire)")
        for n in odd:
            row = here.execute("SELECT n, hash, recorded_ms, wire FROM event WHERE n = ?", (n,)).fetchone()
            kept.execute("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?)", row)


def _waiting(source: sqlite3.Connection) -> Spans | None:
    try:
        return Spans.of(n for (n,) in source.execute("SELECT n FROM waiting") if isinstance(n, int))
    except sqlite3.Error:
        return None


def _epochs(source: sqlite3.Connection) -> Told:
    rows: list[tuple[object, object, object]] = []
    with suppress(sqlite3.Error):
        rows = source.execute("SELECT epoch, first_n, last_seq FROM epoch").fetchall()
    return {
        epoch: (first_n, last_seq)
        for epoch, first_n, last_seq in rows
        if isinstance(epoch, str) and isinstance(first_n, int) and isinstance(last_seq, int | None)
    }


def _untold(source: sqlite3.Connection) -> tuple[Lost, ...]:
    """What an earlier salvage lost and no start has told."""
    try:
        row = source.execute("SELECT value FROM state WHERE key = ?", (FOUND,)).fetchone()
        return () if row is None else Salvage.from_text(row[0]).lost
    except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError):
        return ()


def _copy_state(source: sqlite3.Connection) -> None:
    """Standing alarms and the like; what cannot be read is found out anew."""
    for key, value in _readable(source, "state", ("key", "value")):
        if (
            isinstance(key, str)
            and isinstance(value, str)
            and key not in {FOUND, epochs.RESTORED, diary.FILLED}
        ):
            epochs.set_state(key, value)


def _forget_endings(connection: sqlite3.Connection) -> None:
    """Nobody may be told that something counts whose event is not here any more."""
    stored = "SELECT 1 FROM diary JOIN event USING (n) WHERE diary.id = ?"
    notes = connection.execute(
        "SELECT key, value FROM state WHERE substr(key, 1, ?) = ?", (len(ENDED), ENDED)
    )
    for key, value in notes.fetchall():
        try:
            event = json.loads(value)["event"]
        except (ValueError, TypeError, KeyError):
            event = None
        if not isinstance(event, str) or connection.execute(stored, (event,)).fetchone() is None:
            epochs.set_state(key, None)


def _copy_table(
    source: sqlite3.Connection, into: SqliteDatabase, table: str, columns: tuple[str, ...]
) -> None:
    """Rows with the types that the table is declared with: a damaged tree may lead to another table's."""
    told = into.execute_sql(f"PRAGMA table_info({table})").fetchall()
    kinds = {name: (kind.lower(), "null" if not needed else "") for _, name, kind, needed, _, _ in told}
    sound = " AND ".join(f"typeof({column}) IN {kinds[column]}" for column in columns)
    places = ", ".join("?" for _ in columns)
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
    into.connection().executemany(insert, _readable(source, table, columns, sound))


def _whole(source: sqlite3.Connection, table: str) -> bool:
    """Whether every row of a table can be read. One that is not there has none."""
    try:
        if source.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None:
            source.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
    except sqlite3.Error:
        return False
    return True


def _readable(
    source: sqlite3.Connection, table: str, columns: tuple[str, ...], where: str = "1"
) -> Iterator[tuple[object, ...]]:
    """Rows until the first that fails; none of a table that is not there."""
    try:
        yield from source.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}")  # noqa: S608
    except sqlite3.Error:
        return
