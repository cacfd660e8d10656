"""Each device its own task: open, serve, back off, come back. One device's trouble is its own.

A device is reported once when lost and once when back: one log line, one event, one metric. A flapping
device makes at most one event in 10 s: rows that cannot be purged must not be producible at will.
A device that stays away for a minute raises an alarm, which clears when it is back.

This is the one place with a broad `except`: a bug in a driver must not take the other devices with it.
Storing what a device said is not the driver's: a failure of it rises in the core and ends the process
(docs/decisions/0005). A driver that is cancelled undoes nothing: what was handed over is stored.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

from drivers.driver import Driver, EventsRefused
from drivers.errors import DeviceFault, DeviceMismatch, DriverError
from drivers.events import DeviceEvent, DeviceReady
from drivers.listening import Listened
from drivers.terminals import Record
from firmware_protocols.tracking import TrackerReport
from gateway.clock import Clock
from gateway.envelope import Draft
from gateway.evidence.canonical import Json
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.metrics import Metrics
from gateway.view import DeviceView

log = logging.getLogger(__name__)

BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 5.0)  # back within 10 s of being plugged in, without hammering a port
AFTER_BUG_S = 30.0
REPORT_EVERY_S = 10.0
ALARM_AFTER_S = 60.0
LOOK_S = 5.0  # how often a missing device's time is looked at

ONLINE, OFFLINE, FAULT, UNKNOWN = "online", "offline", "fault", "unknown"
TakeReports: TypeAlias = Callable[[str, Sequence[TrackerReport]], Awaitable[int]]  # how many are kept
TakeRecords: TypeAlias = Callable[[str, Sequence[Record]], Awaitable[int]]  # how many were new


class BeaconDesk(Protocol):
    """Who wants to know which beacons are near."""

    def beacons(self) -> Collection[str]:
        """Those that somebody is bound to."""
        ...

    async def take(self, device: str, what: Listened) -> int:
        """What listening came to; how many events followed. Never raises over the store."""
        ...


_EVENTS = {ONLINE: "device.online", OFFLINE: "device.offline", FAULT: "device.fault"}


class DeviceTask:
    """One device: the `drivers.driver.Host` its driver talks to, its state, its supervision."""

    def __init__(
        self,
        view: DeviceView,
        *,
        ingest: Ingest,
        alarms: Alarms,
        clock: Clock,
        metrics: Metrics,
        changed: Callable[[], None],
        stored: Callable[[str, Sequence[Draft]], None] = lambda _device, _drafts: None,
        take_records: TakeRecords | None = None,
        take_reports: TakeReports | None = None,
        presence: BeaconDesk | None = None,
    ) -> None:
        """`changed`: people should look again; `stored`: what this device said is on disk now.

        `take_records`: stores what a terminal has kept; `take_reports`: what wearables say;
        `presence`: whom it concerns that beacons are near.
        """
        self.id = view.id
        self._view = view  # without the counts, which change with each event
        self._events_total, self._last_event_ms = view.events_total, view.last_event_ms
        self._ingest = ingest
        self._alarms = alarms
        self._clock = clock
        self._metrics = metrics
        self._changed = changed
        self._stored = stored
        self._take_records = take_records
        self._take_reports = take_reports
        self._presence = presence
        self._handing_over = 0
        self._told = UNKNOWN  # state that the last event spoke of
        self._dirty = asyncio.Event()
        self._away_since: float | None = time.monotonic()
        metrics.add_device(view.id)

    @property
    def view(self) -> DeviceView:
        """What people see of it now."""
        return replace(self._view, events_total=self._events_total, last_event_ms=self._last_event_ms)

    # -- what a driver may say ------------------------------------------------------------------------

    async def committed(self, events: Sequence[DeviceEvent]) -> None:
        """Events of this device, on disk when it returns; raises `EventsRefused`."""
        self._handing_over += 1  # until it is known what came of it: an error meanwhile is not the driver's
        try:
            drafts = await self._ingest.accept(self.id, events)
        except (EventsRefused, asyncio.CancelledError):
            self._handing_over -= 1
            raise
        self._stored(self.id, drafts)
        self._events_total += len(events)
        self._last_event_ms = self._clock.now().wall_ms
        self._changed()
        self._handing_over -= 1

    async def recorded(self, records: Sequence[Record]) -> None:
        """Records of this terminal, on disk when it returns; raises `EventsRefused`."""
        if self._take_records is None:
            raise EventsRefused("no_desk", "nobody takes the records of terminals here")
        new = await self._take_records(self.id, records)
        self._events_total += new
        if new:
            self._last_event_ms = self._clock.now().wall_ms
        self._changed()

    async def heard(self, reports: Sequence[TrackerReport]) -> None:
        """What wearables said, as far as it is kept on disk when it returns; raises `EventsRefused`."""
        if self._take_reports is None:
            raise EventsRefused("no_desk", "nobody takes the reports of wearables here")
        self._handing_over += 1
        try:
            kept = await self._take_reports(self.id, reports)
        except (EventsRefused, asyncio.CancelledError):
            self._handing_over -= 1
            raise
        self._handing_over -= 1
        self._events_total += kept
        self._last_event_ms = self._clock.now().wall_ms
        self._changed()

    def beacons(self) -> Collection[str]:
        """Beacons that somebody is bound to."""
        return () if self._presence is None else self._presence.beacons()

    async def listened(self, what: Listened) -> None:
        """What listening for them came to; what follows of it is on disk when it returns."""
        if self._presence is None:
            return
        self._handing_over += 1
        try:
            told = await self._presence.take(self.id, what)
        except asyncio.CancelledError:
            self._handing_over -= 1
            raise
        self._handing_over -= 1
        if told:
            self._events_total += told
            self._last_event_ms = self._clock.now().wall_ms
            self._changed()

    def ready(self, info: DeviceReady) -> None:
        """The device answered after its link was opened."""
        if self._view.state in {OFFLINE, FAULT}:
            log.info("device back", extra={"device": self.id})
        else:
            log.info("device online", extra={"device": self.id, "model": info.model})
        self._view = replace(self._view, model=info.model, firmware=info.firmware, serial=info.serial)
        self._set(ONLINE, None, None)

    def noise(self, reason: str, length: int) -> None:
        """Bytes that were no frame."""
        self._metrics.device_frames_discarded.labels(self.id, reason).inc()
        self._view = replace(self._view, noise_total=self._view.noise_total + 1)
        log.debug("discarded", extra={"device": self.id, "reason": reason, "length": length})

    # -- supervision ----------------------------------------------------------------------------------

    async def serve(self, driver: Driver) -> None:
        """Run the driver for ever."""
        attempt = 0
        while True:
            began = time.monotonic()
            pause = await self._serve_once(driver)
            attempt = 0 if time.monotonic() - began > REPORT_EVERY_S else attempt + 1
            await asyncio.sleep(pause or BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])

    async def _serve_once(self, driver: Driver) -> float | None:
        try:
            await driver.run()
        except DriverError as exc:
            state = FAULT if isinstance(exc, DeviceFault | DeviceMismatch) else OFFLINE
            self._lost(state, exc.code, str(exc))
        except Exception:
            if self._handing_over:
                raise  # the store's or a bug of the core: it ends the process
            log.exception("driver failed; this is a bug, please report it", extra={"device": self.id})
            self._lost(FAULT, "driver_bug", "the driver failed; see the log")
            return AFTER_BUG_S
        return None

    def _lost(self, state: str, code: str, text: str) -> None:
        if self._view.state == ONLINE:
            self._metrics.device_lost.labels(device=self.id).inc()
            log.warning("device lost", extra={"device": self.id, "code": code, "cause": text})
        elif self._view.code != code:
            log.warning("device not available", extra={"device": self.id, "code": code, "cause": text})
        self._set(state, code, text)

    def _set(self, state: str, code: str | None, detail: str | None) -> None:
        since = self._view.since_ms if state == self._view.state else self._clock.now().wall_ms
        self._view = replace(self._view, state=state, code=code, detail=detail, since_ms=since)
        self._metrics.device_up.labels(device=self.id).set(int(state == ONLINE))
        if state == ONLINE:
            self._away_since = None
        elif self._away_since is None:
            self._away_since = time.monotonic()
        self._dirty.set()
        self._changed()

    async def report(self) -> None:
        """Turn changes of state into events, at most one in 10 s, and long absence into an alarm. For ever."""
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._dirty.wait()
            except TimeoutError:
                await self._mind_absence()
                continue
            self._dirty.clear()
            if self._view.state != self._told and await self._tell():
                await self._mind_absence()
                await asyncio.sleep(REPORT_EVERY_S)

    async def _tell(self) -> bool:
        state, view = self._view.state, self._view
        data: dict[str, Json] = {"kind": view.kind}
        if state == ONLINE:
            data |= {"model": view.model, "serial": view.serial}
        else:
            data["code"] = view.code
        if await self._ingest.record(_EVENTS[state], data, device=view.id) is None:
            self._dirty.set()  # the store takes nothing now: tell it later
            await asyncio.sleep(REPORT_EVERY_S)
            return False
        self._told = state
        return True

    async def _mind_absence(self) -> None:
        if self._away_since is None:
            await self._alarms.clear("device_fault", self.id)
        elif time.monotonic() - self._away_since >= ALARM_AFTER_S:
            await self._alarms.raise_("device_fault", self.id, {"code": self._view.code})
