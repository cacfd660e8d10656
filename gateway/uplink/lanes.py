"""Which waiting event goes next: fresh check-ins and alarms first, the backlog never starved. Pure.

    L0  check-ins and alarms younger than 60 s
    L1  older ones
    L2  the rest

By sequence inside a lane; at least one send in four comes from the lowest lane that has something, so
that a stream of alarms cannot stop a backlog from draining (contract, 3). A drain by itself leaves a
quarter of the window free: when a check-in is made in the middle of it, there is a slot for it.
"""

from collections import deque
from collections.abc import Container, Sequence

from gateway.store.outbox import REST_LANE, URGENT_LANE, Row

MOST_FROM_MEMORY = 256  # rows of a lane; beyond that they are read from the store when their turn comes
FRESH_S = 60.0
LOWEST_EVERY = 4  # one send in this many comes from the lowest non-empty lane
NAMES = ("L0", "L1", "L2")


class Lane:
    """A cursor over one lane of the outbox, with some rows read ahead."""

    def __init__(self, name: str, store_lane: int, held: set[int]) -> None:
        self.name = name
        self.store_lane = store_lane
        self.cursor = 0  # highest `n` read
        self.rows: deque[Row] = deque()
        self.exhausted = False  # nothing behind the cursor when last asked
        self.turn = 0  # how often it was rewound: an answer to a question of an earlier turn is void
        self._held = held  # `n` of the rows that any lane has read ahead

    def rewind(self) -> None:
        """Read again from the beginning."""
        self.turn += 1
        self.cursor = 0
        self._held.difference_update(row.n for row in self.rows)
        self.rows.clear()
        self.exhausted = False

    def take_up(self, rows: Sequence[Row], *, skip: Container[int], exhausted: bool) -> None:
        """Rows read from the store after the cursor; those in `skip` or in another lane are passed over."""
        for row in rows:
            if row.n not in skip and row.n not in self._held:
                self._held.add(row.n)
                self.rows.append(row)
        if rows:
            self.cursor = rows[-1].n
        self.exhausted = exhausted

    def add(self, rows: Sequence[Row]) -> None:
        """Rows just committed. Taken from memory where everything before them has been read, else read later."""
        if not self.exhausted or len(self.rows) + len(rows) > MOST_FROM_MEMORY:
            self.exhausted = False
            return
        self._held.update(row.n for row in rows)
        self.rows.extend(rows)
        self.cursor = rows[-1].n

    def pop(self) -> Row:
        """The next row."""
        row = self.rows.popleft()
        self._held.discard(row.n)
        return row

    def drop(self, gone: Container[int]) -> None:
        """These wait no longer."""
        left = [row for row in self.rows if row.n not in gone]
        if len(left) != len(self.rows):
            self._held.difference_update(row.n for row in self.rows if row.n in gone)
            self.rows = deque(left)


class Lanes:
    """The three lanes and the order between them."""

    def __init__(self) -> None:
        held: set[int] = set()
        self.fresh = Lane("L0", URGENT_LANE, held)
        self.aged = Lane("L1", URGENT_LANE, held)
        self.rest = Lane("L2", REST_LANE, held)
        self._passed = 0  # sends since the last one from the lowest lane

    @property
    def all(self) -> tuple[Lane, Lane, Lane]:
        """Highest first."""
        return (self.fresh, self.aged, self.rest)

    def rewind(self) -> None:
        """Read all lanes again from the beginning."""
        for lane in self.all:
            lane.rewind()

    def add(self, rows: Sequence[Row]) -> None:
        """Rows just committed, in order: urgent ones are fresh, the others follow the rest."""
        for lane in (self.fresh, self.rest):
            mine = [row for row in rows if row.lane == lane.store_lane]
            if mine:
                lane.add(mine)

    def drop(self, gone: Container[int]) -> None:
        """These wait no longer."""
        for lane in self.all:
            lane.drop(gone)

    def choose(self, room: int, size: int, *, drain: bool) -> Lane | None:
        """The lane to send from next; None when nothing may be sent.

        `room` slots are free of `size`; without `drain` the rate is used up and only fresh rows may go.
        """
        full = [lane for lane in self.all if lane.rows]
        if not full or room <= 0:
            return None
        if not self.fresh.rows and room <= max(1, size // 4):
            return None
        highest, lowest = full[0], full[-1]
        if not drain:
            return highest if highest is self.fresh else None
        self._passed += 1
        chosen = lowest if self._passed >= LOWEST_EVERY else highest
        if chosen is lowest:
            self._passed = 0
        return chosen


class FreshMarks:
    """Where the last 60 s of check-ins and alarms begin, by `n`. A restart makes all of them old."""

    def __init__(self, next_n: int) -> None:
        self._marks: deque[tuple[int, int]] = deque()  # (n, monotonic ms)
        self._end = next_n  # what came before this run is old

    def add(self, n: int, mono_ms: int) -> None:
        """An urgent event was committed."""
        self._prune(mono_ms)  # nobody else does while there is no connection
        self._marks.append((n, mono_ms))
        self._end = n + 1

    def first_fresh(self, now_ms: int) -> int:
        """Urgent events from this `n` on are fresh."""
        self._prune(now_ms)
        return self._marks[0][0] if self._marks else self._end

    def _prune(self, now_ms: int) -> None:
        while self._marks and now_ms - self._marks[0][1] > FRESH_S * 1000:
            self._marks.popleft()
