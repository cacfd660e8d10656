"""Which waiting event goes next: fresh check-ins and alarms first, the backlog never starved. Pure.

    L0  check-ins and alarms younger than 60 s
    L1  older ones
    L2  the rest

By sequence inside a lane; at least one send in four comes from the lowest lane that has something, so
that a stream of alarms cannot stop a backlog from draining (contract, 3). L1 and L2 leave a quarter
of each window free: when a check-in is made in the middle of a drain, there is a slot for it.
"""

from collections import deque
from collections.abc import Callable, Sequence

from gateway.store.outbox import REST_LANE, URGENT_LANE, Row

FRESH_S = 60.0
LOWEST_EVERY = 4  # one send in this many comes from the lowest non-empty lane
NAMES = ("L0", "L1", "L2")


class Lane:
    """A cursor over one lane of the outbox, with a few rows read ahead."""

    def __init__(self, name: str, store_lane: int) -> None:
        self.name = name
        self.store_lane = store_lane
        self.cursor = 0  # highest `n` read
        self.rows: deque[Row] = deque()
        self.exhausted = False  # nothing behind the cursor when last asked

    def rewind(self) -> None:
        """Read again from the beginning."""
        self.cursor = 0
        self.rows.clear()
        self.exhausted = False

    def take_up(self, rows: Sequence[Row], *, skip: Callable[[Row], bool], exhausted: bool) -> None:
        """Rows read from the store after the cursor; those to `skip` are passed over."""
        self.rows.extend([row for row in rows if not skip(row)])
        if rows:
            self.cursor = rows[-1].n
        self.exhausted = exhausted


class Lanes:
    """The three lanes and the order between them."""

    def __init__(self) -> None:
        self.fresh = Lane("L0", URGENT_LANE)
        self.aged = Lane("L1", URGENT_LANE)
        self.rest = Lane("L2", REST_LANE)
        self._turn = 0

    @property
    def all(self) -> tuple[Lane, Lane, Lane]:
        """Highest first."""
        return (self.fresh, self.aged, self.rest)

    def rewind(self) -> None:
        """Read all lanes again from the beginning."""
        for lane in self.all:
            lane.rewind()

    def choose(self, room: int, size: int) -> Lane | None:
        """The lane to send from next; None when nothing may be sent. `room` slots are free of `size`."""
        reserve = max(1, size // 4)
        may_send = [lane for lane in self.all if lane.rows and room > (0 if lane is self.fresh else reserve)]
        if not may_send:
            return None
        self._turn = (self._turn + 1) % LOWEST_EVERY
        return may_send[-1] if self._turn == 0 else may_send[0]


class FreshMarks:
    """Where the last 60 s of check-ins and alarms begin, by `n`. A restart makes all of them old."""

    def __init__(self, next_n: int) -> None:
        self._marks: deque[tuple[int, int]] = deque()  # (n, monotonic ms)
        self._end = next_n  # what came before this run is old

    def add(self, n: int, mono_ms: int) -> None:
        """An urgent event was committed."""
        self._marks.append((n, mono_ms))
        self._end = n + 1

    def first_fresh(self, now_ms: int) -> int:
        """Urgent events from this `n` on are fresh."""
        while self._marks and now_ms - self._marks[0][1] > FRESH_S * 1000:
            self._marks.popleft()
        return self._marks[0][0] if self._marks else self._end
