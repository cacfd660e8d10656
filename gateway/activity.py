"""The newest events and how far each has come, in memory: for the page and for `run --watch`.

Nothing here identifies a person: type, device, place, stage.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

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


class Activity:
    """Follows events by `n`. Lives on the loop."""

    def __init__(self, mono_ms: Callable[[], int]) -> None:
        self.committed_total = 0
        self.settled_total = 0
        self._mono_ms = mono_ms
        self._events: OrderedDict[int, tuple[EventView, int]] = OrderedDict()  # n -> (event, commit mono ms)
        # Those of them that are not settled: an ack names everything since sequence 1, the news is few.
        self._open: set[int] = set()
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener` at every stage of every event. It must return at once."""
        self._listeners.append(listener)

    def remember(self, rows: Iterable[tuple[int, bytes, bool]]) -> None:
        """What the store holds from before this run: (n, wire, waiting), newest first."""
        for n, wire, waiting in reversed(list(rows)):
            event = json.loads(wire)
            kind = event["type"].removeprefix(TYPE_PREFIX)
            view = EventView(
                epoch=event["source"].rpartition("/")[2],
                seq=int(event["sequence"]),
                type=kind,
                device=event["deviceid"],
                time_ms=parse_iso_ms(event["time"]),
                stage=Stage.COMMITTED if waiting else Stage.SETTLED,
                detail=detail_of(kind, event["data"]),
            )
            self._events[n] = (view, 0)
            if waiting:
                self._open.add(n)

    def committed(self, events: Sequence[Committed]) -> None:
        """Events are on disk."""
        self.committed_total += len(events)
        now = self._mono_ms()
        for event in events:
            view = EventView(
                epoch=event.epoch,
                seq=event.seq,
                type=event.type,
                device=event.device,
                time_ms=event.time_ms,
                stage=Stage.COMMITTED,
                detail=event.detail,
            )
            self._events[event.n] = (view, now)
            self._open.add(event.n)
            self._tell(view, 0)
        while len(self._events) > TRACKED:
            n, _ = self._events.popitem(last=False)
            self._open.discard(n)

    def sent(self, n: int) -> None:
        """An event was handed to the broker."""
        self._advance(n, Stage.SENT, (Stage.COMMITTED,))

    def settled(self, ranges: Sequence[tuple[int, int]]) -> None:
        """The center has these."""
        if not ranges:
            return
        for n in sorted(n for n in self._open if any(first <= n <= last for first, last in ranges)):
            self._advance(n, Stage.SETTLED, (Stage.COMMITTED, Stage.SENT))

    def rejected(self, n: int) -> None:
        """The center stored it and refused its content."""
        self._advance(n, Stage.REJECTED, (Stage.COMMITTED, Stage.SENT, Stage.SETTLED))

    def newest(self) -> tuple[EventView, ...]:
        """Newest first."""
        keys = list(self._events)[-SHOWN:]
        return tuple(self._events[n][0] for n in reversed(keys))

    def _advance(self, n: int, stage: Stage, from_: tuple[Stage, ...]) -> None:
        known = self._events.get(n)
        if known is None or known[0].stage not in from_:
            return
        view, committed_ms = known
        after = self._mono_ms() - committed_ms if committed_ms else 0
        if stage is not Stage.SENT:
            self._open.discard(n)
        if stage is Stage.SETTLED:
            self.settled_total += 1
        settled_after = after if stage is Stage.SETTLED and committed_ms else view.settled_after_ms
        view = replace(view, stage=stage, settled_after_ms=settled_after)
        self._events[n] = (view, committed_ms)
        self._tell(view, after)

    def _tell(self, view: EventView, after_ms: int) -> None:
        for listener in self._listeners:
            listener(Notice(view, after_ms))
