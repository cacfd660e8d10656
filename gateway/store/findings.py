"""What came of looking at a whole store: one verdict, each epoch, each finding."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

MOST_LISTED = 64  # findings that are listed; more are counted


class Verdict(StrEnum):
    """The one-word answer; each has its exit code."""

    INTACT = "intact"
    HOLES = "holes"  # explained ones only
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the gateway wrote it."""

    code: (
        str  # altered, signature, unknown_kid, prevhash, place, lineage, unreadable, hole, waiting, file, ...
    )
    what: str
    epoch: str | None = None
    first: int | None = None  # sequences
    last: int | None = None

    def continued_by(self, other: "Finding") -> bool:
        """The same about the next sequence: one line for a person."""
        return (
            (self.code, self.what, self.epoch) == (other.code, other.what, other.epoch)
            and self.last is not None
            and other.first == self.last + 1
        )


@dataclass(slots=True)
class EpochCheck:
    """One epoch, as far as the store holds it."""

    epoch: str
    reason: str
    first: int | None = None  # lowest and highest sequence held
    last: int | None = None
    events: int = 0
    purged: int = 0
    declared: int = 0  # said to be lost
    salvaged: int = 0  # not kept by a salvage that declared only what was not settled
    head: str | None = None  # hash of the highest


@dataclass(slots=True)
class StoreCheck:
    """The whole answer."""

    signatures: bool  # were they checked?
    gateway: str | None = None  # whose events they are
    events: int = 0
    waiting: int = 0
    epochs: list[EpochCheck] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    finding_count: int = 0

    @property
    def verdict(self) -> Verdict:
        """Broken where anything is found; holes where something explained is missing."""
        if self.finding_count:
            return Verdict.BROKEN
        return (
            Verdict.HOLES
            if any(e.purged or e.declared or e.salvaged for e in self.epochs)
            else Verdict.INTACT
        )

    def add(self, finding: Finding) -> None:
        """Count it, and list it among the first."""
        self.finding_count += 1
        last = self.findings[-1] if self.findings else None
        if last is not None and last.continued_by(finding):
            self.findings[-1] = replace(last, last=finding.last)
        elif len(self.findings) < MOST_LISTED:
            self.findings.append(finding)
