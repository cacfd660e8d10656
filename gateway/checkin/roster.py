"""Who is expected to check in, as the center says: the model and its look-ups. Pure, immutable.

A person is known here by a reference, by the keyed hash of the ID card's number (the same that
`identity.card_read` carries) and by a masked name. `repr` shows the reference alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from types import MappingProxyType

from gateway.checkin.workdays import Workdays

MOST_PERSONS = 5_000


class Method(StrEnum):
    """A second factor. A way without face always exists."""

    FINGER = "finger"
    FACE = "face"
    STAFF = "staff"  # the word of staff, with a reason


class DayOff(StrEnum):
    """What becomes of a duty whose day is a day off."""

    NEXT = "next"  # moved to the next workday
    PREVIOUS = "previous"
    SKIP = "skip"  # falls away
    KEEP = "keep"  # stays: somebody is on duty


class Repeat(StrEnum):
    """How often a duty comes."""

    WEEKLY = "weekly"
    HALF_MONTHLY = "half_monthly"
    MONTHLY = "monthly"
    DATES = "dates"


@dataclass(frozen=True, slots=True)
class Window:
    """Local time of one day; the end is not part of it. `close` None: midnight at the end of the day."""

    open: time
    close: time | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When somebody has to come. Days that are asked for and not there (31 in April) mean the month's last one."""

    repeat: Repeat
    days: tuple[int, ...] = ()  # weekly: ISO weekdays 1 to 7; half_monthly, monthly: days of the month
    dates: tuple[date, ...] = ()  # for `dates`
    windows: tuple[Window, ...]  # ascending, apart from one another
    grace_min: int  # after the last window it still counts, as late; at most to the end of the day
    day_off: DayOff


@dataclass(frozen=True, slots=True)
class Leave:
    """Approved absence, both days included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class DeviceReference:
    """Where a template lies: in the module itself, nowhere else."""

    method: Method
    module: str  # serial number
    slot: int
    enrolment: str  # id of the enrolment that put it there


@dataclass(frozen=True, slots=True)
class Tracker:
    """A wearable, and the last day for which it is approved (社区矫正法, art. 29: three months at most)."""

    id: str
    approved_until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person under supervision."""

    ref: str
    number_hmac: bytes = field(repr=False)  # 32 bytes
    name: str = field(repr=False)  # masked
    unit: str = field(repr=False)  # 司法所 / 中队
    category: str = field(repr=False)  # class of management
    since: date = field(repr=False)  # first day of supervision
    until: date = field(repr=False)  # last day of it
    responsible: str = field(repr=False)  # the gateway that may say `missed`
    protected: bool = field(repr=False)  # a minor: no part of the name on a kiosk
    methods: frozenset[Method] = field(repr=False)
    schedule: Schedule | None = field(repr=False)  # None: no duty to come
    leave: tuple[Leave, ...] = field(repr=False)
    references: tuple[DeviceReference, ...] = field(repr=False)
    trackers: tuple[Tracker, ...] = field(repr=False)

    def on_leave(self, day: date) -> bool:
        """Whether an approved leave covers this day."""
        return any(leave.first <= day <= leave.last for leave in self.leave)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What holds for the whole roster."""

    org: str
    gateway: str
    version: int  # strictly rising
    minor: int
    issued_ms: int
    expires_ms: int
    workdays: Workdays

    def expired(self, now_ms: int) -> bool:
        """Whether its time is over."""
        return now_ms >= self.expires_ms


class Roster:
    """All persons of one version. `digest` is the SHA-256 of the signed head, which names every page."""

    __slots__ = ("_by_number", "_by_ref", "_by_slot", "digest", "head", "left_out", "persons")

    def __init__(self, head: Head, persons: Sequence[Person], *, digest: bytes, left_out: int) -> None:
        self.head = head
        self.persons = tuple(persons)
        self.digest = digest
        self.left_out = left_out  # members that a newer minor version has
        self._by_ref = MappingProxyType({one.ref: one for one in self.persons})
        self._by_number = MappingProxyType({one.number_hmac: one for one in self.persons})
        self._by_slot = MappingProxyType(
            {(ref.module, ref.slot): one for one in self.persons for ref in one.references}
        )

    def __repr__(self) -> str:
        return f"Roster(version={self.head.version}, persons={len(self.persons)})"

    def of_ref(self, ref: str) -> Person | None:
        """By person reference."""
        return self._by_ref.get(ref)

    def of_number(self, number_hmac: bytes) -> Person | None:
        """By the keyed hash of the number on an ID card."""
        return self._by_number.get(number_hmac)

    def of_slot(self, module: str, slot: int) -> Person | None:
        """Whose template lies in a slot of a fingerprint or face module."""
        return self._by_slot.get((module, slot))
