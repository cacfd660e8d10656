"""Is the whole store what the gateway once wrote? Every row, every link, every hole; in constant memory.

Reads beside a running gateway. What is looked at: each row's hash is that of its signed bytes, its
signature, its link to the row before, its place in its epoch, what each epoch says of the one before,
holes, and that every waiting entry has its event. A hole is explained where an event in the store
declares it lost, where retention removed it, or where a later salvage kept what it could (it declares
only what the center did not have); anything else is a break.

What a store cannot prove about itself: that nothing was taken off its end. The center's ack can.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gateway.errors import ContractError, StoreRefused
from gateway.evidence.chain import EPOCH_OPENED, Link, check_lineage, check_successor, lost_range
from gateway.evidence.jws import FindKey
from gateway.store.findings import EpochCheck, Finding, StoreCheck
from gateway.store.reading import BATCH, Reading, StoredEpoch, StoredRow, UnreadableRow, prove_row, whole
from gateway.store.salvage import FOUND

FIX_DAYS = 30  # as the configuration, where none is given
MOST_PENDING = 10_000  # holes that wait for an explanation; memory stays small whatever the store holds

SALVAGED = "salvaged"  # reason of an epoch
FORGOTTEN = ("restored", "store_rollback")  # reasons: the store knew less than the gateway had known
TORN_END = 4096  # `n` that are tried behind the last one known

Progress = Callable[[int, int], object]  # rows looked at, rows in all


@dataclass(frozen=True, slots=True)
class _Hole:
    epoch: str
    first: int  # sequences
    last: int
    first_n: int
    oldest: bool  # no settled event before it: where retention works

    @property
    def last_n(self) -> int:
        return self.first_n + self.last - self.first


def check_store(
    reading: Reading,
    *,
    gateway: str | None,
    find_key: FindKey | None,
    progress: Progress,
    fix_days: int = FIX_DAYS,
) -> StoreCheck:
    """Look at everything; raises `StoreRefused` where the file cannot be read at all.

    `fix_days`: how long settled tracker positions stay; younger ones are not purged.
    """
    return _Checking(reading, gateway, find_key, progress, fix_days).run()


class _Checking:
    """One pass."""

    def __init__(
        self,
        reading: Reading,
        gateway: str | None,
        find_key: FindKey | None,
        progress: Progress,
        fix_days: int,
    ) -> None:
        self._fix_days = fix_days
        self._reading = reading
        self._find_key = find_key
        self._progress = progress
        self._result = StoreCheck(signatures=find_key is not None, gateway=gateway)
        self._table: list[StoredEpoch] = []
        self._at = 0  # index of the epoch that is being read
        self._before: tuple[int, Link] | None = None  # the row before, where it proved itself
        self._settled_seen = False  # a settled event that is still held: purging ended before it
        self._purged_to = 0
        self._declared: dict[str, list[tuple[int, int]]] = {}
        self._pending: list[_Hole] = []

    def run(self) -> StoreCheck:
        self._table = self._reading.epochs()
        self._result.epochs = [EpochCheck(e.epoch, e.reason) for e in self._table]
        self._check_file()
        last = self._last()
        total = max(1, last - (self._table[0].first_n if self._table else last) + 1)
        if self._table:
            self._read_rows(last, total)
        elif last:
            self._tell("no_epoch", "there are events and no epoch")
        self._explain_pending()
        self._check_waiting()
        self._progress(total, total)
        return self._result

    # -- rows -----------------------------------------------------------------------------------------

    def _read_rows(self, last: int, total: int) -> None:
        expected = begin = self._table[0].first_n
        with suppress(StoreRefused):  # told where the rows themselves are read
            strays = self._reading.one("SELECT count(*) FROM event WHERE n < ?", begin)
            if strays:
                self._tell("no_epoch", f"{strays} events belong to no epoch")
        for looked, row in enumerate(self._reading.rows(begin, last), 1):
            n = row.n
            if n > expected:
                self._hole(expected, n - 1)
            self._turn_to(n)
            self._row(row)
            expected = n + 1
            if looked % BATCH == 0:
                self._progress(row.n - begin + 1, total)
        # A salvage that no start has followed yet leaves an epoch whose events are all lost.
        if self._table[-1].first_n > last and FOUND not in self._reading.state():
            self._tell("epoch_empty", "the newest epoch has no event", self._table[-1].epoch)

    def _last(self) -> int:
        """The newest `n`; where the end of the table is torn, an `n` behind which nothing is to be expected."""
        try:
            return self._reading.last_n()
        except StoreRefused:
            self._tell("file", "the end of the table of events cannot be read")
        try:
            known = self._reading.one("SELECT max(n) FROM waiting")
        except StoreRefused:
            known = 0
        return max([known, *(epoch.first_n for epoch in self._table)]) + TORN_END

    def _turn_to(self, n: int) -> None:
        while (end := self._table[self._at].end) is not None and n >= end:
            self._at += 1

    def _row(self, row: StoredRow | UnreadableRow) -> None:
        epoch, entry = self._table[self._at], self._result.epochs[self._at]
        seq = row.n - epoch.first_n + 1
        if isinstance(row, StoredRow):
            entry.first = seq if entry.first is None else entry.first
            entry.last = seq
            entry.events += 1
            self._result.events += 1
            self._settled_seen = self._settled_seen or not row.waits
        before = self._before[1] if self._before and self._before[0] == row.n - 1 else None
        self._before = None
        link = self._proven(row, epoch, seq)
        if link is None:
            return
        self._before = (row.n, link)
        entry.head = link.hash
        try:
            check_successor(link, before)
            if link.type == EPOCH_OPENED:
                self._note_forgotten(link)
                if before is not None and not self._names_an_epoch_gone(link):
                    check_lineage(link, before)
        except ContractError as exc:
            self._tell(exc.code, str(exc), epoch.epoch, seq)
        lost = lost_range(link)
        if lost is not None and len(self._declared.setdefault(lost[0], [])) < MOST_PENDING:
            self._declared[lost[0]].append(lost[1:])

    def _proven(self, row: StoredRow | UnreadableRow, epoch: StoredEpoch, seq: int) -> Link | None:
        try:
            link, _ = prove_row(row, self._find_key)
        except ContractError as exc:
            self._tell(exc.code, str(exc), epoch.epoch, seq)
            return None
        self._result.gateway = self._result.gateway or link.gateway
        if (link.epoch, link.seq, link.gateway) != (epoch.epoch, seq, self._result.gateway):
            self._tell("place", "the event says that it stands elsewhere", epoch.epoch, seq)
            return None
        return link

    def _note_forgotten(self, link: Link) -> None:
        """An epoch that opens because the store forgot says where the one before had really ended."""
        previous = link.data.get("previous")
        if not isinstance(previous, dict) or link.data.get("reason") not in FORGOTTEN:
            return
        epoch, last_seq = previous.get("epoch"), previous.get("last_seq")
        for entry in self._result.epochs:
            if entry.epoch == epoch and entry.last is not None and isinstance(last_seq, int):
                self._declared.setdefault(entry.epoch, []).append((entry.last + 1, last_seq))

    def _names_an_epoch_gone(self, link: Link) -> bool:
        """After a restore, rollback or salvage the epoch before may be one that the store does not know."""
        previous = link.data.get("previous")
        known = {entry.epoch for entry in self._result.epochs}
        return (
            link.data.get("reason") in (*FORGOTTEN, SALVAGED)
            and isinstance(previous, dict)
            and previous.get("epoch") not in known
        )

    # -- holes ----------------------------------------------------------------------------------------

    def _hole(self, first_n: int, last_n: int) -> None:
        """The rows first_n…last_n are absent; they may reach over the end of an epoch."""
        n = first_n
        while n <= last_n:
            self._turn_to(n)
            epoch = self._table[self._at]
            end = last_n if epoch.end is None else min(last_n, epoch.end - 1)
            first, last = n - epoch.first_n + 1, end - epoch.first_n + 1
            hole = _Hole(epoch.epoch, first, last, n, oldest=not self._settled_seen)
            if self._settled_seen and hole.last_n <= self._purged_so_far(hole.last_n):
                self._entry(epoch.epoch).purged += hole.last - hole.first + 1
            elif len(self._pending) < MOST_PENDING:
                self._pending.append(hole)
            else:
                self._tell_hole(hole.epoch, hole.first, hole.last)
            n = end + 1

    def _purged_so_far(self, n: int) -> int:
        """Up to where positions may have been purged: those that were old on the newest day of the store."""
        if n > self._purged_to:  # the gateway may have gone on since we looked
            with suppress(StoreRefused):  # a store of the first release has no days
                self._purged_to = self._reading.one(
                    "SELECT max(n) FROM day WHERE day <= (SELECT max(day) FROM day) - ?", self._fix_days
                )
        return self._purged_to

    def _explain_pending(self) -> None:
        lowest_settled = self._lowest_settled() if self._pending else 0
        salvaged_before = max((e.first_n for e in self._table if e.reason == SALVAGED), default=0)
        for hole in self._pending:
            left = [(hole.first, hole.last)]
            for span in self._declared.get(hole.epoch, ()):
                left = [rest for part in left for rest in _without(part, span)]
            entry = self._entry(hole.epoch)
            missing = sum(last - first + 1 for first, last in left)
            entry.declared += hole.last - hole.first + 1 - missing
            if missing and (hole.oldest or hole.last_n < lowest_settled):
                entry.purged += missing
                continue
            if missing and hole.last_n < salvaged_before:
                entry.salvaged += missing
                continue
            for first, last in left:
                self._tell_hole(hole.epoch, first, last)

    def _lowest_settled(self) -> int:
        """Retention works from the old end, also while we read: what is absent below this was purged."""
        rows = self._reading.all(
            "SELECT e.n FROM event e WHERE NOT EXISTS "
            "(SELECT 1 FROM waiting w WHERE w.lane IN (0, 1) AND w.n = e.n) ORDER BY e.n LIMIT 1"
        )
        return whole(rows[0][0]) if rows else 1 << 62

    def _tell_hole(self, epoch: str, first: int, last: int) -> None:
        self._tell("hole", "events are missing, and nothing says why", epoch, first, last)

    # -- the file -------------------------------------------------------------------------------------

    def _check_file(self) -> None:
        try:
            told = [str(row[0]) for row in self._reading.all("PRAGMA quick_check(8)")]
        except StoreRefused as exc:
            told = [exc.code]
        for line in told:
            if line != "ok":
                self._tell("file", f"SQLite's own check: {line.splitlines()[0][:120]}")

    def _check_waiting(self) -> None:
        try:
            self._result.waiting = self._reading.one("SELECT count(*) FROM waiting")
            orphans = self._reading.one(
                "SELECT count(*) FROM waiting w WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.n = w.n)"
            )
        except (StoreRefused, sqlite3.Error):
            self._tell("waiting", "the list of waiting events cannot be read")
            return
        if orphans:
            self._tell("waiting", f"{orphans} waiting entries have no event")

    def _entry(self, epoch: str) -> EpochCheck:
        return next(entry for entry in self._result.epochs if entry.epoch == epoch)

    def _tell(
        self,
        code: str,
        what: str,
        epoch: str | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> None:
        self._result.add(Finding(code, what, epoch, first, first if last is None else last))


def _without(part: tuple[int, int], span: tuple[int, int]) -> list[tuple[int, int]]:
    """`part` less `span`; both are closed ranges."""
    rest = [(part[0], min(part[1], span[0] - 1)), (max(part[0], span[1] + 1), part[1])]
    return [(first, last) for first, last in rest if first <= last]
