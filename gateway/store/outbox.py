"""What waits for the center: append, read on, settle. Runs inside a transaction of the db thread."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from peewee import SqliteDatabase, fn

from gateway.clock import Stamp
from gateway.envelope import Draft, Place, reissued, seal
from gateway.errors import ContractError, StoreRefused
from gateway.event_types import TYPES, event_class, is_urgent
from gateway.evidence.jws import Signer
from gateway.store import diary
from gateway.store.database import StoreDamaged
from gateway.store.epochs import EpochView
from gateway.store.models import Event, State, Waiting
from gateway.store.room import LOW_CLASSES, Level
from gateway.store.tail import Committed, Ledger, Row, Tail

__all__ = ["REST_LANE", "URGENT_LANE", "Levels", "Outbox", "Row", "detail_of", "type_of"]

URGENT_LANE = 0  # check-ins and alarms
REST_LANE = 1
_CLASS_AND_LANE = {name: (event_class(name), URGENT_LANE if is_urgent(name) else REST_LANE) for name in TYPES}


@dataclass(frozen=True, slots=True)
class Levels:
    """How full the outbox is."""

    waiting: int
    oldest_ms: int | None  # recorded time of the oldest waiting event
    lowest_waiting_n: int | None
    bytes_used: int


class Outbox:
    """The tables `event`, `waiting` and `rejected` of one gateway."""

    def __init__(
        self,
        database: SqliteDatabase,
        ledger: Ledger,
        signer: Signer,
        org: str,
        gateway: str,
        level: Callable[[], Level] = lambda: Level.NORMAL,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._signer = signer
        self._org = org
        self._gateway = gateway
        self._level = level

    def append(self, drafts: Sequence[Draft], recorded: Stamp, *, admit: bool = True) -> list[Committed]:
        """Place, chain, sign and insert. Memory moves on only when all of them are in.

        Raises `StoreRefused` (store_full, degraded) by how much room is left; without `admit` only the
        disk itself refuses: what tells of a loss must get in.
        """
        if admit:
            self._admit(drafts)
        tail = self._ledger.pending
        epoch, first_n, seq, previous = tail.epoch, tail.first_n, tail.seq, tail.hash
        placed: list[Committed] = []
        rows: list[Row] = []
        events: list[tuple[int, bytes, int, bytes]] = []
        for draft in drafts:
            sealed = seal(
                draft, Place(self._org, self._gateway, epoch, seq + 1, previous), recorded, self._signer
            )
            seq, previous, wire = sealed
            n = first_n + seq - 1
            cls, lane = _CLASS_AND_LANE[draft.type]
            events.append((n, previous, recorded.wall_ms, wire))
            rows.append(Row(n, lane, cls, recorded.wall_ms, wire))
            placed.append(
                Committed(
                    n, epoch, seq, previous, draft.id, draft.type, draft.device, lane,
                    draft.at.wall_ms, recorded.mono_ms, detail_of(draft.type, draft.data),
                )
            )  # fmt: skip
        connection = self._database.connection()
        connection.executemany("INSERT INTO event (n, hash, recorded_ms, wire) VALUES (?, ?, ?, ?)", events)
        connection.executemany("INSERT INTO waiting (lane, n) VALUES (?, ?)", [(c.lane, c.n) for c in placed])
        noted = [
            (row.n, row.wire) for row, draft in zip(rows, drafts, strict=True) if draft.type in diary.KEPT
        ]
        if noted:
            diary.keep(connection, noted)
        self._ledger.pending = Tail(epoch, first_n, seq, previous)
        self._ledger.fresh.extend(placed)
        self._ledger.rows.extend(rows)
        return placed

    @property
    def connection(self) -> sqlite3.Connection:
        """For what is asked and kept in the same transaction (`diary`)."""
        connection: sqlite3.Connection = self._database.connection()
        return connection

    def lineage(self) -> list[EpochView]:
        """All epochs, oldest first. Each closed one says where it ended; the running one is in memory."""
        tail = self._ledger.pending
        query = "SELECT epoch, first_n, last_seq, last_hash FROM epoch ORDER BY first_n"
        return [
            EpochView(epoch, first_n, tail.seq, tail.hash)
            if epoch == tail.epoch
            else EpochView(epoch, first_n, last_seq or 0, bytes(32) if last_hash is None else last_hash)
            for epoch, first_n, last_seq, last_hash in self._execute(query)
        ]

    def _execute(self, query: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Past the mapper: on the paths of every event its bookkeeping costs more than the query."""
        cursor: sqlite3.Cursor = self._database.connection().execute(query, values)
        return cursor

    def _admit(self, drafts: Sequence[Draft]) -> None:
        level = self._level()
        if level is Level.SETTLE:
            raise StoreRefused(
                "store_full",
                "nothing was stored: the reserve is used up; free space or raise [store] max_mib",
            )
        if level is Level.ESSENTIAL and any(event_class(draft.type) in LOW_CLASSES for draft in drafts):
            raise StoreRefused(
                "degraded",
                "not stored: space runs out and is kept for check-ins and alarms; free space on the disk",
            )

    def after(self, lane: int, n: int, limit: int, *, below: int | None = None) -> list[Row]:
        """The next waiting events of a lane after `n` (and below `below`), in order."""
        query = (
            "SELECT w.n, e.recorded_ms, e.wire FROM waiting w JOIN event e ON e.n = w.n "
            "WHERE w.lane = ? AND w.n > ? AND w.n < ? ORDER BY w.n LIMIT ?"
        )
        cursor = self._execute(query, (lane, n, below or 1 << 62, limit))
        return [Row(row[0], lane, event_class(type_of(row[2])), row[1], row[2]) for row in cursor]

    def hash_at(self, n: int) -> bytes | None:
        """The hash of one event; None where the store does not hold it."""
        row = self._execute("SELECT hash FROM event WHERE n = ?", (n,)).fetchone()
        return None if row is None else bytes(row[0])

    def wire_at(self, n: int) -> bytes | None:
        """The wire bytes of one event; None where the store does not hold it."""
        row = self._execute("SELECT wire FROM event WHERE n = ?", (n,)).fetchone()
        return None if row is None else bytes(row[0])

    def settle(self, ranges: Iterable[tuple[int, int]]) -> int:
        """The center has these (first and last `n`, both included): they wait no longer. The count."""
        settled = 0
        for first, last in sorted(ranges):
            for lane in (URGENT_LANE, REST_LANE):
                cursor = self._execute(
                    "DELETE FROM waiting WHERE lane = ? AND n BETWEEN ? AND ?", (lane, first, last)
                )
                settled += cursor.rowcount
        self._ledger.settled += settled
        return settled

    def wait_again(self, rows: Iterable[tuple[int, int]]) -> int:
        """Events (`n`, lane) of this store wait for the center again; how many of them did not."""
        before = self._database.connection().total_changes
        self._database.connection().executemany(
            "INSERT OR IGNORE INTO waiting (n, lane) VALUES (?, ?)", list(rows)
        )
        added = self._database.connection().total_changes - before
        self._ledger.settled -= added
        return int(added)

    def reissue(self, first_n: int, last_n: int, recorded: Stamp, limit: int) -> tuple[int, int]:
        """Give waiting events of a range a new place in the running epoch, in order: (looked at, issued again).

        An epoch's own opening speaks of that epoch alone and is not said again.
        """
        rows: list[tuple[int, bytes]] = []
        for lane in (URGENT_LANE, REST_LANE):
            rows += self._database.execute_sql(
                "SELECT w.n, e.wire FROM waiting w JOIN event e ON e.n = w.n "
                "WHERE w.lane = ? AND w.n BETWEEN ? AND ? ORDER BY w.n LIMIT ?",
                (lane, first_n, last_n, limit),
            ).fetchall()
        rows = sorted(rows)[:limit]
        try:
            drafts = [reissued(wire) for _, wire in rows]
        except (ContractError, KeyError, ValueError) as exc:
            raise StoreDamaged("the bytes of an event row are not an event") from exc
        placed = self.append([d for d in drafts if d.type != "system.epoch_opened"], recorded, admit=False)
        self.settle((n, n) for n, _ in rows)
        return len(rows), len(placed)

    def mend(self, n: int, wire: bytes) -> None:
        """Put back the wire bytes of a row whose signature was damaged on disk (`check`)."""
        self._database.execute_sql("UPDATE event SET wire = ? WHERE n = ?", (wire, n))

    def note_rejected(self, rejections: Iterable[tuple[int, str, str]]) -> list[int]:
        """Keep the center's refusals (`n`, code, message); those not known before."""
        insert = "INSERT OR IGNORE INTO rejected (n, code, message) VALUES (?, ?, ?)"
        return [row[0] for row in rejections if self._database.execute_sql(insert, row).rowcount]

    def rejected_count(self, first_n: int, last_n: int) -> int:
        """Rejections known in a range."""
        query = "SELECT count(*) FROM rejected WHERE n BETWEEN ? AND ?"
        return int(self._database.execute_sql(query, (first_n, last_n)).fetchone()[0])

    def levels(self) -> Levels:
        """How full it is. Cheap: two seeks on `waiting`, no scan."""
        lowest = [
            Waiting.select(fn.MIN(Waiting.n)).where(Waiting.lane == lane).scalar()
            for lane in (URGENT_LANE, REST_LANE)
        ]
        known = [n for n in lowest if n is not None]
        oldest_n = min(known) if known else None
        oldest = (
            None if oldest_n is None else Event.select(Event.recorded_ms).where(Event.n == oldest_n).scalar()
        )
        pages, page_size = self._database.pragma("page_count"), self._database.pragma("page_size")
        return Levels(self._ledger.waiting, oldest, oldest_n, int(pages) * int(page_size))

    def lowest_waiting(self, first_n: int, last_n: int) -> int | None:
        """The lowest waiting `n` of a range, over both lanes."""
        query = "SELECT min(n) FROM waiting WHERE lane = ? AND n BETWEEN ? AND ?"
        found = [
            self._database.execute_sql(query, (lane, first_n, last_n)).fetchone()[0]
            for lane in (URGENT_LANE, REST_LANE)
        ]
        return min((value for value in found if value is not None), default=None)

    def waiting_within(self, first_n: int, last_n: int) -> list[int]:
        """Every waiting `n` of a range, in order."""
        found: list[int] = []
        for lane in (URGENT_LANE, REST_LANE):
            query = "SELECT n FROM waiting WHERE lane = ? AND n BETWEEN ? AND ?"
            found += [int(row[0]) for row in self._execute(query, (lane, first_n, last_n))]
        return sorted(found)

    def lowest_waiting_from(self, n: int) -> int | None:
        """The lowest waiting `n` that is not below `n`, over both lanes."""
        return self.lowest_waiting(n, 1 << 62)

    def notes(self, prefix: str) -> dict[str, str]:
        """Small facts kept under keys with this prefix, which is left out."""
        query = "SELECT key, value FROM state WHERE key >= ? AND key < ?"
        rows = self._execute(query, (prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)))
        return {key.removeprefix(prefix): value for key, value in rows}

    def noted(self, key: str) -> str | None:
        """A small fact; None where it is not kept."""
        row = State.get_or_none(State.key == key)
        return None if row is None else row.value

    def note(self, key: str, value: str | None) -> None:
        """Keep a small fact; None forgets it."""
        if value is None:
            State.delete().where(State.key == key).execute()
        else:
            State.insert(key=key, value=value).on_conflict_replace().execute()

    @property
    def committed_n(self) -> int:
        """`n` of the newest event on disk."""
        return self._ledger.committed.next_n - 1

    def count_waiting(self) -> int:
        """All waiting events, counted: at the start only."""
        return int(Waiting.select().count())

    def highest_n(self) -> int:
        """The newest `n`, also of an event of which only the diary is left; 0 in an empty store."""
        of_events = int(Event.select(fn.MAX(Event.n)).scalar() or 0)
        return max(of_events, diary.highest_n(self.connection))

    def recent(self, limit: int) -> list[tuple[int, bytes, bool]]:
        """The newest events: (n, wire, waiting), newest first. For the page after a start."""
        cursor = self._database.execute_sql(
            "SELECT e.n, e.wire, EXISTS (SELECT 1 FROM waiting w WHERE w.lane IN (0, 1) AND w.n = e.n) "
            "FROM event e ORDER BY e.n DESC LIMIT ?",
            (limit,),
        )
        return [(row[0], row[1], bool(row[2])) for row in cursor]


def detail_of(kind: str, data: Mapping[str, object]) -> str | None:
    """The code that says why, or what an alarm is about: never free text."""
    for name in ("kind",) if event_class(kind) == "alarm" else ("reason", "code"):
        value = data.get(name)
        if isinstance(value, str):
            return value
    return None


_TYPE_MARK = b'"type":"cn.zhijiao.'


def type_of(wire: bytes) -> str:
    """The type, without prefix, of our own canonical bytes, without parsing: it is their last member but `unit`.

    The mark cannot stand inside a text value, where its quotation marks would be escaped, but `data`
    may hold a member of that name; the envelope's own comes last.
    """
    start = wire.rfind(_TYPE_MARK) + len(_TYPE_MARK)
    end = wire.find(b'"', start)
    kind = wire[start:end]
    if start < len(_TYPE_MARK) or end < 0 or not kind.isascii():
        raise StoreDamaged("the bytes of an event row are not an event")
    return kind.decode()
