"""What the clock says of wearables: bound and unbound by the roster, an approval that ended, one not heard any more."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import tzinfo

from gateway.checkin.schedule import local_day
from gateway.clock import Clock, ClockQuality
from gateway.errors import StoreRefused
from gateway.ingest.alarms import Alarms
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.tracking.conditions import KINDS
from gateway.tracking.desk import PERSON, TrackingDesk
from gateway.tracking.wearers import Wearers

log = logging.getLogger(__name__)

LOOK_S = 15.0
SILENT_S = 3600.0
BOUND = "worn:"  # state: tracker -> `ref|last day|ended`


class TrackingWatch:
    """Looks now and then."""

    def __init__(
        self,
        wearers: Wearers,
        desk: TrackingDesk,
        *,
        ingest: Ingest,
        alarms: Alarms,
        clock: Clock,
        zone: tzinfo,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wearers = wearers
        self._desk = desk
        self._ingest = ingest
        self._alarms = alarms
        self._clock = clock
        self._zone = zone
        self._seconds = seconds

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except StoreRefused as exc:
                log.warning("wearables not looked after", extra={"code": exc.code})

    async def look(self) -> None:
        """Once; raises `StoreRefused`: the rest is done at the next look."""
        await self._mind_bindings()
        await self._mind_silence()
        for key in list(self._alarms.standing):
            kind, _, about = key.partition("/")
            if kind in KINDS and about.startswith(PERSON) and not self._still_worn(about):
                await self._alarms.clear(kind, about)

    def _still_worn(self, about: str) -> bool:
        ref, _, tracker = about.removeprefix(PERSON).partition("/")
        wearer = self._wearers.of(tracker)
        return wearer is not None and wearer.ref == ref

    async def _mind_bindings(self) -> None:
        """One event for each tracker that comes to somebody, leaves him, or whose approval is over."""
        now = self._clock.now()
        day = local_day(now.wall_ms, self._zone)
        vouched = now.quality is not ClockQuality.UNSYNCED
        noted = await self._ingest.notes(BOUND)
        worn = self._wearers.all()
        for tracker, note in noted.items():
            ref, until, _ = note.split("|")
            wearer = worn.get(tracker)
            if wearer is None or wearer.ref != ref:
                await self._tell("unbound", tracker, ref, until, None)
        for tracker, wearer in worn.items():
            ref, until, ended = noted.get(tracker, "||").split("|")
            last = wearer.approved_until.isoformat()
            over = vouched and not wearer.approved(day)
            if ref != wearer.ref or until != last:
                await self._tell("bound", tracker, wearer.ref, last, f"{wearer.ref}|{last}|")
                ended = ""
            if over and not ended:
                await self._tell("approval_ended", tracker, wearer.ref, last, f"{wearer.ref}|{last}|ended")

    async def _tell(self, what: str, tracker: str, ref: str, until: str, note: str | None) -> None:
        data = {"tracker": tracker, "approved_until": until}
        fact = Fact(f"tracker.{what}", f"person/{ref}", dict(data), restricted=True)
        await self._ingest.store([fact], "gateway", note=(BOUND + tracker, note))

    async def _mind_silence(self) -> None:
        """A wearable that was heard in this run and is not any more. One never heard is the technician's."""
        day = local_day(self._clock.now().wall_ms, self._zone)
        now_s = self._seconds()
        for tracker, heard_s in self._desk.heard_s().items():
            wearer = self._wearers.of(tracker)
            if wearer is None or not wearer.approved(day) or now_s - heard_s < SILENT_S:
                continue
            about = self._desk.about(tracker, wearer)
            await self._alarms.raise_(
                "signal_lost", about, {"tracker": tracker, "silent_s": int(now_s - heard_s)}
            )
