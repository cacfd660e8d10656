"""Outbox to broker, over one connection: lanes, both windows, drain cap, rewind.

What was sent on an earlier connection counts as not sent: only the center's ack says otherwise.
Memory is bounded by the settle window (at most 512 events are out).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.metrics import Metrics
from gateway.mqtt_bridge import CONTENT_CLOUDEVENT, Connection
from gateway.store.outbox import Row
from gateway.store.store import Store
from gateway.uplink.lanes import FreshMarks, Lane, Lanes
from gateway.uplink.topics import Topics
from gateway.uplink.window import SettleWindow

log = logging.getLogger(__name__)

READ_AHEAD = 32  # rows per lane and read: about 30 KiB
NOBODY_LISTENS = 0x10  # MQTT 5 PUBACK: no matching subscribers
FAILURE = 0x80
IDLE_S = 1.0  # how often lanes are looked at again when nothing happens: rows age from L0 to L1


class DrainCap:
    """At most so many backlog events per second, so that 140 gateways do not drown a province. 0: no cap."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._tokens = float(per_s)
        self._at = 0.0

    def wait_s(self, now_s: float) -> float:
        """Take one token; how long to wait for it."""
        if self._per_s == 0:
            return 0.0
        self._tokens = min(float(self._per_s), self._tokens + (now_s - self._at) * self._per_s)
        self._at = now_s
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_s)


