"""Takes what wearables say: positions and states on disk before they are answered, alarms in pairs.

How a wearable is, is told when it changed, and else twice an hour: a report comes every few seconds, and rows that
cannot be purged must not be producible at will. Of a wearable that no roster names only that is told.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo

from drivers.driver import EventsRefused
from firmware_protocols.tracking import TrackerReport
from gateway.checkin.schedule import local_day
from gateway.clock import Clock
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.alarms import Alarms
from gateway.ingest.facts import Fact, RecordFact
from gateway.ingest.ingest import Ingest
from gateway.tracking.battery import Battery
from gateway.tracking.conditions import Conditions
from gateway.tracking.facts import fix_fact, status_fact
from gateway.tracking.wearers import Wearer, Wearers

STATUS_EVERY_S = 1800.0
STRANGER_EVERY_S = 3600.0
BATTERY_STEP_PCT = 5
MOST_TRACKERS = 4096  # remembered; more than any center has
PERSON = "person/"


class _Known:
    """What is remembered of one wearable in this run."""

    def __init__(self) -> None:
        self.conditions = Conditions()
        self.battery = Battery()
        self.heard_s = 0.0
        self.told_s: float | None = None
        self.told: tuple[object, ...] = ()


class TrackingDesk:
    """All wearables of a gateway."""

    def __init__(
        self,
        wearers: Wearers,
        *,
        ingest: Ingest,
        alarms: Alarms,
        clock: Clock,
        zone: tzinfo,
        counted: Callable[[str], None] = lambda _what: None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`counted`: what became of a report (kept, not_approved, no_wearer); `seconds`: nobody can set them."""
        self._wearers = wearers
        self._ingest = ingest
        self._alarms = alarms
        self._clock = clock
        self._zone = zone
        self._counted = counted
        self._seconds = seconds
        self._known: dict[str, _Known] = {}

    async def take(self, device: str, reports: Sequence[TrackerReport]) -> int:
        """What is kept of these is on disk when it returns; how many were new. Raises `EventsRefused`: not all is."""
        try:
            return await self._take(device, reports)
        except StoreRefused as exc:
            raise EventsRefused(exc.code, str(exc)) from exc

    def heard_s(self) -> Mapping[str, float]:
        """When each wearable of this run was last heard, in monotonic seconds."""
        return {tracker: one.heard_s for tracker, one in self._known.items()}

    def about(self, tracker: str, wearer: Wearer) -> str:
        """What an alarm of it is about."""
        return f"{PERSON}{wearer.ref}/{tracker}"

    def kinds_standing(self, about: str) -> set[str]:
        """Kinds of alarm that stand about something."""
        parts = (key.partition("/") for key in self._alarms.standing)
        return {kind for kind, _, subject in parts if subject == about}

    # -- one report -----------------------------------------------------------------------------------

    async def _take(self, device: str, reports: Sequence[TrackerReport]) -> int:
        now, now_s = self._clock.now(), self._seconds()
        kept: list[RecordFact] = []
        statuses: list[Fact] = []
        worn: list[tuple[TrackerReport, Wearer]] = []
        day = local_day(now.wall_ms, self._zone)
        for report in reports:
            if report.device_id is None:
                self._counted("no_id")
                continue
            wearer, known = self._wearers.of(report.device_id), self._known_of(report.device_id)
            known.heard_s = now_s
            if report.fix is not None:
                found = fix_fact(report, device, wearer, now, self._zone)
                self._counted(found.left_out or "kept")
                if found.fact is not None:
                    kept.append(found.fact)
            status = self._status(report, device, wearer, known, now_s)
            if status:
                statuses.append(status_fact(report, device, wearer, day, known.battery.hours_left()))
            if wearer is not None and wearer.approved(day):
                worn.append((report, wearer))
        new = 0
        if kept:
            try:
                new = await self._ingest.store_records(kept, device)
            except StoreRefused as exc:
                if exc.code != "degraded":  # room runs out: positions are left out, and that is counted
                    raise
        if statuses:
            await self._ingest.store(statuses, device)
        for report, wearer in worn:
            await self._mind(report, wearer, now_s)
        return new + len(statuses)

    def _known_of(self, tracker: str) -> _Known:
        known = self._known.get(tracker)
        if known is None:
            if len(self._known) >= MOST_TRACKERS:
                del self._known[min(self._known, key=lambda one: self._known[one].heard_s)]
            known = self._known[tracker] = _Known()
        return known

    def _status(
        self, report: TrackerReport, device: str, wearer: Wearer | None, known: _Known, now_s: float
    ) -> bool:
        """Whether it is worth telling how the wearable is."""
        if report.battery_pct is not None:
            known.battery.note(now_s, report.battery_pct, charging=report.charging)
        pct = None if report.battery_pct is None else report.battery_pct // BATTERY_STEP_PCT
        said = (device, report.charging, pct, tuple(sorted(report.standing.items())))
        if wearer is None:
            due = known.told_s is None or now_s - known.told_s >= STRANGER_EVERY_S
        else:
            aged = known.told_s is None or now_s - known.told_s >= STATUS_EVERY_S
            due = aged or bool(report.moments) or (bool(report.standing or pct) and said != known.told)
        if due:
            known.told_s, known.told = now_s, said
        return due

    async def _mind(self, report: TrackerReport, wearer: Wearer, now_s: float) -> None:
        tracker = report.device_id or ""
        about = self.about(tracker, wearer)
        standing = self.kinds_standing(about)
        if "signal_lost" in standing:
            await self._alarms.clear("signal_lost", about)
        for change in self._known[tracker].conditions.changes(report, standing, now_s):
            if change.raised:
                data: dict[str, Json] = {"tracker": tracker}
                if change.sign is not None:
                    data["sign"] = change.sign.name.lower()
                await self._alarms.raise_(change.kind, about, data)
            else:
                await self._alarms.clear(change.kind, about)
