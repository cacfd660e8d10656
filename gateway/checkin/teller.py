"""Says by the clock who did not come: `checkin.missed`, `checkin.unassessed`, once for each duty.

What may be said `due` decides, out of the record (`recalled`). Here is when to ask, and that what is said is
said once: whether it was, and whether anybody came meanwhile, is asked in the transaction of the statement,
behind every check-in that was on its way. A row of the diary is the mark, in that transaction as well.

Asked when a window ends by the wall clock, when a day begins, and when the roster or the clock changed. Never
before somebody has vouched for the clock for ten minutes. The reading and judging happen beside the loop.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from functools import partial
from pathlib import Path

from gateway.checkin import due
from gateway.checkin.availability import Availability
from gateway.checkin.beside import aside
from gateway.checkin.due import Assessment, Now, State, assess
from gateway.checkin.keeper import InForce, RosterKeeper
from gateway.checkin.recalled import recall
from gateway.checkin.schedule import local_day, midnight_ms
from gateway.checkin.steady import Steadiness
from gateway.checkin.timeline import FOREVER_MS, Moment
from gateway.clock import Clock, Stamp
from gateway.envelope import GATEWAY_DEVICE
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.store import diary, rosters
from gateway.store.diary_reading import moment_of
from gateway.store.outbox import Outbox
from gateway.store.store import Store

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
WRITE_EVERY_MS = 60_000  # when check-ins could be taken: a commit a minute
AGAIN_MS = 5_000  # at the earliest after a look, where something is over and cannot be said yet
BATCH = 50  # statements in one commit: a check-in waits behind one of them for some ms
DAYS_AT_ONCE = 8
MOST_DAYS = 180  # back: as far as the store remembers
TOLD = "told_before"  # state: of every duty before this day, what could be said was said
_DAY = timedelta(days=1)
_SETTLED = frozenset({State.DONE, State.LATE, State.ON_LEAVE, State.ELSEWHERE})
_STATED = frozenset({State.MISSED, State.UNASSESSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What a look at some days came to."""

    to_say: Sequence[Assessment]
    newest_n: int  # of the diary, as it was looked at
    next_ms: int  # when the next duty will be over
    open_from: date  # every duty before is done, or said as soon as these are


