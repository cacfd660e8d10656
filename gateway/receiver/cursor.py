"""How far one epoch is settled: `upto`, what is stored beyond it, what is declared lost. Pure arithmetic.

`upto`   every sequence from 1 to it is stored (rejected ones are stored too) or declared lost
`beyond` stored sequences above `upto`: the ack's `sack`
`lost`   declared lost and not stored, wherever they lie: a sequence that turns up after all is not lost
`disputed`  those of them where something is stored that does not belong there (`lost_places`)
`doubtful`  steps that `upto` may not take by itself: the event there may not hang on the one before

Any order of arrival, any repetition gives the same cursor; the tests hold it against plain sets.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from gateway.receiver.intervals import Range, Ranges

SACK_LIMIT = 256  # ranges of one epoch in an ack (contract, 3)
LOST_LIMIT = 256  # the same of those that are lost


@dataclass(slots=True)
class Cursor:
    """The state of one epoch at the center."""

    upto: int = 0
    beyond: Ranges = field(default_factory=Ranges)
    lost: Ranges = field(default_factory=Ranges)
    doubtful: Ranges = field(default_factory=Ranges)
    declared: Ranges = field(default_factory=Ranges, compare=False)  # lost, whatever has turned up since
    disputed: Ranges = field(default_factory=Ranges)

    @classmethod
    def rebuild(cls, upto: int, beyond: Iterable[Range], lost: Iterable[Range]) -> "Cursor":
        """From what a database holds: `lost` without what is stored."""
        cursor = cls(upto, Ranges(beyond), Ranges(lost))
        cursor._advance()
        return cursor

    def copy(self) -> "Cursor":
        """An independent copy: a transaction works on it until COMMIT."""
        ranges = (self.beyond, self.lost, self.doubtful, self.declared, self.disputed)
        return Cursor(self.upto, *(some.copy() for some in ranges))

    def doubt(self) -> int | None:
        """The step that keeps `upto` where it is: there is something, and it may not hang on what is before."""
        step = self.upto + 1
        return step if step in self.doubtful and (step in self.beyond or step in self.lost) else None

    def mistrust(self, seq: int) -> None:
        """Do not step to `seq` before somebody has looked at it."""
        if seq > self.upto:
            self.doubtful.add(seq, seq)

    def trust(self, seq: int) -> None:
        """Somebody has."""
        self.doubtful.discard(seq, seq)
        self._advance()

    def store(self, seq: int) -> None:
        """Sequence `seq` is stored."""
        if seq == self.upto + 1 and not self.beyond and not self.lost and not self.doubtful:
            self.upto = seq  # nearly always
            return
        if seq in self.disputed:
            return  # another one of that place: `dispute` says whether it belongs there
        self.lost.discard(seq, seq)
        if seq > self.upto:
            self.beyond.add(seq, seq)
            self._advance()

    def declare_lost(self, first: int, last: int) -> None:
        """The gateway says, signed, that it can never send first…last."""
        self.declared.add(first, last)
        # Up to `upto` everything is stored or declared lost already: nothing can be added there.
        first = max(first, self.upto + 1)
        if first > last:
            return
        self.lost.add(first, last)
        for begin, end in self.beyond.overlapping(first, last):
            self.lost.discard(begin, end)
        self._advance()

    def dispute(self, seq: int, *, disputed: bool) -> bool:
        """Whether what is stored in the declared place `seq` does not belong there; True where that is news."""
        if disputed == (seq in self.disputed):
            return False
        if disputed:
            self.disputed.add(seq, seq)
            self.lost.add(seq, seq)
            self.beyond.discard(seq, seq)
        else:
            self.disputed.discard(seq, seq)
            self.lost.discard(seq, seq)
            if seq > self.upto:
                self.beyond.add(seq, seq)
        self._advance()
        return True

    def stored(self, seq: int) -> bool:
        """Whether `seq` is stored, at the least once."""
        if seq in self.disputed:
            return True
        if seq > self.upto:
            return seq in self.beyond
        return seq > 0 and seq not in self.lost

    def settled(self, seq: int) -> bool:
        """Whether an ack that is told in full lets the gateway settle `seq`."""
        return seq <= self.upto or seq in self.beyond

    def highest(self) -> int:
        """The highest sequence that is accounted for."""
        return max(self.upto, self.beyond.highest() or 0, self.lost.highest() or 0)

    def reach(self) -> int:
        """Where `upto` would be if every link held: a gateway may have settled so far by sacks."""
        end = self.upto
        while (step := self.beyond.holding(end + 1) or self.lost.holding(end + 1)) is not None:
            end = step[1]
        return end

    def listed_upto(self) -> int | None:
        """How far `upto` may be told where not every lost range is listed; None where every one is."""
        if len(self.lost) <= LOST_LIMIT:
            return None
        return min(self.upto, next(islice(self.lost, LOST_LIMIT, None))[0] - 1)

    def cut(self, upto: int, lost: int) -> "Cursor":
        """The same record told with a lower `upto` and fewer lost ranges: what is stored between is `beyond`."""
        beyond = Ranges([(upto + 1, self.upto)] if upto < self.upto else [])
        for first, last in self.lost:
            beyond.discard(first, last)
        for first, last in self.beyond:
            beyond.add(first, last)
        return Cursor(upto, beyond, Ranges(islice(self.lost, lost)))

    def missing(self, end: int) -> Ranges:
        """Sequences up to `end` that are neither stored nor declared lost."""
        gaps = Ranges([(self.upto + 1, end)] if end > self.upto else [])
        for known in (self.beyond, self.lost):
            for first, last in known:
                gaps.discard(first, last)
        return gaps

    def sack(self, touched: Ranges, limit: int = SACK_LIMIT) -> list[Range]:
        """At most `limit` ranges of `beyond`: those touched since the last ack first, then lowest first."""
        chosen: dict[Range, None] = {}
        for first, last in touched:
            chosen.update(dict.fromkeys(self.beyond.overlapping(first, last)))
            if len(chosen) >= limit:
                break
        for held in self.beyond:
            if len(chosen) >= limit:
                break
            chosen[held] = None
        return list(chosen)[:limit]

    def _advance(self) -> None:
        while True:
            first = self.upto + 1
            step = self.beyond.holding(first) or self.lost.holding(first)
            if step is None:
                return
            doubts = self.doubtful.overlapping(first, step[1])
            last = min(step[1], max(first, doubts[0][0]) - 1) if doubts else step[1]
            if last < first:
                return
            self.upto = last
            self.beyond.discard(1, last)
            self.doubtful.discard(1, last)
