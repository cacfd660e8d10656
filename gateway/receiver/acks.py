"""The `ack`: when one is due, what it says, and that it stays below the contract's 64 KiB. Pure; clocks are handed in.

50 ms or 100 events after the first event that is not acked, whichever comes first. A message that the
center had already is due again like a new one: whoever sends it has not heard.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.clock import iso_ms
from gateway.envelope import GENESIS, sequence
from gateway.evidence.canonical import Json
from gateway.receiver.cursor import SACK_LIMIT
from gateway.receiver.intervals import Range, Ranges
from gateway.receiver.ledger import EpochState, Refusal

AFTER_S = 0.05
AFTER_EVENTS = 100
MAX_EPOCHS = 8
MAX_RANGES = 1024  # of all epochs: 40 bytes each
MAX_LOST = 512  # of those, lost ones at the most: what just came in must be told too
MAX_REJECTED = 64  # of all epochs
MAX_REASON = 120  # characters


@dataclass(slots=True)
class _Waiting:
    first_s: float
    events: int = 0
    touched: dict[str, Ranges] = field(default_factory=dict)  # epoch -> sequences


class AckSchedule:
    """Which gateways are waiting for an ack, and since when."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def touch(self, gateway: str, epoch: str, ranges: Iterable[Range], now_s: float) -> None:
        """These sequences were received."""
        waiting = self._wait(gateway, now_s)
        touched = waiting.touched.setdefault(epoch, Ranges())
        for first, last in ranges:
            touched.add(first, last)
            waiting.events += 1

    def ask(self, gateway: str, now_s: float) -> None:
        """Somebody wants to know; coalesced with whatever else is due."""
        self._wait(gateway, now_s)

    def due(self, now_s: float) -> list[str]:
        """Gateways whose ack must go out now."""
        return [
            gateway
            for gateway, waiting in self._waiting.items()
            if now_s - waiting.first_s >= AFTER_S or waiting.events >= AFTER_EVENTS
        ]

    def all(self) -> list[str]:
        """Everybody who is waiting, due or not."""
        return list(self._waiting)

    def next_due_s(self, now_s: float) -> float | None:
        """When `due` will next have something, if nothing else comes."""
        if self.due(now_s):
            return now_s
        firsts = [waiting.first_s for waiting in self._waiting.values()]
        return min(firsts) + AFTER_S if firsts else None

    def take(self, gateway: str) -> dict[str, Ranges]:
        """What the ack that goes out now is about, by epoch."""
        return self._waiting.pop(gateway).touched

    def drop(self, gateway: str) -> None:
        """Somebody else tells this gateway."""
        self._waiting.pop(gateway, None)

    def _wait(self, gateway: str, now_s: float) -> _Waiting:
        return self._waiting.setdefault(gateway, _Waiting(now_s))


@dataclass(frozen=True, slots=True)
class Ack:
    """An ack's content without signature, and the touched ranges that found no room in it."""

    message: dict[str, Json]
    untold: dict[str, Ranges]


def build(
    gateway: str,
    epochs: Mapping[str, EpochState],
    touched: Mapping[str, Ranges],
    blocked: Mapping[str, int],
    now_ms: int,
) -> Ack:
    """What the center holds of one gateway. `epochs` is oldest first; `blocked` maps epoch to parked sequence."""
    entries: list[Json] = []
    untold: dict[str, Ranges] = {}
    ranges_left, lost_left, rejected_left = MAX_RANGES, MAX_LOST, MAX_REJECTED
    for epoch in chosen_epochs(epochs, touched, blocked):
        state = epochs.get(epoch) or EpochState(0, gateway, epoch)
        about = touched.get(epoch, Ranges())
        told = state.told(lost_left)
        lost = list(told.cursor.lost)
        lost_left -= len(lost)
        ranges_left -= len(lost)
        sack = told.cursor.sack(about, min(SACK_LIMIT, ranges_left))
        ranges_left -= len(sack)
        rejected = state.rejected[:rejected_left]
        rejected_left -= len(rejected)
        entries.append(_entry(told, sack, lost, rejected, blocked.get(epoch)))
        left = _untold(told, about, sack)
        if left:
            untold[epoch] = left
    named = {str(entry["epoch"]) for entry in entries if isinstance(entry, dict)}
    untold |= {epoch: ranges for epoch, ranges in touched.items() if epoch not in named}
    return Ack({"v": 1, "gw": gateway, "epochs": entries, "ts": iso_ms(now_ms)}, untold)


def chosen_epochs(
    epochs: Mapping[str, EpochState], touched: Mapping[str, Ranges], blocked: Mapping[str, int]
) -> list[str]:
    """At most 8: the running one, those just heard of, then open ones, newest first; unproven ones last."""
    newest_first = list(epochs)[::-1]
    chosen = dict.fromkeys(newest_first[:1])
    chosen.update(dict.fromkeys(epoch for epoch in newest_first if epoch in touched))
    chosen.update(dict.fromkeys(epoch for epoch in newest_first if is_open(epochs[epoch])))
    chosen.update(dict.fromkeys(epoch for epoch in blocked if epoch not in epochs))
    return list(chosen)[:MAX_EPOCHS]


def is_open(state: EpochState) -> bool:
    """Whether something of the epoch is still to come, as far as the center knows."""
    cut = state.listed is not None and state.listed.upto < state.cursor.upto
    return cut or state.cursor.upto < max(state.end_seq, state.cursor.highest())


def _entry(
    state: EpochState,
    sack: Sequence[Range],
    lost: Sequence[Range],
    rejected: Sequence[Refusal],
    blocked: int | None,
) -> dict[str, Json]:
    waits = blocked is not None and not state.cursor.settled(blocked)
    refusals: list[Json] = [
        {"seq": sequence(refusal.seq), "code": refusal.code, "msg": refusal.message[:MAX_REASON]}
        for refusal in rejected
    ]
    return {
        "epoch": state.epoch,
        "upto": sequence(state.cursor.upto),
        "head": (state.head if state.cursor.upto else GENESIS).hex(),
        "sack": _wire(sack),
        "lost": _wire(lost),
        "rejected_n": state.rejected_n,
        "rejected": refusals,
        "blocked": {"seq": sequence(blocked), "code": "unknown_kid"}
        if waits and blocked is not None
        else None,
    }


def _wire(ranges: Sequence[Range]) -> list[Json]:
    return [[sequence(first), sequence(last)] for first, last in ranges]


def _untold(state: EpochState, about: Ranges, sack: Sequence[Range]) -> Ranges:
    """What was touched and is neither below `upto` nor in the sack."""
    left = about.copy()
    left.discard(0, state.cursor.upto)
    for first, last in sack:
        left.discard(first, last)
    # A lost range that was touched is no part of `beyond`: nothing is owed for it.
    return Ranges(span for span in left if state.cursor.beyond.overlapping(*span))
