"""The newest events and how far each has come, in memory: for the page and for `run --watch`.

Nothing here identifies a person: type, device, place, stage.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.clock import parse_iso_ms
from gateway.event_types import TYPE_PREFIX
from gateway.store.outbox import detail_of
from gateway.store.tail import Committed
from gateway.view import EventView, Stage

SHOWN = 50
TRACKED = 2000  # events whose stage is followed for listeners; the settle window is at most 512


@dataclass(frozen=True, slots=True)
class Notice:
    """An event reached a stage."""

    event: EventView
    after_ms: int  # since its commit; 0 for the commit itself


Listener = Callable[[Notice], None]


@dataclass(slots=True)
class _Followed:
    """One event and how far it has come. What people see of it is made when somebody looks."""

    event: Committed
    committed_ms: int  # 0: in an earlier run
    stage: Stage
    settled_after_ms: int | None = None

    def view(self) -> EventView:
        event = self.event
        return EventView(
            epoch=event.epoch,
            seq=event.seq,
            type=event.type,
            device=event.device,
            time_ms=event.time_ms,
            stage=self.stage,
            settled_after_ms=self.settled_after_ms,
            detail=event.detail,
        )


class Activity:
    """Follows events by `n`. Lives on the loop."""

    def __init__(self, mono_ms: Callable[[], int]) -> None:
        self.committed_total = 0
        self.settled_total = 0
        self._mono_ms = mono_ms
        self._events: OrderedDict[int, _Followed] = OrderedDict()  # by `n`
        # Those of them that are not settled: an ack names everything since sequence 1, the news is few.
        self._open: set[int] = set()
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener` at every stage of every event. It must return at once."""
        self._listeners.append(listener)

    def remember(self, rows: Iterable[tuple[int, bytes, bool]]) -> None:
        """What the store holds from before this run: (n, wire, waiting), newest first."""
        of_this_run = self._events  # what the start itself has said is among the rows
        self._events = OrderedDict()
        for n, wire, waiting in reversed(list(rows)):
            if n not in of_this_run:
                self._events[n] = _Followed(_read(n, wire), 0, Stage.COMMITTED if waiting else Stage.SETTLED)
                if waiting:
                    self._open.add(n)
        self._events.update(of_this_run)

    def committed(self, events: Sequence[Committed]) -> None:
        """Events are on disk."""
        self.committed_total += len(events)
        now = self._mono_ms()
        for event in events:
            followed = self._events[event.n] = _Followed(event, now, Stage.COMMITTED)
            self._open.add(event.n)
            self._tell(followed, now)
        while len(self._events) > TRACKED:
            n, _ = self._events.popitem(last=False)
            self._open.discard(n)

    def sent(self, n: int) -> None:
        """An event was handed to the broker."""
        followed = self._events.get(n)
        if followed is not None and followed.stage is Stage.COMMITTED:
            followed.stage = Stage.SENT
            self._tell(followed)

    def settled(self, ranges: Sequence[tuple[int, int]]) -> None:
        """The center has these."""
        now = self._mono_ms()
        for n in sorted(n for n in self._open if any(first <= n <= last for first, last in ranges)):
            self._open.discard(n)
            followed = self._events[n]
            followed.stage = Stage.SETTLED
            self.settled_total += 1
            if followed.committed_ms:
                followed.settled_after_ms = now - followed.committed_ms
            self._tell(followed, now)

    def rejected(self, n: int) -> None:
        """The center stored it and refused its content."""
        followed = self._events.get(n)
        if followed is not None and followed.stage is not Stage.REJECTED:
            self._open.discard(n)
            followed.stage = Stage.REJECTED
            self._tell(followed)

    def newest(self) -> tuple[EventView, ...]:
        """Newest first."""
        keys = list(self._events)[-SHOWN:]
        return tuple(self._events[n].view() for n in reversed(keys))

    def _tell(self, followed: _Followed, now_ms: int | None = None) -> None:
        if not self._listeners:
            return
        now = self._mono_ms() if now_ms is None else now_ms
        notice = Notice(followed.view(), now - followed.committed_ms if followed.committed_ms else 0)
        for listener in self._listeners:
            listener(notice)


def _read(n: int, wire: bytes) -> Committed:
    """An event of an earlier run, as far as it is shown."""
    event = json.loads(wire)
    kind = event["type"].removeprefix(TYPE_PREFIX)
    return Committed(
        n=n,
        epoch=event["source"].rpartition("/")[2],
        seq=int(event["sequence"]),
        hash=b"",
        id=event["id"],
        type=kind,
        device=event["deviceid"],
        lane=0,
        time_ms=parse_iso_ms(event["time"]),
        mono_ms=0,
        detail=detail_of(kind, event["data"]),
    )
