"""How the tables came to be: numbered steps, each applied once, in one transaction with its record.

Add a step at the end; never change one that was released. A file with steps this program does not
know was written by a newer release: it is refused, not guessed at.
"""

from collections.abc import Callable, Mapping

from peewee import IntegerField, Model, SqliteDatabase, TextField

from gateway.errors import StartError
from gateway.receiver.models import TABLES

# For whoever opens the file with another tool.
_EVENTS_VIEW = """
CREATE VIEW events AS
SELECT c.gw, c.epoch, e.seq, e.type, e.time_ms, e.received_ms, e.understood, r.code AS rejected,
       lower(hex(e.event_id)) AS event_id, lower(hex(e.hash)) AS hash, CAST(e.wire AS TEXT) AS wire
FROM event e JOIN cursor c ON c.id = e.cursor LEFT JOIN rejected r ON r.n = e.n
"""


# Where a refused event stands, so that `req/rejected` reads an index; and the open resends.
_ASKING = (
    "ALTER TABLE rejected ADD COLUMN cursor INTEGER",
    "ALTER TABLE rejected ADD COLUMN seq INTEGER",
    "UPDATE rejected SET cursor = e.cursor, seq = e.seq FROM event e WHERE e.n = rejected.n",
    "CREATE INDEX rejected_cursor_seq ON rejected (cursor, seq)",
    """
CREATE TABLE resend (
    gw TEXT NOT NULL, epoch TEXT NOT NULL, since_ms INTEGER NOT NULL, rollback INTEGER NOT NULL, cmdid TEXT,
    first INTEGER NOT NULL, last INTEGER NOT NULL, session TEXT NOT NULL, attempts INTEGER NOT NULL,
    next_ms INTEGER NOT NULL, missing INTEGER NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (gw, epoch)
) WITHOUT ROWID
""",
)


# A gap that no backlog fills has a time of its own; what is open now has stood for an unknown time.
_STUCK_GAPS = ("ALTER TABLE resend ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0",)


# A fact is its gateway's, and what was refused tells of none.
_FACTS = (
    "DROP TABLE fact",
    """
CREATE TABLE fact (
    gw TEXT NOT NULL, id BLOB NOT NULL, n INTEGER NOT NULL, envelopes INTEGER NOT NULL, PRIMARY KEY (gw, id)
) WITHOUT ROWID
""",
    """
INSERT INTO fact (gw, id, n, envelopes)
SELECT c.gw, e.event_id, min(e.n), count(*) FROM event e JOIN cursor c ON c.id = e.cursor
WHERE e.event_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM rejected r WHERE r.n = e.n) GROUP BY c.gw, e.event_id
""",
)

# What a consumer acts upon. A further envelope of a fact is kept by its number: event rows never change.
_ACCEPTED = (
    "CREATE TABLE repeat (n INTEGER PRIMARY KEY)",
    """
INSERT INTO repeat (n)
SELECT e.n FROM event e JOIN cursor c ON c.id = e.cursor JOIN fact f ON f.gw = c.gw AND f.id = e.event_id
WHERE f.n < e.n AND NOT EXISTS (SELECT 1 FROM rejected r WHERE r.n = e.n)
""",
    """
CREATE VIEW accepted AS
SELECT e.n, c.gw, c.epoch, e.seq, c.upto, e.type, e.time_ms, e.received_ms, e.understood, e.wire
FROM event e JOIN cursor c ON c.id = e.cursor
WHERE NOT EXISTS (SELECT 1 FROM rejected r WHERE r.n = e.n) AND NOT EXISTS (SELECT 1 FROM repeat p WHERE p.n = e.n)
""",
)

# Where an epoch opened and when it was first seen alive (`lives`). Of older epochs nothing is said.
_LIVES = """
CREATE TABLE life (
    cursor INTEGER PRIMARY KEY, boot TEXT, mono_ms INTEGER NOT NULL, turn INTEGER NOT NULL, live_ms INTEGER NOT NULL
)
"""


class Migration(Model):
    """Steps applied to this file."""

    name = TextField(primary_key=True)
    applied_ms = IntegerField()

    class Meta:
        table_name = "migration"


def _first_tables(database: SqliteDatabase) -> None:
    database.create_tables(TABLES, safe=False)
    database.execute_sql(_EVENTS_VIEW)


def _requests_and_resends(database: SqliteDatabase) -> None:
    for statement in _ASKING:
        database.execute_sql(statement)


def _stuck_gaps(database: SqliteDatabase) -> None:
    for statement in _STUCK_GAPS:
        database.execute_sql(statement)


def _facts_of_gateways(database: SqliteDatabase) -> None:
    for statement in _FACTS:
        database.execute_sql(statement)


def _accepted_events(database: SqliteDatabase) -> None:
    for statement in _ACCEPTED:
        database.execute_sql(statement)


def _lives(database: SqliteDatabase) -> None:
    database.execute_sql(_LIVES)


MIGRATIONS: Mapping[str, Callable[[SqliteDatabase], None]] = {
    "0001_first_tables": _first_tables,
    "0002_requests_and_resends": _requests_and_resends,
    "0003_stuck_gaps": _stuck_gaps,
    "0004_facts_of_gateways": _facts_of_gateways,
    "0005_accepted_events": _accepted_events,
    "0006_lives": _lives,
}


def migrate(database: SqliteDatabase, now_ms: int) -> None:
    """Bring the file up to date; raises `StartError` (store_newer, not_ours)."""
    with database.bind_ctx([Migration, *TABLES]):
        tables = set(database.get_tables())
        if tables and Migration._meta.table_name not in tables:  # noqa: SLF001 - peewee's documented face
            raise StartError("not_ours", f"{database.database}: holds other tables; name another file")
        database.create_tables([Migration])
        applied = check_known(database)
        for name, step in MIGRATIONS.items():
            if name not in applied:
                with database.atomic():
                    step(database)
                    Migration.create(name=name, applied_ms=now_ms)


def check_known(database: SqliteDatabase) -> set[str]:
    """The steps applied to this file; raises `StartError` (store_newer) for one that is not known."""
    with database.bind_ctx([Migration]):
        applied = {str(row.name) for row in Migration.select()}
    unknown = sorted(applied - MIGRATIONS.keys())
    if unknown:
        raise StartError(
            "store_newer",
            f"{database.database}: written by a newer release (step {unknown[-1]}); install that release",
        )
    return applied
