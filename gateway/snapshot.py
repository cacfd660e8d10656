"""Builds what people see (`view.Snapshot`) from the running parts, from memory alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from gateway import __version__
from gateway.activity import Activity
from gateway.clock import Clock, ClockQuality, Stamp
from gateway.config import Config
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.store.outbox import Levels
from gateway.store.room import Level as Room
from gateway.store.store import Store
from gateway.uplink.sender import Sender
from gateway.uplink.uplink import Uplink
from gateway.view import (
    BufferView,
    ClockView,
    DeviceView,
    HealthItem,
    Level,
    Snapshot,
    UplinkView,
)

AT_MOST_EVERY_S = 0.2
AT_LEAST_EVERY_S = 15.0
OLD_BACKLOG_S = 900  # unsettled for longer: somebody should look

_ORDER = (Level.OK, Level.UNKNOWN, Level.ATTENTION, Level.FAULT)
_STANDING = {
    "store_damaged": ("store_damaged", Level.ATTENTION),
    "store_rollback": ("store_rollback", Level.ATTENTION),
    "chain_mismatch": ("chain_mismatch", Level.FAULT),
    "rejected": ("center_rejected", Level.ATTENTION),
    "duplicate_identity": ("duplicate_identity", Level.FAULT),
    "not_delivered": ("not_delivered", Level.FAULT),
    "certificate": ("certificate", Level.ATTENTION),
}


class Viewer:
    """`view.Viewed` over the running gateway."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        store: Store,
        ingest: Ingest,
        alarms: Alarms,
        uplink: Uplink,
        sender: Sender,
        activity: Activity,
        devices: Callable[[], Sequence[DeviceView]],
    ) -> None:
        self.levels = Levels(store.waiting, None, None, 0)
        self._config = config
        self._clock = clock
        self._store = store
        self._ingest = ingest
        self._alarms = alarms
        self._uplink = uplink
        self._sender = sender
        self._activity = activity
        self._devices = devices
        self._started = clock.now()
        self._pulse = asyncio.Event()
        self.center: Callable[[], str | None] = lambda: None
        self.more_health: Callable[[], Sequence[HealthItem]] = tuple  # of parts made after this one

    def touch(self) -> None:
        """Something that people see has changed."""
        self._pulse.set()

    async def changes(self) -> AsyncIterator[Snapshot]:
        """A snapshot at once, then one after each change."""
        while True:
            if self._pulse.is_set():  # whoever still waits on it has been woken
                self._pulse = asyncio.Event()
            pulse = self._pulse
            yield self.snapshot()
            try:
                async with asyncio.timeout(AT_LEAST_EVERY_S):
                    await pulse.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(AT_MOST_EVERY_S)

    def snapshot(self) -> Snapshot:
        """The state now."""
        now = self._clock.now()
        devices = tuple(self._devices())
        buffer = self._buffer(now)
        health = tuple(self._health(now, devices, buffer))
        level = max((item.level for item in health), key=_ORDER.index, default=Level.OK)
        return Snapshot(
            org=self._config.gateway.org,
            gateway=self._config.gateway.id,
            version=__version__,
            demo=self._config.gateway.demo,
            started_ms=self._started.wall_ms,
            level=level,
            ready=buffer.state == "ok",
            devices=devices,
            events=self._activity.newest(),
            buffer=buffer,
            uplink=self._uplink_view(),
            clock=ClockView(
                now_ms=now.wall_ms, quality=now.quality.value, error_ms=now.error_ms, uptime_ms=now.mono_ms
            ),
            health=health,
            center=self.center(),
        )

    def _buffer(self, now: Stamp) -> BufferView:
        tail, oldest = self._store.tail, self.levels.oldest_ms
        return BufferView(
            epoch=tail.epoch,
            last_seq=tail.seq,
            backlog=self._store.waiting,
            oldest_unsettled_s=None if oldest is None else max(0, now.wall_ms - oldest) // 1000,
            bytes_used=self.levels.bytes_used,
            state=self._store_state(),
            committed_total=self._activity.committed_total,
            settled_total=self._activity.settled_total,
        )

    def _store_state(self) -> str:
        if self._ingest.refusal is not None:
            return self._ingest.refusal.code
        return "store_full" if self._store.level is Room.SETTLE else "ok"

    def _uplink_view(self) -> UplinkView:
        uplink, endpoint = self._uplink, self._uplink.endpoint
        return UplinkView(
            state=uplink.state,
            broker=f"{endpoint.host}:{endpoint.port}",
            tls=endpoint.tls,
            mqtt=endpoint.version,
            ack_mode=uplink.ack_mode,
            since_ms=uplink.since_ms,
            last_ack_ms=uplink.last_ack_ms,
            in_flight=len(self._sender.out),
            window=self._sender.window.size,
            code=uplink.code,
            detail=uplink.detail,
        )

    def _health(self, now: Stamp, devices: Sequence[DeviceView], buffer: BufferView) -> list[HealthItem]:
        found: list[HealthItem] = []

        def add(code: str, level: Level, subject: str | None = None, detail: str | None = None) -> None:
            found.append(HealthItem(code=code, level=level, subject=subject, detail=detail))

        if buffer.state != "ok":
            add(buffer.state, Level.FAULT, detail=str(self._ingest.refusal or ""))
        elif self._store.level > Room.NORMAL:
            add("store_low", Level.ATTENTION, detail=self._store.level.name.lower())
        for key in self._alarms.standing:
            kind, _, about = key.partition("/")
            if kind in _STANDING:
                code, level = _STANDING[kind]
                add(code, level, detail=about)
        for device in devices:
            if device.state != "online":
                level = {"fault": Level.FAULT, "offline": Level.FAULT}.get(device.state, Level.UNKNOWN)
                add(f"device_{device.state}", level, subject=device.id, detail=device.detail)
        if not devices:
            add("no_devices", Level.ATTENTION)
        self._uplink_health(add, buffer)
        if now.quality is not ClockQuality.SYNCED:
            add(f"clock_{now.quality.value}", Level.ATTENTION)
        found += self.more_health()
        return found

    def _uplink_health(self, add: Callable[..., None], buffer: BufferView) -> None:
        uplink = self._uplink
        if uplink.state == "offline":
            add("uplink_offline", Level.ATTENTION, detail=uplink.detail)
        elif uplink.state == "connecting":
            add("uplink_connecting", Level.UNKNOWN)
        elif self._sender.window.patience_s > 30:
            add("uplink_stalled", Level.ATTENTION)
        elif buffer.oldest_unsettled_s is not None and buffer.oldest_unsettled_s > OLD_BACKLOG_S:
            add("backlog_old", Level.ATTENTION)
        if self._sender.nobody_listens:
            add("nobody_listens", Level.ATTENTION)
        if uplink.blocked:
            add("center_blocked", Level.FAULT)
        if uplink.not_verified:
            add("center_not_verified", Level.ATTENTION)
        if uplink.ack_mode == "broker":
            add("ack_mode_broker", Level.ATTENTION)
        if not uplink.endpoint.tls and uplink.endpoint.host not in {"127.0.0.1", "::1", "localhost"}:
            add("uplink_insecure", Level.ATTENTION)
