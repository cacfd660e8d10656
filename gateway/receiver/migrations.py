"""How the tables came to be: numbered steps, each applied once, all in one transaction with their record.

Add a step at the end; never change one that was released. A file with steps this program does not
know was written by a newer release: it is refused, not guessed at. The statements are SQLite's; `postgres`
says them in its own words.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from peewee import Database, IntegerField, Model, SqliteDatabase, TextField

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


# Which worker has which gateway (`leases`). A worker's row says that it lives; a lease lasts as long as that.
_LEASES = (
    "CREATE TABLE worker (name TEXT PRIMARY KEY, incarnation TEXT NOT NULL, until_ms INTEGER NOT NULL)",
    "CREATE TABLE lease (gw TEXT PRIMARY KEY, holder TEXT NOT NULL, since_ms INTEGER NOT NULL)",
)

FIRST = "0001_first_tables"  # its row is there in every record
_TURN = "SELECT pg_advisory_xact_lock(23115, hashtext(current_schema()))"


class Migration(Model):
    """Steps applied to this record."""

    name = TextField(primary_key=True)
    applied_ms = IntegerField()

    class Meta:
        table_name = "migration"


def _first_tables(database: Database) -> None:
    database.create_tables(TABLES, safe=False)
    _run(database, (_EVENTS_VIEW,))


def _run(database: Database, statements: Iterable[str]) -> None:
    for statement in statements:
        database.execute_sql(statement)


MIGRATIONS: Mapping[str, Callable[[Database], None]] = {
    FIRST: _first_tables,
    "0002_requests_and_resends": partial(_run, statements=_ASKING),
    "0003_stuck_gaps": partial(_run, statements=_STUCK_GAPS),
    "0004_facts_of_gateways": partial(_run, statements=_FACTS),
    "0005_accepted_events": partial(_run, statements=_ACCEPTED),
    "0006_lives": partial(_run, statements=(_LIVES,)),
    "0007_leases": partial(_run, statements=_LEASES),
}


def migrate(database: Database, name: str, now_ms: int) -> None:
    """Bring the record up to date; raises `StartError` (store_newer, not_ours). `name`: what a person calls it."""
    on_sqlite = isinstance(database, SqliteDatabase)
    with database.bind_ctx([Migration, *TABLES]), database.atomic(*(("IMMEDIATE",) if on_sqlite else ())):
        if not on_sqlite:
            database.execute_sql(_TURN)  # several workers may start at once
        tables = set(database.get_tables())
        if tables and Migration._meta.table_name not in tables:  # noqa: SLF001 - peewee's documented face
            raise StartError("not_ours", f"{name}: holds other tables; name another database")
        database.create_tables([Migration])
        applied = check_known(database, name)
        for step, apply in MIGRATIONS.items():
            if step not in applied:
                apply(database)
                Migration.create(name=step, applied_ms=now_ms)


def check_known(database: Database, name: str) -> set[str]:
    """The steps applied to this record; raises `StartError` (store_newer) for one that is not known."""
    with database.bind_ctx([Migration]):
        applied = {str(row.name) for row in Migration.select()}
    unknown = sorted(applied - MIGRATIONS.keys())
    if unknown:
        raise StartError(
            "store_newer",
            f"{name}: written by a newer release (step {unknown[-1]}); install that release",
        )
    return applied
