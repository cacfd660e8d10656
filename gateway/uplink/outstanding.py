"""What was sent and is not settled, and which of it has been waited for long enough. Pure; seconds are handed in.

Progress is measured at the oldest: where later ones were settled and this one was not, the broker has
dropped it, and it is sent again alone. Where nothing is settled at all, `window` decides.
"""

from collections.abc import Container
from dataclasses import dataclass

from gateway.uplink.window import FIRST_PATIENCE_S, MOST_PATIENCE_S

# More than any window holds. An older one that is forgotten here is sent once more without its replay
# mark, and settled then.
MOST_SENT = 4096


@dataclass(frozen=True, slots=True)
class Out:
    """A sent event that is not settled."""

    sent_s: float
    lane: int  # of the store
    recorded_ms: int  # wall clock
    mono_ms: int | None  # when it happened; None where that was in another boot
    tries: int = 1  # on this connection

    @property
    def patience_s(self) -> float:
        """How long to wait for it while others pass."""
        return min(MOST_PATIENCE_S, FIRST_PATIENCE_S * 2.0 ** (self.tries - 1))


class Outstanding:
    """Sent events by `n`."""

    def __init__(self) -> None:
        self._out: dict[int, Out] = {}  # on this connection since the last rewind, in order of sending
        self._again: set[int] = set()  # those that were sent before
        self._sent: dict[int, None] = {}  # in this run; the oldest are forgotten first
        self._passed_s = float("-inf")  # when the newest of the settled ones was sent

    def __len__(self) -> int:
        return len(self._out)

    def __contains__(self, n: object) -> bool:
        return n in self._out

    @property
    def again(self) -> int:
        """How many of those that are out were sent before."""
        return len(self._again)

    @property
    def sent(self) -> frozenset[int]:
        """Sent in this run, on any connection, and not settled."""
        return frozenset(self._sent)

    def was_sent(self, n: int) -> bool:
        """Whether this very event was sent before in this run."""
        return n in self._sent

    def put(self, n: int, out: Out) -> None:
        """It is sent now."""
        self._out.pop(n, None)  # to the end: the order is that of sending
        self._out[n] = out
        if n in self._sent:
            self._again.add(n)
        self._sent.pop(n, None)
        self._sent[n] = None
        if len(self._sent) > MOST_SENT:
            del self._sent[next(iter(self._sent))]

    def take(self, n: int) -> Out | None:
        """It is not out any more, but was sent."""
        self._again.discard(n)
        return self._out.pop(n, None)

    def settle(self, covered: Container[int]) -> list[Out]:
        """The center has these; those of them that were out."""
        numbers = [n for n in self._out if n in covered]
        gone = [self._out.pop(n) for n in numbers]
        self._again.difference_update(numbers)
        for n in [n for n in self._sent if n in covered]:
            del self._sent[n]
        self._passed_s = max((self._passed_s, *(out.sent_s for out in gone)))
        return gone

    def overtaken(self, now_s: float) -> list[tuple[int, Out]]:
        """Waited for long enough while later ones were settled; oldest first."""
        found: list[tuple[int, Out]] = []
        for n, out in self._out.items():
            if out.sent_s >= self._passed_s:
                break  # everything behind it was sent later still
            if now_s - out.sent_s >= out.patience_s:
                found.append((n, out))
        return found

    def clear(self) -> None:
        """Sending begins again: nothing is out, but it was sent."""
        self._out.clear()
        self._again.clear()
        self._passed_s = float("-inf")
