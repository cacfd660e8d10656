"""What may leave the store: settled events that are old, or the oldest settled ones when the quota is near.

Unsettled events never go, whatever their age; nor does the newest event, from which the chain goes on.
In steps, so that no check-in waits behind a purge. Tracker fixes, the bulk, go earlier than the rest.
"""

from dataclasses import dataclass

from peewee import SqliteDatabase

from gateway.store.models import Event, State, Waiting

STEP = 200  # events in one transaction: a few ms on a slow card
QUOTA_FILL = 0.9  # of the quota; above it settled events go before their time
DAY_MS = 24 * 3600 * 1000
FIX_CURSOR = "fixes_purged_to"  # `n` up to which old fixes have been looked for
_FIX = b'"type":"cn.zhijiao.tracker.fix"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long settled events stay."""

    days: int
    fix_days: int
    max_pages: int | None = None  # quota


def purge_step(database: SqliteDatabase, retention: Retention, now_ms: int) -> int:
    """Delete at most a few settled events that may go; how many went."""
    return _purge_old(database, retention, now_ms) + _purge_fixes(now_ms - retention.fix_days * DAY_MS)


def _purge_old(database: SqliteDatabase, retention: Retention, now_ms: int) -> int:
    cutoff_ms = now_ms - retention.days * DAY_MS
    if retention.max_pages is not None and _used_pages(database) > QUOTA_FILL * retention.max_pages:
        cutoff_ms = now_ms + DAY_MS  # any age
    cursor = database.execute_sql(
        "DELETE FROM event WHERE n IN (SELECT e.n FROM event e WHERE e.recorded_ms < ? "
        "AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.lane IN (0, 1) AND w.n = e.n) "
        "AND e.n < (SELECT max(n) FROM event) ORDER BY e.n LIMIT ?)",
        (cutoff_ms, STEP),
    )
    return int(cursor.rowcount)


def _purge_fixes(cutoff_ms: int) -> int:
    """Old fixes among younger events; a cursor keeps what was looked at from being read again."""
    kept = State.get_or_none(State.key == FIX_CURSOR)
    start = int(kept.value) if kept is not None else 0
    rows = list(
        Event.select(Event.n, Event.wire)
        .where((Event.n > start) & (Event.recorded_ms < cutoff_ms))
        .order_by(Event.n)
        .limit(STEP)
    )
    done, fixes = start, []
    for row in rows:
        if _FIX in row.wire:
            if Waiting.select().where((Waiting.lane << (0, 1)) & (Waiting.n == row.n)).exists():
                break  # it comes back to this one
            fixes.append(row.n)
        done = row.n
    if done != start:
        Event.delete().where(Event.n << fixes).execute()
        State.insert(key=FIX_CURSOR, value=str(done)).on_conflict_replace().execute()
    return len(fixes)


def _used_pages(database: SqliteDatabase) -> int:
    return int(str(database.pragma("page_count"))) - int(str(database.pragma("freelist_count")))
