"""What may leave the store: settled events that are old, or the oldest settled ones when room runs out.

Unsettled events never go, whatever their age; nor does the newest event, from which the chain goes on.
In steps, so that no check-in waits behind a purge. Tracker fixes, the bulk, go earlier than the rest.

An event's age is counted from the first day with a trusted clock on which it was there (`day`), not
from its own stamp: what was recorded at 1970 is not older than the rest.
"""

from dataclasses import dataclass

from peewee import SqliteDatabase, fn

from gateway.store import diary
from gateway.store.models import Day, Event

STEP = 500  # events looked at in one transaction: a few ms on a slow card
QUOTA_FILL = 0.9  # of the quota; above it settled events go before their time
VACUUM_PAGES = 256  # given back to the disk in one transaction
KEPT_PAGES = 4096  # free pages the file keeps for what comes next: 16 MiB
DAY_MS = 24 * 3600 * 1000
_FIX = b'"type":"cn.zhijiao.tracker.fix"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long settled events stay."""

    days: int
    fix_days: int


class Purge:
    """One pass over what may go; `step` until it says that it is done. Runs in transactions of the db thread."""

    def __init__(
        self, database: SqliteDatabase, retention: Retention, now_ms: int | None, *, short: bool
    ) -> None:
        """`now_ms` is None where nobody vouches for the clock: nothing is old by its word.

        `short`: room runs out, settled events go whatever their age.
        """
        self._database = database
        self._retention = retention
        self._today = None if now_ms is None else now_ms // DAY_MS
        self._short = short
        self._looked: int | None = None  # `n` up to which this pass has looked
        self.done = False
        self.gone = 0

    def step(self) -> int:
        """Look at a few events and delete those that may go; how many went."""
        if self._looked is None:
            self._begin()
        first = self._looked
        if first is None or first >= self._end:
            self.done = not self._vacuum()
            return 0
        last = self._database.execute_sql(
            "SELECT max(n) FROM (SELECT n FROM event WHERE n > ? AND n <= ? ORDER BY n LIMIT ?)",
            (first, self._end, STEP),
        ).fetchone()[0]
        self._looked = self._end if last is None else last
        gone = self._delete(first, self._looked)
        self.gone += gone
        return gone

    def _begin(self) -> None:
        newest = Event.select(fn.MAX(Event.n)).scalar() or 0
        # A clock that stood back for a moment must not make everything since then old.
        if self._today is not None and (Day.select(fn.MAX(Day.day)).scalar() or 0) < self._today:
            Day.insert(day=self._today, n=newest).execute()
        self._old = newest if self._short else self._cutoff(self._retention.days)
        self._old_fix = max(self._old, self._cutoff(self._retention.fix_days))
        self._end = min(newest - 1, self._old_fix)
        self._looked = (Event.select(fn.MIN(Event.n)).scalar() or 1) - 1
        if self._today is not None:
            self._forget_days(self._today - self._retention.days)
            diary.forget(self._database.connection(), self._cutoff(self._retention.days))

    def _forget_days(self, oldest: int) -> None:
        """Of the days before, the newest is enough."""
        needed = Day.select(fn.MAX(Day.day)).where(Day.day <= oldest).scalar()
        if needed is not None:
            Day.delete().where(Day.day < needed).execute()

    def _cutoff(self, days: int) -> int:
        """Events up to this `n` were there `days` ago."""
        if self._today is None:
            return 0
        return int(Day.select(fn.MAX(Day.n)).where(Day.day <= self._today - days).scalar() or 0)

    def _delete(self, first: int, last: int) -> int:
        settled = (
            "DELETE FROM event WHERE n > ? AND n <= ? "
            "AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.lane IN (0, 1) AND w.n = event.n)"
        )
        gone = self._database.execute_sql(settled, (first, min(last, self._old))).rowcount
        if last > self._old:
            gone += self._database.execute_sql(
                settled + " AND instr(wire, ?) > 0", (max(first, self._old), last, _FIX)
            ).rowcount
        return int(gone)

    def _vacuum(self) -> bool:
        """Give free pages back to the disk, a few at a time; whether there is more to give."""
        free = int(str(self._database.pragma("freelist_count")))
        spare = free if self._short else free - KEPT_PAGES
        if spare <= 0 or int(str(self._database.pragma("auto_vacuum"))) == 0:
            return False
        # Each row of the pragma's answer frees one page: it must be read to its end.
        self._database.execute_sql(f"PRAGMA incremental_vacuum({min(spare, VACUUM_PAGES)})").fetchall()
        return True


def used_pages(database: SqliteDatabase) -> int:
    """Pages that hold something."""
    return int(str(database.pragma("page_count"))) - int(str(database.pragma("freelist_count")))
