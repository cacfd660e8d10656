"""What may leave the store: settled events that are old, or the oldest settled ones when the quota is near.

Unsettled events never go, whatever their age. In steps, so that no check-in waits behind a purge.
"""

from collections.abc import Callable

from peewee import SqliteDatabase

STEP = 200  # events in one transaction: a few ms on a slow card
QUOTA_FILL = 0.9  # of the quota; above it settled events go before their time
DAY_MS = 24 * 3600 * 1000


def purge_step(database: SqliteDatabase, *, now_ms: int, retention_days: int, max_pages: int | None) -> int:
    """Delete at most `STEP` settled events that may go; how many went."""
    cutoff_ms = now_ms - retention_days * DAY_MS
    if max_pages is not None and _used_pages(database) > QUOTA_FILL * max_pages:
        cutoff_ms = now_ms + DAY_MS  # any age
    # The newest event always stays: the chain is continued from it.
    cursor = database.execute_sql(
        "DELETE FROM event WHERE n IN (SELECT e.n FROM event e WHERE e.recorded_ms < ? "
        "AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.lane IN (0, 1) AND w.n = e.n) "
        "AND e.n < (SELECT max(n) FROM event) ORDER BY e.n LIMIT ?)",
        (cutoff_ms, STEP),
    )
    return int(cursor.rowcount)


def _used_pages(database: SqliteDatabase) -> int:
    pragma: Callable[[str], object] = database.pragma
    return int(str(pragma("page_count"))) - int(str(pragma("freelist_count")))
