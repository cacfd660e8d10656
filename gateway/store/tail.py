"""The end of the chain, in memory: what the next event is chained to.

Two copies: `committed` is what the disk holds, `pending` what the running transaction has added.
The pending one becomes the committed one only after COMMIT returned.

What is made for each event is a named tuple: half the price of a frozen dataclass.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.envelope import GENESIS


class Tail(NamedTuple):
    """Where the running epoch stands."""

    epoch: str = ""
    first_n: int = 1  # `n` of sequence 1
    seq: int = 0
    hash: bytes = GENESIS

    @property
    def next_n(self) -> int:
        """`n` of the next event."""
        return self.first_n + self.seq


class Committed(NamedTuple):
    """An event that is on disk."""

    n: int
    epoch: str
    seq: int
    hash: bytes
    id: str
    type: str
    device: str
    lane: int
    time_ms: int
    mono_ms: int  # when it was recorded: age in the fast lane
    detail: str | None = None  # code of a reason, where the event has one


class Row(NamedTuple):
    """A waiting event, ready to send."""

    n: int
    lane: int
    cls: str  # class, for the topic
    recorded_ms: int
    wire: bytes


class Mark(NamedTuple):
    """Where a transaction stood before one of its jobs."""

    pending: Tail
    fresh: int
    settled: int


@dataclass(slots=True)
class Ledger:
    """Both copies, and what the running transaction added or settled."""

    committed: Tail = field(default_factory=Tail)
    pending: Tail = field(default_factory=Tail)
    fresh: list[Committed] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)  # the same, as they go out
    waiting: int = 0  # unsettled events on disk
    settled: int = 0  # by the running transaction

    def mark(self) -> Mark:
        """Remember where the transaction stands."""
        return Mark(self.pending, len(self.fresh), self.settled)

    def undo(self, mark: Mark) -> None:
        """Back to `mark`: the job since came to nothing."""
        self.pending = mark.pending
        del self.fresh[mark.fresh :]
        del self.rows[mark.fresh :]
        self.settled = mark.settled

    def commit(self) -> tuple[list[Committed], list[Row]]:
        """COMMIT returned: the pending copy is the truth now. Returns what was added."""
        fresh, self.fresh = self.fresh, []
        rows, self.rows = self.rows, []
        self.committed = self.pending
        self.waiting += len(fresh) - self.settled
        self.settled = 0
        return fresh, rows

    def rollback(self) -> None:
        """Nothing of it reached the disk."""
        self.pending = self.committed
        self.fresh, self.rows = [], []
        self.settled = 0
