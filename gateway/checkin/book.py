"""`day.DayBook` over the running gateway: days are read beside the loop, today's changes are told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, timedelta, tzinfo
from functools import partial
from pathlib import Path

from gateway.checkin.beside import aside
from gateway.checkin.by_hand import ByHand
from gateway.checkin.day import Day, Hours
from gateway.checkin.day_made import Maker
from gateway.checkin.due import Now
from gateway.checkin.keeper import InForce, RosterKeeper
from gateway.checkin.purposes import Purpose
from gateway.checkin.recalled import recall
from gateway.checkin.schedule import local_day
from gateway.checkin.timeline import Moment
from gateway.clock import Clock, Stamp
from gateway.store.diary_reading import moment_of
from gateway.store.tail import Committed

PACE_S = 0.5  # between two changes that are told
_DAY = timedelta(days=1)


class Book:
    """The days of one gateway."""

    def __init__(
        self,
        *,
        path: Path,
        keeper: RosterKeeper,
        clock: Clock,
        zone: tzinfo,
        by_hand: ByHand,
        steady_s: Callable[[], int],
    ) -> None:
        """`path`: of the store; `steady_s`: for how long somebody has vouched for the clock."""
        self._steady_s = steady_s
        self._path = path
        self._keeper = keeper
        self._clock = clock
        self._zone = zone
        self._by_hand = by_hand
        self._changed = asyncio.Event()

    def committed(self, events: Sequence[Committed]) -> None:
        """These are on disk."""
        if any(one.type.startswith("checkin.") or one.type == "system.roster_applied" for one in events):
            self._changed.set()
            self._changed = asyncio.Event()

    def today(self) -> date:
        """`day.DayBook.today`."""
        return local_day(self._clock.now().wall_ms, self._zone)

    async def day(self, day: date) -> Day:
        """`day.DayBook.day`; raises `StoreRefused` where the store cannot be read."""
        return await aside(partial(self._day, day, self._keeper.in_force, self._clock.now()))

    async def month(self, first: date) -> Sequence[Hours]:
        """Study and service of everybody from the day `first` to the end of its month."""
        return await aside(partial(self._month, first, self._keeper.in_force, self._clock.now()))

    async def changes(self) -> AsyncIterator[None]:
        """`day.DayBook.changes`."""
        while True:
            changed, today = self._changed, self.today()
            yield
            await asyncio.sleep(PACE_S)
            while today == self.today():
                try:
                    async with asyncio.timeout(30):
                        await changed.wait()
                    break
                except TimeoutError:
                    continue  # another day may have begun

    async def enter(
        self, *, ref: str, purpose: Purpose, at_ms: int, staff: str, reason: str, key: str
    ) -> str:
        """`day.DayBook.enter`."""
        return await self._by_hand.enter(
            ref=ref, purpose=purpose, at_ms=at_ms, staff=staff, reason=reason, key=key
        )

    async def review(
        self, *, event: str, accept: bool, staff: str, reason: str, ref: str | None, purpose: Purpose | None
    ) -> str:
        """`day.DayBook.review`."""
        return await self._by_hand.review(
            event=event, accept=accept, staff=staff, reason=reason, ref=ref, purpose=purpose
        )

    def _day(self, day: date, in_force: InForce | None, stamp: Stamp) -> Day:
        maker = self._maker(day, day + _DAY, in_force, stamp)
        at = Moment(stamp.boot_id, stamp.mono_ms)
        now = Now(at=at, wall_ms=stamp.wall_ms, steady_s=self._steady_s())
        return maker.day(day, now)

    def _month(self, first: date, in_force: InForce | None, stamp: Stamp) -> Sequence[Hours]:
        following = (first.replace(day=1) + 32 * _DAY).replace(day=1)
        maker = self._maker(first, following, in_force, stamp)
        return maker.hours(one for one in maker.stays() if first <= one.day < following)

    def _maker(self, first: date, end: date, in_force: InForce | None, stamp: Stamp) -> Maker:
        with moment_of(self._path) as reading:
            recalled = recall(reading, stamp, self._zone, first, end)
        return Maker(recalled, in_force, self._zone)
