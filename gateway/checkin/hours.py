"""Study and service (学习、公益活动): pairs of in and out, and the hours they come to. Pure.

A pair lies within one day of the center. Its length is told by the clock that runs since boot; across boots
by the calendar, and only where that is sure to the minute. What is not sure is not counted and said to be
so: an in without an out, an out without an in, a second in before an out (the first one is open), a length
that nobody can tell, and being at both at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, tzinfo

from gateway.checkin.due import SURE_MS
from gateway.checkin.purposes import Purpose
from gateway.checkin.schedule import local_day
from gateway.checkin.timeline import Moment, Placed

IN = {Purpose.STUDY_IN: Purpose.STUDY_OUT, Purpose.SERVICE_IN: Purpose.SERVICE_OUT}
OUT = {out: begun for begun, out in IN.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Somebody signed in or out."""

    id: str
    ref: str
    purpose: Purpose
    at: Moment | None  # None: entered by hand
    placed: Placed
    wall_ms: int  # as the clock stood; where nothing better is known

    @property
    def sure(self) -> bool:
        """Whether its time is known as well as a check-in's must be."""
        return self.placed.latest_ms - self.placed.earliest_ms <= SURE_MS

    @property
    def best_ms(self) -> int:
        """The best-known time."""
        return (self.placed.earliest_ms + self.placed.latest_ms) // 2 if self.sure else self.wall_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One pair, or what is left of one."""

    ref: str
    begun: Purpose  # study_in, service_in
    came: Sign | None
    left: Sign | None
    day: date
    seconds: int | None  # None: not counted

    @property
    def open(self) -> bool:
        """One of the two is missing."""
        return self.came is None or self.left is None


def stays(signs: Iterable[Sign], zone: tzinfo) -> list[Stay]:
    """Pairs of each person, in the order in which they were recorded or, where all times are sure, happened."""
    of_kind: dict[tuple[str, Purpose], list[Sign]] = {}
    for sign in signs:
        begun = sign.purpose if sign.purpose in IN else OUT.get(sign.purpose)
        if begun is not None:
            of_kind.setdefault((sign.ref, begun), []).append(sign)
    found: dict[str, list[Stay]] = {}
    for (ref, begun), some in of_kind.items():
        found.setdefault(ref, []).extend(_paired(ref, begun, _in_order(some), zone))
    return [_but_both_at_once(stay, own) for own in found.values() for stay in own]


def _in_order(signs: Sequence[Sign]) -> Sequence[Sign]:
    return sorted(signs, key=lambda one: one.best_ms) if all(one.sure for one in signs) else signs


def _paired(ref: str, begun: Purpose, signs: Sequence[Sign], zone: tzinfo) -> Iterator[Stay]:
    came: Sign | None = None

    def stay(first: Sign | None, last: Sign | None, seconds: int | None) -> Stay:
        known = first or last
        day = local_day(0 if known is None else known.best_ms, zone)
        return Stay(ref=ref, begun=begun, came=first, left=last, day=day, seconds=seconds)

    for sign in signs:
        if sign.purpose is begun:
            if came is not None:
                yield stay(came, None, None)
            came = sign
        elif came is None or local_day(came.best_ms, zone) != local_day(sign.best_ms, zone):
            if came is not None:
                yield stay(came, None, None)
            yield stay(None, sign, None)
            came = None
        else:
            yield stay(came, sign, _length_s(came, sign))
            came = None
    if came is not None:
        yield stay(came, None, None)


def _length_s(came: Sign, left: Sign) -> int | None:
    """None where it is not sure, or runs backwards."""
    if not (came.sure and left.sure):
        return None  # on which day it was, nobody can say
    if came.at is not None and left.at is not None and came.at.boot_id == left.at.boot_id:
        length_ms = left.at.mono_ms - came.at.mono_ms
    else:
        length_ms = left.best_ms - came.best_ms
    return length_ms // 1000 if length_ms >= 0 else None


def _but_both_at_once(stay: Stay, others: Sequence[Stay]) -> Stay:
    if stay.seconds is None or stay.came is None or stay.left is None:
        return stay
    begin, end = stay.came.best_ms, stay.left.best_ms
    for other in others:
        if other.begun is stay.begun or other.seconds is None or other.came is None or other.left is None:
            continue
        if other.came.best_ms < end and begin < other.left.best_ms:
            return replace(stay, seconds=None)
    return stay
