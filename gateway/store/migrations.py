"""How the tables came to be: numbered steps, each applied once, in one transaction with its record.

Add a step at the end; never change one that was released. A file with steps this program does not
know was written by a newer release: it is refused, not guessed at.
"""

from collections.abc import Callable, Mapping

from peewee import IntegerField, Model, SqliteDatabase, TextField

from gateway.errors import StartError
from gateway.store.models import TABLES


class Migration(Model):
    """Steps applied to this file."""

    name = TextField(primary_key=True)
    applied_ms = IntegerField()

    class Meta:
        table_name = "migration"


def _first_tables(database: SqliteDatabase) -> None:
    database.create_tables(TABLES, safe=False)


MIGRATIONS: Mapping[str, Callable[[SqliteDatabase], None]] = {
    "0001_first_tables": _first_tables,
}


def migrate(database: SqliteDatabase, now_ms: int) -> None:
    """Bring the file up to date; raises `StartError` (store_newer)."""
    with database.bind_ctx([Migration, *TABLES]):
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
                with database.atomic():
                    step(database)
                    Migration.create(name=name, applied_ms=now_ms)
