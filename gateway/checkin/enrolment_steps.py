"""What an enrolment works with: what was asked for, what it wants done, how it ended. Values only."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from drivers.factors import Enrolment, Factor, Identified
from gateway.checkin.references import Reference
from gateway.ingest.facts import Fact


class Outcome(StrEnum):
    """How it ended."""

    ENROLLED = "enrolled"
    KNOWN = "known"  # this finger or face is the person's already, in this module
    REFUSED = "refused"  # it is somebody else's
    NO_CONSENT = "no_consent"  # the person said no: the word of staff stays
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_STORED = "not_stored"  # the disk takes nothing: it does not count


class Withdrawn(Exception):  # noqa: N818 - named for the condition
    """Staff or person gave up, or nobody went on for too long."""

    def __init__(self, code: str = "cancelled") -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What staff asked for."""

    id: str  # of the enrolment, a UUIDv7
    person: str
    factor: Factor
    kiosk: str
    device: str
    module: str
    staff: str
    consent: str | None  # version of the text that was agreed to; None: refused
    label: str | None = None  # which finger
    now_ms: Callable[[], int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """How it is known who stands there."""

    person: str | None  # whose card was laid; None: nobody's that the roster knows
    staff_reason: str | None = None  # staff vouch, with a reason


@dataclass(frozen=True, slots=True)
class AwaitPerson:
    """Wait for the card, or for the word of staff: a `Proof`. `hint`: what was wrong with the last one."""

    hint: str | None = None


@dataclass(frozen=True, slots=True)
class ListSlots:
    """Ask which slots are taken: a frozenset."""


@dataclass(frozen=True, slots=True)
class Look:
    """Ask whose it is: an `Identified`. `verify`: of what was just taken in."""

    verify: bool = False
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """Take it in: an `Enrolment`."""

    slot: int


@dataclass(frozen=True, slots=True)
class Erase:
    """Delete these."""

    slots: frozenset[int]


@dataclass(frozen=True, slots=True)
class Keep:
    """Commit facts and rows together."""

    facts: Sequence[Fact]
    rows: Sequence[Reference]


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended, when that is on disk."""

    outcome: Outcome
    reason: str | None = None
    other: str | None = None  # reference of whose it is, for whoever may see that


Action = AwaitPerson | ListSlots | Look | Take | Erase | Keep
Answer: TypeAlias = Proof | frozenset[int] | Identified | Enrolment | None
Procedure: TypeAlias = Generator[Action, Answer, Ending]