class Teller:
    """The task of one gateway. `look` is one turn of it."""

    def __init__(
        self,
        *,
        path: Path,
        store: Store,
        ingest: Ingest,
        keeper: RosterKeeper,
        clock: Clock,
        zone: tzinfo,
        kiosk_ready: Callable[[], bool],
        store_ready: Callable[[], bool],
    ) -> None:
        """`path`: of the store; `kiosk_ready`, `store_ready`: whether a check-in could be taken now."""
        self._path = path
        self._store = store
        self._ingest = ingest
        self._keeper = keeper
        self._clock = clock
        self._zone = zone
        self._kiosk_ready = kiosk_ready
        self._store_ready = store_ready
        self._availability = Availability(clock.now().boot_id)
        self._steadiness = Steadiness()
        self._steady_s = 0
        self._written_ms: int | None = None
        self._asked: tuple[bytes, int] | None = None  # roster and wall time of the last look
        self._next_ms = 0
        self._told_before: date | None = None
        self._refused: str | None = None

    @property
    def steady_s(self) -> int:
        """For how long somebody has vouched for the clock, as of the last look."""
        return self._steady_s

    async def run(self) -> None:
        """For as long as the gateway serves."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """Note how things stand, and say what can be said now; how much was said."""
        stamp, steady_s = self._sample()
        if self._written_ms is None or stamp.mono_ms - self._written_ms >= WRITE_EVERY_MS:
            await self._write(stamp)
        in_force = self._keeper.in_force
        if in_force is None or steady_s < due.STEADY_S:
            self._asked = None
            return 0
        asked = self._asked
        same = asked is not None and asked[0] == in_force.roster.digest and stamp.wall_ms >= asked[1]
        if same and stamp.wall_ms < self._next_ms:
            return 0
        try:
            said = await self._tell(in_force)
        except StoreRefused as exc:
            self._next_ms = stamp.wall_ms + AGAIN_MS
            self._asked = in_force.roster.digest, stamp.wall_ms
            if self._refused != exc.code:
                log.warning("nothing can be said of who was due", extra={"code": exc.code})
            self._refused = exc.code
            return 0
        self._refused = None
        return said

    def _sample(self) -> tuple[Stamp, int]:
        stamp = self._clock.now()
        self._availability.look(stamp.mono_ms, gateway=self._store_ready(), kiosk=self._kiosk_ready())
        self._steady_s = self._steadiness.look(stamp)
        return stamp, self._steady_s

    async def _write(self, stamp: Stamp) -> None:
        """Note on disk how long check-ins could be taken so far."""
        spans = self._availability.to_write()
        self._written_ms = stamp.mono_ms
        try:
            await self._store.run(lambda box: diary.note_up(box.connection, spans), soon=True)
        except StoreRefused:
            self._availability.not_written()
        else:
            self._availability.written(spans)

    async def _tell(self, in_force: InForce) -> int:
        stamp, steady_s = self._sample()  # what is judged as of this moment is on disk up to it
        await self._write(stamp)
        now = Now(at=Moment(stamp.boot_id, stamp.mono_ms), wall_ms=stamp.wall_ms, steady_s=steady_s)
        today = local_day(stamp.wall_ms, self._zone)
        first = await self._first_day(stamp, today)
        said, next_ms = 0, FOREVER_MS
        while first <= today:
            end = min(first + DAYS_AT_ONCE * _DAY, today + _DAY)
            judged = await aside(partial(self._judge, in_force, stamp, now, first, end))
            told = await self._say(in_force, judged)
            said += told
            next_ms = min(next_ms, judged.next_ms)
            if told < len(judged.to_say):
                next_ms = min(next_ms, stamp.wall_ms)  # somebody came, or something changed: look again
                break
            if judged.open_from < end:
                await self._note_told(judged.open_from)
                break
            await self._note_told(end)
            first = end
        self._asked = in_force.roster.digest, stamp.wall_ms
        self._next_ms = max(stamp.wall_ms + AGAIN_MS, min(next_ms, midnight_ms(today + _DAY, self._zone)))
        return said

    async def _first_day(self, stamp: Stamp, today: date) -> date:
        """The first day of which something may still be to be said."""
        if self._told_before is None:
            noted = await self._store.read(lambda box: box.noted(TOLD))
            if noted is not None:
                self._told_before = date.fromisoformat(noted)
            else:
                self._told_before = await aside(partial(self._begun, stamp, today))
        # Set back, the clock may have been wrong before: what was said is not said again.
        self._told_before = max(min(self._told_before, today), today - MOST_DAYS * _DAY)
        return self._told_before

    def _begun(self, stamp: Stamp, today: date) -> date:
        with moment_of(self._path) as reading:
            recalled = recall(reading, stamp, self._zone, today, today + _DAY)
        if recalled.begun is None:
            return today
        latest_ms = recalled.timeline.place(recalled.begun).latest_ms
        return today if latest_ms > stamp.wall_ms else local_day(latest_ms, self._zone)

    async def _note_told(self, before: date) -> None:
        if before == self._told_before:
            return
        self._told_before = before
        await self._store.run(lambda box: box.note(TOLD, before.isoformat()), soon=True)

    # -- beside the loop ------------------------------------------------------------------------------

    def _judge(self, in_force: InForce, stamp: Stamp, now: Now, first: date, end: date) -> _Judged:
        with moment_of(self._path) as reading:
            recalled = recall(reading, stamp, self._zone, first, end)
        begun_ms = 0
        if recalled.begun is not None:
            begun_ms = recalled.timeline.place(recalled.begun).latest_ms
        placed = recalled.timeline.place(now.at)
        to_say: list[Assessment] = []
        next_ms, open_from = FOREVER_MS, local_day(min(placed.earliest_ms, stamp.wall_ms), self._zone)
        for one in assess(in_force.roster, recalled.record(in_force), now, self._zone, first, end):
            if one.said is not None or one.state in _SETTLED:
                continue
            if one.state not in _STATED:
                next_ms = min(next_ms, one.occurrence.late_until_ms)
                open_from = min(open_from, one.occurrence.day)
            elif one.occurrence.late_until_ms > begun_ms:
                to_say.append(one)
        return _Judged(to_say=to_say, newest_n=recalled.newest_n, next_ms=next_ms, open_from=open_from)

    # -- said -----------------------------------------------------------------------------------------

    async def _say(self, in_force: InForce, judged: _Judged) -> int:
        said = 0
        for at in range(0, len(judged.to_say), BATCH):
            if self._keeper.in_force is not in_force:
                break
            if self._steadiness.look(self._clock.now()) < due.STEADY_S:
                break  # somebody set the clock while we judged
            batch = judged.to_say[at : at + BATCH]
            choose = partial(_still_so, batch, judged.newest_n, in_force.roster.digest)
            committed = await self._ingest.store_chosen([_fact(one) for one in batch], GATEWAY_DEVICE, choose)
            said += sum(one is not None for one in committed)
        if said:
            log.info("said of who was due", extra={"count": said})
        return said


def _still_so(batch: Sequence[Assessment], newest_n: int, roster: bytes, box: Outbox) -> Collection[int]:
    """In the transaction: which of them were not said yet, and nobody of whom came since we looked."""
    if not rosters.is_current(box.connection, roster):
        return ()
    return [
        index
        for index, one in enumerate(batch)
        if not diary.was_said(box.connection, one.occurrence.person, one.occurrence.day.isoformat())
        and not diary.came_since(box.connection, one.occurrence.person, newest_n)
    ]


def _fact(one: Assessment) -> Fact:
    duty, coverage = one.occurrence, one.coverage
    data: dict[str, Json] = {
        "day": duty.day.isoformat(),
        "nominal": [day.isoformat() for day in duty.nominal],
        "roster_version": one.roster_version,
        "roster_age_s": one.roster_age_s,
    }
    if one.reason is not None:
        data["reason"] = one.reason
    if coverage is not None:
        data |= {
            "window_s": coverage.window_s,
            "available_s": coverage.available_s,
            "longest_gap_s": coverage.longest_gap_s,
        }
    return Fact(f"checkin.{one.state}", f"person/{duty.person}", data, restricted=True)
