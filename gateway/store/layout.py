"""Where each table of a store begins, known without asking the store.

With auto_vacuum SQLite keeps the first pages of all tables and indexes together at the front of the file,
in the order in which they were made, whatever the tables hold; none of ours was ever dropped. So an empty
store that takes the same steps has them on the same pages as the one that cannot tell any more (a test
fills tables between the steps, and compares).
"""

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass

from peewee import SqliteDatabase

from gateway.store.database import PRAGMAS, StoreDamaged
from gateway.store.migrations import MIGRATIONS, Migration

_KEPT = ("page_size", "auto_vacuum")  # settings that say where pages lie


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    root: int  # its first page
    sql: str  # what makes it with its columns alone: no index, no condition


def layout(steps: Collection[str]) -> dict[str, Table]:
    """The tables of a store after these migrations, by name."""
    database = SqliteDatabase(":memory:", pragmas={name: PRAGMAS[name] for name in _KEPT})
    with closing(database), database.bind_ctx([Migration]):
        database.connect()
        database.create_tables([Migration])
        for name, step in MIGRATIONS.items():
            if name in steps:
                step(database)
        made = database.execute_sql("SELECT name, rootpage, sql FROM sqlite_master WHERE type = 'table'")
        return {name: Table(root, _plain(database, name, sql)) for name, root, sql in made.fetchall()}


def check_tables(database: SqliteDatabase) -> None:
    """Raise `StoreDamaged` where tables are gone: a page of the schema can lose them and look sound."""
    here = set(database.get_tables())
    with database.bind_ctx([Migration]):
        steps = {row.name for row in Migration.select()} if "migration" in here else set()
    if here and (missing := sorted(layout(steps).keys() - here)):
        raise StoreDamaged(f"table {missing[0]} is not in the schema")


def _plain(database: SqliteDatabase, name: str, sql: str) -> str:
    """The columns in their order, and of the key what decides how the rows are stored."""
    columns = database.execute_sql(f"PRAGMA table_info({name})").fetchall()
    keys = [column for _, column, _, _, _, pk in sorted(columns, key=lambda one: one[5]) if pk]
    names = [column for _, column, _, _, _, _ in columns]
    if sql.rstrip().upper().endswith("WITHOUT ROWID"):
        return f"CREATE TABLE {name}({','.join(names)},PRIMARY KEY({','.join(keys)}))WITHOUT ROWID"
    numbered = {
        column for _, column, kind, _, _, pk in columns if pk and kind == "INTEGER" and len(keys) == 1
    }
    return f"CREATE TABLE {name}({','.join(c + ' INTEGER PRIMARY KEY' * (c in numbered) for c in names)})"