@dataclass(frozen=True, slots=True)
class Out:
    """A sent event that is not settled."""

    sent_s: float
    recorded_ms: int


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
        mono_ms: Callable[[], int],
        on_sent: Callable[[int], None],
        on_settled: Callable[[Sequence[tuple[int, int]]], None],
    ) -> None:
        self.window = SettleWindow()
        self.marks = FreshMarks(store.tail.next_n)
        self.out: dict[int, Out] = {}  # by `n`
        self.refused_code: int | None = None  # last PUBACK >= 0x80
        self.nobody_listens = False
        self._store = store
        self._topics = topics
        self._metrics = metrics
        self._cap = DrainCap(drain_cap_per_s)
        self._settle_on_puback = settle_on_puback
        self._mono_ms = mono_ms
        self._on_sent = on_sent
        self._on_settled = on_settled
        self._lanes = Lanes()
        self._sent_up_to = [0, 0]  # per store lane: highest `n` sent in this run, to mark replays
        self._wake = asyncio.Event()
        self._commits = 0
        self._first_fresh = store.tail.next_n
        self._settling: set[asyncio.Task[None]] = set()

    def committed(self, urgent: Iterable[tuple[int, int]]) -> None:
        """Events were committed; `urgent` are those of the fast lanes: (n, monotonic ms)."""
        for n, mono_ms in urgent:
            self.marks.add(n, mono_ms)
        self._commits += 1
        for lane in self._lanes.all:
            lane.exhausted = False
        self._wake.set()

    def settled(self, ranges: Iterable[tuple[int, int]], count: int) -> list[Out]:
        """The center has these; those of them that were out."""
        covered = [n for n in self.out if any(first <= n <= last for first, last in ranges)]
        gone = [self.out.pop(n) for n in covered]
        if count:
            self.window.settled(time.monotonic())
        self._wake.set()
        return gone

    async def run(self, connection: Connection) -> None:
        """Send over `connection` until it is closed."""
        self.out.clear()
        self._lanes.rewind()
        self.window.begin(time.monotonic())
        slots = asyncio.Semaphore(connection.receive_maximum)
        while not connection.closed.done():
            self._wake.clear()
            self._rewind_if_stalled()
            self._look_at_ages()
            row = await self._next()
            if row is None:
                await self._sleep(connection, IDLE_S)
                continue
            await self._slot(slots, connection)
            if connection.closed.done():
                return
            self._send(row, connection, slots)

    def _send(self, row: Row, connection: Connection, slots: asyncio.Semaphore) -> None:
        if not self.out:
            self.window.begin(time.monotonic())
        replay = row.n <= self._sent_up_to[row.lane]
        self._sent_up_to[row.lane] = max(self._sent_up_to[row.lane], row.n)
        self.out[row.n] = Out(time.monotonic(), row.recorded_ms)
        future = connection.publish(
            self._topics.event(row.cls), row.wire, replay=replay, content_type=CONTENT_CLOUDEVENT
        )
        if replay:
            self._metrics.events_resent.inc()
        self._on_sent(row.n)
        future.add_done_callback(lambda done: self._puback(row, done, slots))

    def _puback(self, row: Row, done: "asyncio.Future[int]", slots: asyncio.Semaphore) -> None:
        slots.release()
        if done.cancelled():
            return
        code = done.result()
        self._metrics.pubacks.labels(reason=f"0x{code:02x}").inc()
        self.nobody_listens = code == NOBODY_LISTENS
        if code >= FAILURE:
            self.refused_code = code
            log.warning("broker refuses an event", extra={"reason": f"0x{code:02x}", "class": row.cls})
            return
        self.refused_code = None
        if self._settle_on_puback and code != NOBODY_LISTENS:
            task = asyncio.get_running_loop().create_task(self._settle_one(row.n), name="settle-on-puback")
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    async def _settle_one(self, n: int) -> None:
        count = await self._store.settle([(n, n)])
        self.settled([(n, n)], count)
        self._on_settled([(n, n)])

    def _rewind_if_stalled(self) -> None:
        now = time.monotonic()
        if self.out and self.window.stalled(now):
            self.window.rewound(now)
            self._metrics.rewinds.inc()
            log.warning(
                "no progress at the center, sending again",
                extra={"out": len(self.out), "window": self.window.size, "next_s": self.window.patience_s},
            )
            self.out.clear()
            self._lanes.rewind()

    async def _next(self) -> Row | None:
        """The next row to send; None when nothing may be sent now."""
        for lane in self._lanes.all:
            await self._fill(lane)
        chosen = self._lanes.choose(self.window.size - len(self.out), self.window.size)
        if chosen is None:
            return None
        row = chosen.rows.popleft()
        if chosen is not self._lanes.fresh:
            wait = self._cap.wait_s(time.monotonic())
            if wait > 0:
                await asyncio.sleep(wait)
        self._metrics.events_sent.labels(lane=chosen.name).inc()
        return row

    async def _fill(self, lane: Lane) -> None:
        while not lane.rows and not lane.exhausted:
            first_fresh = self._first_fresh
            below = first_fresh if lane is self._lanes.aged else None
            start = max(lane.cursor, first_fresh - 1) if lane is self._lanes.fresh else lane.cursor
            asked_at = self._commits
            rows = await self._store.after(lane.store_lane, start, READ_AHEAD, below=below)
            # A commit during the read may have added what the read did not see.
            exhausted = len(rows) < READ_AHEAD and asked_at == self._commits
            lane.take_up(rows, skip=self._taken, exhausted=exhausted)

    def _look_at_ages(self) -> None:
        """Rows age from L0 to L1 without a commit."""
        first_fresh = self.marks.first_fresh(self._mono_ms())
        if first_fresh != self._first_fresh:
            self._first_fresh = first_fresh
            self._lanes.aged.exhausted = False

    def _taken(self, row: Row) -> bool:
        """Sent already, or read ahead by another lane: a row that aged between two reads."""
        return row.n in self.out or any(held.n == row.n for lane in self._lanes.all for held in lane.rows)

    async def _slot(self, slots: asyncio.Semaphore, connection: Connection) -> None:
        acquiring = asyncio.ensure_future(slots.acquire())
        await _first_of(acquiring, connection.closed)
        if not acquiring.done():
            acquiring.cancel()

    async def _sleep(self, connection: Connection, seconds: float) -> None:
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await _first_of(waking, connection.closed, timeout_s=seconds)
        finally:
            waking.cancel()


async def _first_of(*futures: "asyncio.Future[Any]", timeout_s: float | None = None) -> None:
    await asyncio.wait(set(futures), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
