"""Outbox to broker, over one connection: lanes, both windows, drain cap, what is sent again and when.

What was sent on an earlier connection counts as not sent: only the center's ack says otherwise.
Memory is bounded by the settle window (at most 512 events are out) and by the bytes read ahead.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from gateway.clock import Clock
from gateway.errors import StoreRefused
from gateway.metrics import LANES, Metrics
from gateway.mqtt_bridge import Connection
from gateway.spans import Spans, of_numbers
from gateway.store.outbox import REST_LANE, URGENT_LANE, Row
from gateway.store.store import Store
from gateway.uplink.ages import mono_ms
from gateway.uplink.drain_cap import DrainCap
from gateway.uplink.lanes import FreshMarks, Lane, Lanes
from gateway.uplink.outstanding import Out, Outstanding
from gateway.uplink.read_ahead import read_ahead, rows_at
from gateway.uplink.refusals import Refusals
from gateway.uplink.seldom import Seldom
from gateway.uplink.topics import Topics
from gateway.uplink.window import SettleWindow

log = logging.getLogger(__name__)

FEW_ROWS = 64  # of a lane: time to read on, so that nothing waits for the disk
NOBODY_LISTENS = 0x10  # MQTT 5 PUBACK: no matching subscribers
IDLE_S = 1.0  # how often lanes are looked at again when nothing happens: rows age from L0 to L1
CAP_STEP_S = 0.02  # the drain cap is kept by small batches: waking for each event costs more than sending it
AGAIN_AT_ONCE = 64  # overtaken events read at a time


class Sender:
    """Decides what goes out and when. Lives as long as the gateway; `run` serves one connection."""

    def __init__(
        self,
        store: Store,
        topics: Topics,
        metrics: Metrics,
        *,
        drain_cap_per_s: int,
        settle_on_puback: bool,
        clock: Clock,
        on_sent: Callable[[int], None],
        on_settled: Callable[[Sequence[tuple[int, int]]], None],
    ) -> None:
        self.window = SettleWindow()
        self.marks = FreshMarks(store.tail.next_n)
        self.out = Outstanding()
        self.refusals = Refusals()
        self.nobody_listens = False
        self.settled_total = 0
        self._store = store
        self._topics = topics
        self._metrics = metrics
        self._cap = DrainCap(drain_cap_per_s)
        self._settle_on_puback = settle_on_puback
        self._clock = clock
        self._boot_id = clock.now().boot_id
        self._on_sent = on_sent
        self._on_settled = on_settled
        self._lanes = Lanes()
        self._again: deque[Row] = deque()  # overtaken: to be sent once more, alone
        self._wake = asyncio.Event()
        self._connection: Connection | None = None  # that `run` serves
        self._wants_room = False  # something was left for want of a slot
        self._announced = {URGENT_LANE: 0, REST_LANE: 0}  # highest `n` of each lane that a commit told of
        self._paused = False
        self._passed_over = False  # something was not sent again, for want of room
        self._first_fresh = store.tail.next_n
        self._unheard: set[int] = set()  # the broker took them, and nobody listened
        self._pubacked: list[int] = []  # to be settled, where the broker's word counts
        self._settling: asyncio.Task[None] | None = None
        self._sent_by_lane = {name: metrics.events_sent.labels(lane=name) for name in LANES}
        self._topic_of: dict[str, str] = {}
        self._counters: dict[int, Callable[[], None]] = {}  # of PUBACKs, by reason code
        self._seldom = Seldom()

    def cap_drain(self, per_s: int) -> None:
        """Another cap from now on."""
        self._cap = DrainCap(per_s)

    def begin(self) -> None:
        """The store has started: what it holds now is a backlog, and old."""
        self._first_fresh = self._store.tail.next_n
        self.marks = FreshMarks(self._first_fresh)

    def committed(self, rows: Sequence[Row], urgent: Iterable[tuple[int, int]]) -> None:
        """Events were committed; `urgent` are those of the fast lanes: (n, monotonic ms)."""
        for n, at_ms in urgent:
            self.marks.add(n, at_ms)
        for row in rows:
            self._announced[row.lane] = row.n
        self._lanes.add(rows)
        self._go_on()

    def settled(self, ranges: Sequence[tuple[int, int]], count: int) -> list[Out]:
        """The center has these; those of them that were out."""
        covered = Spans(ranges)
        self._lanes.drop(covered)
        gone = self.out.settle(covered)
        self.settled_total += count
        if count:
            self.window.settled(time.monotonic())
            if self._passed_over:
                self._passed_over = False
                self._lanes.rewind()  # what is out is passed over
        self._go_on()
        return gone

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While events get other places nothing goes out: what was read ahead may have moved."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
            self._lanes.rewind()
            self._wake.set()

    def issued_again(self, first_n: int, last_n: int) -> None:
        """These got other places: at their old ones nobody waits for them any more."""
        self.settled([(first_n, last_n)], 0)

    def put_back(self) -> None:
        """Events that were settled wait again, below what was read: read from the beginning."""
        self._lanes.rewind()  # what is out is passed over
        self._wake.set()

    async def run(self, connection: Connection) -> None:
        """Send over `connection` until it is closed."""
        self.out.clear()
        self._again.clear()
        self._unheard.clear()
        self._lanes.rewind()
        self.refusals.reconnected()
        self.window.begin(time.monotonic())
        connection.on_room = self._room_freed
        connection.closed.add_done_callback(lambda _closed: self._wake.set())
        self._connection = connection
        try:
            while not connection.closed.done():
                self._wake.clear()
                await self._mind(time.monotonic())
                for lane in self._lanes.all:
                    await self._fill(lane)
                    wait_s = self._pump(connection)  # what is there does not wait for the next lane
                if not self._hungry():
                    await self._rest(wait_s)
        finally:
            self._connection = None

    # -- what is due ----------------------------------------------------------------------------------

    async def _mind(self, now_s: float) -> None:
        """What time alone brings: rows age, patience ends, a refused class is tried again."""
        first_fresh = self.marks.first_fresh(self._clock.now().mono_ms)
        if first_fresh != self._first_fresh:
            self._first_fresh = first_fresh
            self._lanes.aged.exhausted = False
        if self.refusals.look(now_s):
            self._lanes.rewind()  # what is out is passed over
        if len(self.out) and self.window.stalled(now_s):
            self._rewind(now_s)
        elif not self._again:
            await self._read_overtaken(now_s)

    def _rewind(self, now_s: float) -> None:
        self.window.rewound(now_s)
        self._metrics.rewinds.inc()
        log.warning(
            "no progress at the center, sending again",
            extra={"out": len(self.out), "window": self.window.size, "next_s": self.window.patience_s},
        )
        self.out.clear()
        self._again.clear()
        self._unheard.clear()
        self._lanes.rewind()

    async def _read_overtaken(self, now_s: float) -> None:
        due = self.out.overtaken(now_s)[:AGAIN_AT_ONCE]
        if not due:
            return
        self.window.overtaken(now_s)
        if self._seldom.due("overtaken"):
            log.warning("overtaken at the broker, sending again", extra={"events": len(due)})
        places = [(out.lane, n) for n, out in due]
        self._again.extend(await self._store.read(lambda box: rows_at(box, places)))
        still = {row.n for row in self._again}
        for _, n in places:
            if n not in still:
                self.out.take(n)  # it waits no longer

    async def _fill(self, lane: Lane) -> None:
        """Read on, once: while the disk is kept busy another commit comes with each question."""
        if len(lane.rows) >= FEW_ROWS or lane.exhausted:
            return
        fresh, aged = lane is self._lanes.fresh, lane is self._lanes.aged
        start = max(lane.cursor, self._first_fresh - 1) if fresh else lane.cursor
        below, turn = (self._first_fresh if aged else None), lane.turn
        rows, end, seen_n = await self._store.read(
            partial(read_ahead, lane=lane.store_lane, after=start, below=below)
        )
        if turn != lane.turn:
            return  # put back or sent again meanwhile: what was read lies behind the new beginning
        # A commit behind the read may have brought what the read did not see; never to the aged ones.
        newer = not aged and self._announced[lane.store_lane] > seen_n
        lane.take_up(rows, skip=self.out, exhausted=end and not newer)

    @property
    def at_rest(self) -> bool:
        """Everything that waits is out: nothing goes faster when something is settled."""
        return all(lane.exhausted and not lane.rows for lane in self._lanes.all)

    def _hungry(self) -> bool:
        """Whether it is time to read on."""
        few = any(len(lane.rows) < FEW_ROWS and not lane.exhausted for lane in self._lanes.all)
        return few and not self._paused

    # -- what goes out --------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Something may go now. To wake `run` for it costs more than to send it; `run` reads on and keeps time."""
        connection = self._connection
        if connection is None or self._pump(connection) < IDLE_S or self._hungry():
            self._wake.set()

    def _room_freed(self) -> None:
        if self._wants_room:
            self._go_on()

    def _pump(self, connection: Connection) -> float:
        """Send what may be sent now; how long to rest then when nothing else happens."""
        now_s = time.monotonic()
        self._wants_room = False
        while connection.room > 0 and not self._paused and not connection.closed.done():
            if self._again:
                row = self._again.popleft()
                if row.n in self.out:
                    self._sent_by_lane["L1" if row.lane == URGENT_LANE else "L2"].inc()
                    self._send(row, connection, now_s)
                continue
            wait_s = self._cap.wait_s(now_s)
            lane = self._lanes.choose(self.window.size - len(self.out), self.window.size, drain=wait_s == 0.0)
            if lane is None:
                return max(wait_s, CAP_STEP_S) if wait_s else IDLE_S
            row = lane.pop()
            if self.refusals.paused(row.cls, now_s):
                continue  # passed over: read again when the pause ends
            if self.out.again >= self.window.size // 2 and self.out.was_sent(row.n):
                # What the center never settles must not fill the window: half of it is for what is new.
                self._passed_over = True
                continue  # read again with the next progress
            if lane is not self._lanes.fresh:
                self._cap.take()
            if not len(self.out):
                self.window.begin(now_s)
            self._sent_by_lane[lane.name].inc()
            self._send(row, connection, now_s)
        self._wants_room = True
        return IDLE_S

    def _send(self, row: Row, connection: Connection, now_s: float) -> None:
        again = self.out.was_sent(row.n)
        before = self.out.take(row.n)
        tries = 1 if before is None else before.tries + 1
        self.out.put(row.n, Out(now_s, row.lane, row.recorded_ms, mono_ms(row.wire, self._boot_id), tries))
        topic = self._topic_of.get(row.cls)
        if topic is None:
            topic = self._topic_of[row.cls] = self._topics.event(row.cls)
        connection.publish_event(topic, row.wire, partial(self._puback, row.n, row.cls), replay=again)
        if again:
            self._metrics.events_resent.inc()
        self._on_sent(row.n)

    def _puback(self, n: int, cls: str, code: int) -> None:
        self._count(code)
        self.nobody_listens = code == NOBODY_LISTENS
        if self.nobody_listens:
            self._unheard.add(n)
        elif self._unheard:
            self._say_again()
        if self.refusals.note(cls, code, time.monotonic()):
            self.out.take(n)
            if self._seldom.due(f"{cls} 0x{code:02x}"):
                log.warning("broker refuses an event", extra={"reason": f"0x{code:02x}", "class": cls})
        elif self._settle_on_puback and code != NOBODY_LISTENS:
            self._pubacked.append(n)
            if self._settling is None or self._settling.done():
                self._settling = asyncio.get_running_loop().create_task(
                    self._settle_pubacked(), name="settle-on-puback"
                )

    def _count(self, code: int) -> None:
        count = self._counters.get(code)
        if count is None:
            count = self._counters[code] = self._metrics.pubacks.labels(f"0x{code:02x}").inc
        count()

    def _say_again(self) -> None:
        """Somebody listens now: what went to nobody needs no patience to be sent again."""
        for n in self._unheard:
            self.out.take(n)
        self._unheard.clear()
        self._lanes.rewind()  # what is out is passed over
        self._wake.set()

    async def _settle_pubacked(self) -> None:
        while self._pubacked:
            numbers, self._pubacked = self._pubacked, []
            ranges = of_numbers(numbers)
            try:
                count = await self._store.settle(ranges)
            except StoreRefused as exc:  # they are sent again when patience ends
                log.warning("broker's receipts not stored", extra={"code": exc.code})
                return
            self.settled(ranges, count)
            self._on_settled(ranges)

    async def _rest(self, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
