"""What a session works with: who the roster says somebody is, what it has recorded, what it shows. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Protocol

from drivers.factors import Factor
from gateway.checkin.roster import Method
from gateway.checkin.schedule import Where
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact

METHOD_OF: Mapping[Factor, Method] = {Factor.FINGER: Method.FINGER, Factor.FACE: Method.FACE}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person on the roster, as far as a kiosk needs one."""

    ref: str  # of the province; says nothing by itself
    name: str = field(repr=False)  # masked: 张*三
    methods: frozenset[Method]  # second factors that the roster allows
    ended: bool = False  # supervision is over
    protected: bool = False  # 未成年人: no part of the name on the kiosk
    reenrol: bool = False  # templates of theirs count no more: to be enrolled anew


@dataclass(frozen=True, slots=True)
class RosterState:
    """Which roster decides."""

    version: int
    age_s: int
    expired: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person who reported is told of the duty to do so."""

    where: Where | None  # this moment, to the duty of today; None: the clock is not set, the center judges
    next_day: date | None  # the next one; None: there is none, or nobody can say
    day: date | None = None  # of the duty that this fulfils or belongs to
    late_arrival_of: str | None = None  # what was stated when nobody had come


def standing_data(standing: Standing | None) -> dict[str, Json]:
    """What the event of a report says of it."""
    if standing is None or standing.where is None:
        return {}
    data: dict[str, Json] = {"counts_as": standing.where}
    if standing.day is not None:
        data["duty_day"] = standing.day.isoformat()
    if standing.late_arrival_of is not None:
        data["late_arrival_of"] = standing.late_arrival_of
    return data


class Directory(Protocol):
    """The roster, asked by what devices say."""

    @property
    def state(self) -> RosterState | None:
        """None: there is no roster yet."""
        ...

    def by_card(self, number_hmac: str) -> Visitor | None:
        """Whose ID number that is."""
        ...

    def by_slot(self, module: str, slot: int) -> Visitor | None:
        """Whose finger or face is kept there."""
        ...

    def standing(self, ref: str) -> Standing | None:
        """How this moment and the next one lie to the duty of somebody; None: has no duty here."""
        ...


class Outcome(StrEnum):
    """How a session ended, for the person in front of it."""

    COMPLETED = "completed"  # counted
    PENDING_REVIEW = "pending_review"  # recorded; staff decide
    REJECTED = "rejected"  # recorded, and does not count
    ABANDONED = "abandoned"  # nobody went on
    NOT_STORED = "not_stored"  # the box could not keep it: does not count, nothing is recorded


class Reason(StrEnum):
    """Why a session ended as it did; each has a text in the catalogue (`reason.*`)."""

    NO_ROSTER = "no_roster"
    UNKNOWN_PERSON = "unknown_person"
    ROSTER_EXPIRED = "roster_expired"
    SUPERVISION_ENDED = "supervision_ended"
    NOT_THE_SAME_PERSON = "not_the_same_person"  # card of one, finger of another
    FACTOR_FAILED = "factor_failed"  # the tries are used up
    UNASSIGNED = "unassigned"  # of a try: a slot that the roster does not name
    ANOTHER_CARD = "another_card"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    STOPPED = "stopped"  # the gateway
    CUT_OFF = "cut_off"  # the power went, or the disk took no ending
    # Of a terminal's record, which begins and ends in one:
    CLOCK_UNKNOWN = "clock_unknown"  # nobody vouches for our clock, so that nobody knows how old it is
    OFFLINE_RECORD = "offline_record"  # old by the terminal's clock, or that clock is wrong
    ONE_FACTOR = (
        "one_factor"  # only a finger, a face, a card or a password, or one that the roster does not allow
    )
    STATUS_UNCLEAR = "status_unclear"  # the key pressed at the terminal does not fit what the kiosk is for
    NO_KIOSK = "no_kiosk"  # the terminal stands at no kiosk
    UNREADABLE_RECORD = "unreadable_record"


def review_reason(state: RosterState | None, person: Visitor | None) -> Reason | None:
    """Why staff must look at it before anything is decided; None: nothing of the roster speaks against it."""
    if state is None:
        return Reason.NO_ROSTER
    if person is None:
        return Reason.UNKNOWN_PERSON
    if state.expired:
        return Reason.ROSTER_EXPIRED
    return Reason.SUPERVISION_ENDED if person.ended else None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the kiosk tells. Nothing here is of another session."""

    outcome: Outcome
    reason: str | None = None  # code of the catalogue
    name: str | None = field(default=None, repr=False)
    standing: Standing | None = None  # of a report that counted
    recalled_ms: int | None = None  # told again after a restart: when it was


# -- what a session wants done; carried out in this order ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Store:
    """Commit these together, then say `stored` or `refused` of this session.

    `goes_on`: the session is not over with them. That is kept with them, so that a start after a crash knows
    which session was cut off. `ending`: what will be shown of it, where it is over.
    """

    session: str
    facts: Sequence[Fact]
    goes_on: bool
    ending: Shown | None = None


@dataclass(frozen=True, slots=True)
class AskFactor:
    """Ask the kiosk's devices for one of these; what comes is handed to `factor`, for this session only."""

    session: str
    factors: frozenset[Factor]


@dataclass(frozen=True, slots=True)
class StopAsking:
    """Nobody is to be recognised for this session any more."""


@dataclass(frozen=True, slots=True)
class Show:
    """Tell the person."""

    shown: Shown


@dataclass(frozen=True, slots=True)
class Clear:
    """Show nothing of anybody."""


Action = Store | AskFactor | StopAsking | Show | Clear
