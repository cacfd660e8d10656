"""How the tables came to be: numbered steps, each applied once, in one transaction with its record.

Add a step at the end; never change one that was released, never drop a table or an index: where tables begin
is known by the steps alone when the schema is damaged (`layout`). A file with steps this program does not
know was written by a newer release: it is refused, not guessed at.
"""

import itertools
from collections.abc import Callable, Mapping

from peewee import IntegerField, Model, SqliteDatabase, TextField

from gateway.errors import ContractError, StartError
from gateway.evidence import canonical
from gateway.store.commands import COMMAND_TABLES
from gateway.store.diary import TABLES_SQL
from gateway.store.transaction import transaction


class Migration(Model):
    """Steps applied to this file."""

    name = TextField(primary_key=True)
    applied_ms = IntegerField()

    class Meta:
        table_name = "migration"


# Written out: the models of today have moved on.
_FIRST_TABLES = """
CREATE TABLE epoch (first_n INTEGER NOT NULL PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, reason TEXT NOT NULL,
    opened_ms INTEGER NOT NULL);
CREATE TABLE event (n INTEGER NOT NULL PRIMARY KEY, hash BLOB NOT NULL, recorded_ms INTEGER NOT NULL,
    wire BLOB NOT NULL);
CREATE TABLE waiting (lane INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (lane, n)) WITHOUT ROWID;
CREATE TABLE rejected (n INTEGER NOT NULL PRIMARY KEY, code TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE state (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)
"""
_EPOCHS_END = """
ALTER TABLE epoch ADD COLUMN last_seq INTEGER;
ALTER TABLE epoch ADD COLUMN last_hash BLOB;
CREATE TABLE day (day INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL)
"""

_ROSTER = """
CREATE TABLE roster (version INTEGER NOT NULL PRIMARY KEY, digest BLOB NOT NULL, persons INTEGER NOT NULL,
    left_out INTEGER NOT NULL, issued_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
    applied_ms INTEGER NOT NULL, applied_boot TEXT NOT NULL, applied_mono_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL)
"""

_ACCESS = """
CREATE TABLE account (name TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL, hash TEXT NOT NULL,
    generation INTEGER NOT NULL, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,
    disabled INTEGER NOT NULL, must_change INTEGER NOT NULL);
CREATE TABLE kiosk_token (kiosk TEXT NOT NULL PRIMARY KEY, digest BLOB NOT NULL, created_ms INTEGER NOT NULL,
    source TEXT);
CREATE TABLE lockout (account TEXT NOT NULL, source TEXT NOT NULL, failures INTEGER NOT NULL,
    known INTEGER NOT NULL, boot TEXT NOT NULL, mono_ms INTEGER NOT NULL, remaining_ms INTEGER NOT NULL,
    PRIMARY KEY (account, source)) WITHOUT ROWID
"""

_ENROLMENTS = "CREATE TABLE enrolment (digest BLOB NOT NULL PRIMARY KEY, sealed BLOB NOT NULL)"

_DEVICE_RECORDS = """
CREATE TABLE device_record (n INTEGER NOT NULL PRIMARY KEY, id BLOB NOT NULL UNIQUE, device TEXT NOT NULL);
CREATE INDEX device_record_device ON device_record (device, n)
"""


def _script(text: str) -> Callable[[SqliteDatabase], None]:
    """A step of statements; each alone, because a script would end the transaction."""

    def step(database: SqliteDatabase) -> None:
        for statement in text.strip().split(";"):
            database.execute_sql(statement)

    return step


def _commands(database: SqliteDatabase) -> None:
    with database.bind_ctx(COMMAND_TABLES):
        database.create_tables(COMMAND_TABLES, safe=False)


def _ends_of_closed_epochs(database: SqliteDatabase) -> None:
    """Epochs that were closed before an end was kept; one whose end nobody tells stays without."""
    rows = database.execute_sql("SELECT first_n, epoch, last_seq FROM epoch ORDER BY first_n").fetchall()
    for (first_n, epoch, last_seq), (next_n, _, _) in itertools.pairwise(rows):
        if last_seq is not None:
            continue
        end = next_n - first_n
        row = database.execute_sql("SELECT hash FROM event WHERE n = ?", (next_n - 1,)).fetchone()
        digest = _hash_told(database, next_n, epoch, end) if row is None else row[0]
        if digest is not None:
            database.execute_sql(
                "UPDATE epoch SET last_seq = ?, last_hash = ? WHERE first_n = ?", (end, digest, first_n)
            )


def _hash_told(database: SqliteDatabase, opening_n: int, epoch: str, end: int) -> bytes | None:
    """The hash at the end of an epoch by the word of the next one's opening event."""
    row = database.execute_sql("SELECT wire FROM event WHERE n = ?", (opening_n,)).fetchone()
    try:
        data = None if row is None else canonical.decode(row[0]).get("data")
        told = data.get("previous") if isinstance(data, dict) else None
        if not isinstance(told, dict) or (told.get("epoch"), told.get("last_seq")) != (epoch, end):
            return None
        return bytes.fromhex(str(told.get("last_hash")))
    except (ContractError, ValueError):
        return None


MIGRATIONS: Mapping[str, Callable[[SqliteDatabase], None]] = {
    "0001_first_tables": _script(_FIRST_TABLES),
    "0002_epochs_end_and_days": _script(_EPOCHS_END),
    "0003_commands": _commands,
    "0004_ends_of_closed_epochs": _ends_of_closed_epochs,
    "0005_roster": _script(_ROSTER),
    "0006_access": _script(_ACCESS),
    "0007_enrolments": _script(_ENROLMENTS),
    "0008_device_records": _script(_DEVICE_RECORDS),
    "0009_diary": _script(TABLES_SQL),
}


def migrate(database: SqliteDatabase, now_ms: int) -> None:
    """Bring the file up to date; raises `StartError` (store_newer)."""
    with database.bind_ctx([Migration]):
        database.create_tables([Migration])
        applied = {row.name for row in Migration.select()}
        unknown = sorted(applied - MIGRATIONS.keys())
        if unknown:
            raise StartError(
                "store_newer",
                f"{database.database}: written by a newer release (step {unknown[-1]}); install that release again",
            )
        for name, step in MIGRATIONS.items():
            if name not in applied:
                with transaction(database):
                    step(database)
                    Migration.create(name=name, applied_ms=now_ms)
