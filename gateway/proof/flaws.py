"""What can be wrong with a record, where, and the three verdicts: unchanged? complete? known when?

A flaw names gateway, epoch and sequences, and the rule that it breaks; nothing of a person.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.evidence.corrected_time import TimeQuality
from gateway.receiver.intervals import Range, Ranges

MOST_LISTED = 256  # flaws; all are counted


class About(StrEnum):
    """Which of the three questions a flaw answers."""

    INTEGRITY = "integrity"
    COMPLETENESS = "completeness"
    NOTE = "note"  # worth knowing, against nobody


class Code(StrEnum):
    """What is wrong, in one word."""

    CHANGED = "changed"  # not what a gateway signed
    MOVED = "moved"  # genuine, but the record files it elsewhere
    REORDERED = "reordered"  # genuine, and before one that it follows
    REPEATED = "repeated"
    FORKED = "forked"  # two genuine events in one place
    UNCHAINED = "unchained"  # names another event before it than the one that is there
    UNKNOWN_KEY = "unknown_key"  # signed with a key that was not given: nothing is shown
    FOREIGN_KEY = "foreign_key"  # signed with another gateway's key
    MISSING = "missing"
    DECLARED = "declared"  # missing, and the gateway signed that it lost it
    EPOCH_MISSING = "epoch_missing"
    ROLLED_BACK = "rolled_back"  # the gateway's disk forgot what the record holds
    UNPROVEN_END = "unproven_end"  # nothing signed says where the epoch ends


_COMPLETENESS = frozenset({Code.MISSING, Code.DECLARED, Code.EPOCH_MISSING})
_NOTES = frozenset({Code.ROLLED_BACK, Code.UNPROVEN_END})


@dataclass(slots=True)
class Flaw:
    """The same thing about one place or several, one after another; sequence 0 is the epoch itself."""

    gw: str
    epoch: str
    first: int
    last: int
    code: Code
    what: str

    @property
    def about(self) -> About:
        """The question it belongs to."""
        if self.code in _COMPLETENESS:
            return About.COMPLETENESS
        return About.NOTE if self.code in _NOTES else About.INTEGRITY

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "gw": self.gw, "epoch": self.epoch, "from": self.first, "to": self.last,
            "about": self.about.value, "code": self.code.value, "what": self.what,
        }  # fmt: skip


class Integrity(StrEnum):
    """Whether what is there is what was signed, in the order in which it was signed."""

    INTACT = "intact"
    BROKEN = "broken"


class Completeness(StrEnum):
    """Whether everything is there."""

    COMPLETE = "complete"
    DECLARED = "incomplete-but-declared"
    INCOMPLETE = "incomplete"


@dataclass(slots=True)
class EpochProof:
    """One epoch of one gateway."""

    gw: str
    epoch: str
    events: int = 0
    held: Ranges = field(default_factory=Ranges)  # genuine, in their place
    missing: Ranges = field(default_factory=Ranges)
    declared: Ranges = field(default_factory=Ranges)
    end: int | None = (
        None  # the highest sequence that something signed speaks of beyond the events themselves
    )
    times: Counter[str] = field(default_factory=Counter)  # events by the quality of their corrected time

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "gw": self.gw, "epoch": self.epoch, "events": self.events, "held": list(self.held),
            "missing": list(self.missing), "declared": list(self.declared), "end": self.end,
            "times": dict(self.times),
        }  # fmt: skip


@dataclass(slots=True)
class Proof:
    """What came of judging a record."""

    epochs: list[EpochProof] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)  # the first MOST_LISTED
    counts: Counter[Code] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        """All that were looked at, genuine or not."""
        return sum(epoch.events for epoch in self.epochs)

    @property
    def integrity(self) -> Integrity:
        """Unchanged?"""
        bad = any(count and _about(code) is About.INTEGRITY for code, count in self.counts.items())
        return Integrity.BROKEN if bad else Integrity.INTACT

    @property
    def completeness(self) -> Completeness:
        """Complete?"""
        if self.counts[Code.MISSING] or self.counts[Code.EPOCH_MISSING]:
            return Completeness.INCOMPLETE
        return Completeness.DECLARED if self.counts[Code.DECLARED] else Completeness.COMPLETE

    @property
    def time(self) -> TimeQuality:
        """Known when? By the event that is known worst."""
        seen = Counter[str]()
        for epoch in self.epochs:
            seen.update(epoch.times)
        found = [quality for quality in TimeQuality if seen[quality.value]]
        return found[-1] if found else TimeQuality.UNKNOWN

    def add(self, flaw: Flaw) -> None:
        """Count a flaw by its places, and list it among the first."""
        self.counts[flaw.code] += flaw.last - flaw.first + 1
        before = self.flaws[-1] if self.flaws else None
        if (
            before is not None
            and flaw.first == before.last + 1
            and (flaw.gw, flaw.epoch, flaw.code, flaw.what)
            == (before.gw, before.epoch, before.code, before.what)
        ):
            before.last = flaw.last
        elif len(self.flaws) < MOST_LISTED:
            self.flaws.append(flaw)

    def merge(self, other: "Proof") -> None:
        """Take in what came of another part of the same record."""
        self.epochs += other.epochs
        self.flaws += other.flaws[: MOST_LISTED - len(self.flaws)]
        self.counts.update(other.counts)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "integrity": self.integrity.value, "completeness": self.completeness.value,
            "time": self.time.value, "events": self.events,
            "counts": {code.value: count for code, count in self.counts.items() if count},
            "epochs": [epoch.as_dict() for epoch in self.epochs],
            "flaws": [flaw.as_dict() for flaw in self.flaws],
        }  # fmt: skip


def spans(ranges: Ranges, most: int = 16) -> list[Range]:
    """The first ranges, for a text."""
    return list(ranges)[:most]


def _about(code: Code) -> About:
    return Flaw("", "", 0, 0, code, "").about
