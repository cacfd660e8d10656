"""One transaction of a whole file's worth, begun and ended in plain SQL.

The mapper's own hides why it failed: on a full disk SQLite has rolled back already, and the rollback
that follows is refused under another name.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from peewee import PeeweeException, SqliteDatabase


@contextmanager
def transaction(database: SqliteDatabase) -> Iterator[None]:
    """Commit at the end; roll back and raise what was raised inside."""
    database.execute_sql("BEGIN IMMEDIATE")
    try:
        yield
        database.execute_sql("COMMIT")
    except BaseException:
        with suppress(PeeweeException, sqlite3.Error):
            database.execute_sql("ROLLBACK")
        raise
