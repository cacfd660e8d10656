"""What staff see of one day: who is due, who came, who is here, what waits for them. Values and a protocol only.

Names here are masked; they go to a signed-in member of staff and nowhere else.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from gateway.checkin.due import Coverage, Reason, State
from gateway.checkin.purposes import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One person who is due, or was, on the day."""

    ref: str
    name: str = field(repr=False)  # masked; a protected person's is shown behind a recorded click
    protected: bool
    unit: str
    category: str
    windows: tuple[tuple[str, str], ...]  # local time, `08:30`; an end at midnight is `24:00`
    state: State
    reason: Reason | None = None
    came_ms: int | None = None  # of the check-in that counts, or of a late arrival
    late_arrival: bool = False
    by_staff: bool = False  # the second factor was the word of staff
    came_unsure: bool = False  # somebody came whose time is not sure enough to say that it counts
    said: str | None = None  # id of the statement that was recorded: missed, unassessed
    coverage: Coverage | None = None  # how far check-ins could be taken, where that was stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One session that ended on the day, newest first in lists."""

    event: str  # id of the event that ended it
    at_ms: int
    kiosk: str
    purpose: Purpose | None
    outcome: str  # facts.Outcome
    reason: str | None
    ref: str | None  # None: nobody that the roster knows
    name: str | None = field(repr=False)
    protected: bool
    method: str | None = None
    counts_as: State | None = None  # on time, late: of a report that was due
    reviewed: str | None = None  # of one that waited for review: accepted, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Somebody who signed in for study or service and has not signed out."""

    ref: str
    name: str = field(repr=False)
    protected: bool
    purpose: Purpose  # study_in, service_in
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Study or service of one person, from pairs of in and out."""

    ref: str
    name: str = field(repr=False)
    protected: bool
    study_s: int
    service_s: int
    open_pairs: int  # an in without an out, or the reverse: not counted
    unsure_pairs: int = 0  # a length that nobody can tell, or at both at once: not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day."""

    day: date
    roster_version: int | None  # None: there is no roster
    roster_age_s: int | None
    roster_expired: bool
    duties: Sequence[Duty]
    visits: Sequence[Visit]
    here: Sequence[Here]
    hours: Sequence[Hours]


class DayBook(Protocol):
    """The days, as far as the store remembers them."""

    def today(self) -> date:
        """By the clock and the center's zone."""
        ...

    async def day(self, day: date) -> Day:
        """One day; reads the store beside the loop."""
        ...

    async def month(self, first: date) -> Sequence[Hours]:
        """Study and service of everybody from the day `first` to the end of its month."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """At once, then after each change of today, at most two a second."""
        ...

    async def enter(
        self, *, ref: str, purpose: Purpose, at_ms: int, staff: str, reason: str, key: str
    ) -> str:
        """Record by hand that somebody was here; the event's id, the same for the same `key`.

        For a kiosk that was broken: the event says who wrote it, when, and why. Raises `ContractError`
        (unknown_person, bad_time, no_reason) and `StoreRefused`.
        """
        ...

    async def review(
        self, *, event: str, accept: bool, staff: str, reason: str, ref: str | None, purpose: Purpose | None
    ) -> str:
        """Decide about a check-in that waits for review.

        `ref`: who it was, where the roster did not know. `purpose`: what it was for, where the terminal
        could not say. Raises `ContractError` (not_waiting, unknown_person, no_purpose, no_reason) and
        `StoreRefused`.
        """
        ...
