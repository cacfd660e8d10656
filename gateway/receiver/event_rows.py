"""The rows of `event` and `fact` in one transaction: written together at its end, remembered until then.

A batch mostly continues where the one before ended. What the cursor knows to be absent is not asked of
the disk, neighbours are read some at a time, and what this transaction adds is looked up in memory. So a
batch costs a few statements instead of three for each event.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.evidence import canonical
from gateway.receiver.cursor import Cursor
from gateway.receiver.intervals import Ranges
from gateway.receiver.sql import MANY, Connection, marks
from gateway.receiver.verify import Event

NEIGHBOURS_AT_ONCE = 64  # sequences in one reading; a repeated window comes in order


class Row(NamedTuple):
    """A stored event, as far as its neighbours need it."""

    n: int
    hash: bytes
    previous: bytes | None


class EventRows:
    """Reads and writes the rows of one transaction. Nothing is on disk before `flush`."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._at: dict[tuple[int, int], list[Row]] = {}  # (epoch's id, sequence) -> all rows there
        self._told: dict[
            tuple[str, bytes], bool
        ] = {}  # (gateway, event id) -> whether an envelope with it is stored
        self._last_n: int | None = None
        self._events: list[tuple[object, ...]] = []
        self._facts: list[tuple[str, bytes, int]] = []

    def at(self, epoch: int, cursor: Cursor, seq: int) -> list[Row]:
        """All rows of this sequence, in order of arrival; several are a fork."""
        key = (epoch, seq)
        if key not in self._at:
            if not cursor.stored(seq):
                self._at[key] = []
            else:
                self._read(epoch, seq, seq + NEIGHBOURS_AT_ONCE - 1)
        return self._at[key]

    def add(self, epoch: int, cursor: Cursor, event: Event) -> int:
        """Store an event; its `n`."""
        if self._last_n is None:
            found = self._connection.execute("SELECT coalesce(max(n), 0) FROM event").fetchone()
            self._last_n = int(found[0])
        self._last_n += 1
        here = self.at(epoch, cursor, event.seq)
        here.append(Row(self._last_n, event.hash, event.previous))
        self._events.append(
            (
                self._last_n, epoch, event.seq, event.hash, event.previous, id_bytes(event.id), event.type,
                event.time_ms, self._now_ms, event.understood, event.wire,
            )
        )  # fmt: skip
        return self._last_n

    def expect(self, events: Iterable[Event]) -> None:
        """Look up which of these facts were told before, all at once."""
        wanted: dict[str, set[bytes]] = {}
        for event in events:
            key = _fact(event)
            if key is not None and key not in self._told:
                wanted.setdefault(key[0], set()).add(key[1])
        for gateway, ids in wanted.items():
            for some in _slices(list(ids), MANY):
                self._told.update(((gateway, key), False) for key in some)
                found = self._connection.execute(
                    f"SELECT id FROM fact WHERE gw = ? AND id IN ({marks(len(some))})",  # noqa: S608
                    (gateway, *some),
                )
                self._told.update(((gateway, bytes(row[0])), True) for row in found)

    def tell(self, event: Event, n: int) -> bool:
        """Note the event's fact; whether another envelope of its gateway told of it before."""
        key = _fact(event)
        if key is None:
            return False
        if key not in self._told:
            self.expect([event])
        if self._told[key]:
            return True
        self._told[key] = True
        self._facts.append((*key, n))
        return False

    def tell_again(self, event: Event, n: int) -> None:
        """Count another envelope of a fact that is noted: nobody acts upon this one."""
        self.flush()
        self._connection.execute("INSERT INTO repeat (n) VALUES (?)", (n,))
        self._connection.execute(
            "UPDATE fact SET envelopes = envelopes + 1 WHERE gw = ? AND id = ?", _fact(event) or ()
        )

    def tells_the_same(self, event: Event) -> bool:
        """Whether the first envelope of this fact says what this one says."""
        self.flush()
        wire = self._connection.execute(
            "SELECT e.wire FROM fact f JOIN event e ON e.n = f.n WHERE f.gw = ? AND f.id = ?",
            _fact(event) or (),
        ).fetchone()[0]
        first = canonical.parse(wire)
        return all(first.get(name) == event.message.get(name) for name in ("type", "subject", "time", "data"))

    def highest(self, epoch: int, upto: int, without: Ranges) -> bytes | None:
        """Hash of the highest stored event up to `upto` in no place of `without`; of a fork the first one."""
        self.flush()
        while True:
            row = self._connection.execute(
                "SELECT seq, hash FROM event WHERE cursor = :c AND seq = "
                "(SELECT max(seq) FROM event WHERE cursor = :c AND seq <= :upto) ORDER BY n LIMIT 1",
                {"c": epoch, "upto": upto},
            ).fetchone()
            left_out = None if row is None else without.holding(row[0])
            if left_out is None:
                return None if row is None else bytes(row[1])
            upto = left_out[0] - 1

    def flush(self) -> None:
        """Write what was added so far."""
        self._connection.executemany(
            "INSERT INTO event "
            "(n, cursor, seq, hash, prevhash, event_id, type, time_ms, received_ms, understood, wire) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._events,
        )
        self._connection.executemany(
            "INSERT INTO fact (gw, id, n, envelopes) VALUES (?, ?, ?, 1)", self._facts
        )
        self._events.clear()
        self._facts.clear()

    def _read(self, epoch: int, first: int, last: int) -> None:
        found: dict[int, list[Row]] = {}
        for n, seq, digest, previous in self._connection.execute(
            "SELECT n, seq, hash, prevhash FROM event WHERE cursor = ? AND seq BETWEEN ? AND ?",
            (epoch, first, last),
        ):
            found.setdefault(seq, []).append(Row(n, digest, previous))
        for seq in range(first, last + 1):
            # What is remembered already may hold rows that are not on disk yet.
            self._at.setdefault((epoch, seq), sorted(found.get(seq, [])))


def id_bytes(text: str | None) -> bytes | None:
    """The 16 bytes of an event's id, which has its one spelling."""
    return None if text is None else bytes.fromhex(text.replace("-", ""))


def _fact(event: Event) -> tuple[str, bytes] | None:
    """What the event's fact is known by: an identity is its gateway's, so that no other can use it up."""
    key = id_bytes(event.id)
    return None if key is None else (event.gateway, key)


def _slices(keys: Sequence[bytes], size: int) -> Iterable[Sequence[bytes]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))
