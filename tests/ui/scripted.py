"""Test code: a gateway that is only a script. It shows the snapshots it is given and tells of each change."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.view import (
    BufferView,
    ClockView,
    DeviceView,
    EventView,
    HealthItem,
    Level,
    Snapshot,
    Stage,
    UplinkView,
)

NOW_MS = 1_795_327_402_000  # 2026-11-22 14:03:22 in Beijing
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
EPOCH = "9f3c2a71"


class ScriptedGateway:
    """Implements `Viewed`. `show` replaces the snapshot and wakes every stream."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._changed = asyncio.Event()
        self.watchers = 0

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._changed.set()
        self._changed = asyncio.Event()

    def snapshot(self) -> Snapshot:
        return self._snapshot

    async def changes(self) -> AsyncIterator[Snapshot]:
        self.watchers += 1
        try:
            while True:
                changed = self._changed
                yield self._snapshot
                await changed.wait()
        finally:
            self.watchers -= 1


def event(
    seq: int,
    type_: str = "identity.card_read",
    *,
    stage: Stage = Stage.SETTLED,
    device: str = "idcard-1",
    ago_ms: int = 0,
    after_ms: int | None = None,
    detail: str | None = None,
    epoch: str = EPOCH,
) -> EventView:
    return EventView(
        epoch=epoch,
        seq=seq,
        type=type_,
        device=device,
        time_ms=NOW_MS - ago_ms,
        stage=stage,
        settled_after_ms=after_ms,
        detail=detail,
    )


def reader(**changed: object) -> DeviceView:
    device = DeviceView(
        id="idcard-1",
        kind="idcard.sam",
        state="online",
        since_ms=NOW_MS - 5 * HOUR_MS,
        port="/dev/serial/by-id/usb-ACME_IDReader_0001-if00",
        serial="0501-20260017-0001284",
        events_total=312,
        last_event_ms=NOW_MS - 2_000,
    )
    return replace(device, **changed)  # type: ignore[arg-type]  # the test names the field


def healthy() -> Snapshot:
    """Everything fine, some events, one of each stage that a healthy gateway shows."""
    return Snapshot(
        org="440305",
        gateway="gw-440305-01",
        version="0.1.0",
        demo=False,
        started_ms=NOW_MS - 5 * HOUR_MS,
        level=Level.OK,
        ready=True,
        devices=(
            reader(),
            DeviceView(
                id="idcard-2",
                kind="idcard.sam",
                state="online",
                since_ms=NOW_MS - 26 * HOUR_MS,
                port="/dev/serial/by-id/usb-ACME_IDReader_0002-if00",
                serial="0501-20260017-0001291",
                events_total=48,
                noise_total=3,
                last_event_ms=NOW_MS - 17 * MINUTE_MS,
            ),
        ),
        events=(
            event(1284, stage=Stage.COMMITTED, ago_ms=300),
            event(1283, stage=Stage.SENT, ago_ms=2_000),
            event(1282, ago_ms=41_000, after_ms=182),
            event(
                1281,
                "identity.card_refused",
                ago_ms=2 * MINUTE_MS,
                after_ms=240,
                detail="card_auth",
                device="idcard-2",
            ),
            event(1280, ago_ms=5 * MINUTE_MS, after_ms=171),
            event(1279, "device.online", ago_ms=9 * MINUTE_MS, after_ms=194, device="idcard-2"),
            event(1278, "device.offline", ago_ms=10 * MINUTE_MS, after_ms=1_420, device="idcard-2"),
            event(1277, ago_ms=17 * MINUTE_MS, after_ms=203, device="idcard-2"),
            event(1276, ago_ms=21 * MINUTE_MS, after_ms=3 * MINUTE_MS + 12_000),
            event(1275, "clock.synced", ago_ms=31 * MINUTE_MS, after_ms=166, device="gateway"),
        ),
        buffer=BufferView(
            epoch=EPOCH,
            last_seq=1284,
            backlog=2,
            oldest_unsettled_s=2,
            bytes_used=3_471_360,
            state="ok",
            committed_total=362,
            settled_total=360,
        ),
        uplink=UplinkView(
            state="online",
            broker="mqtt.example.cn:8883",
            tls=True,
            mqtt="5",
            ack_mode="center",
            since_ms=NOW_MS - 5 * HOUR_MS + 4_000,
            last_ack_ms=NOW_MS - 1_200,
            in_flight=2,
            window=64,
        ),
        clock=ClockView(now_ms=NOW_MS, quality="synced", error_ms=12, uptime_ms=53 * HOUR_MS),
    )


def troubled() -> Snapshot:
    """A reader unplugged, the uplink down, the clock unset, an event refused by the center."""
    good = healthy()
    return replace(
        good,
        level=Level.FAULT,
        devices=(
            reader(
                state="offline",
                since_ms=NOW_MS - 42_000,
                code="unplugged",
                detail="idcard-1: /dev/serial/by-id/usb-ACME_IDReader_0001-if00 vanished; plug the reader back in",
            ),
            reader(
                id="idcard-2",
                state="fault",
                since_ms=NOW_MS - 3 * MINUTE_MS,
                code="sam_self_test",
                detail="idcard-2: security module answered status 0x60 to its self-test; power-cycle the reader",
                serial=None,
            ),
            reader(id="idcard-3", state="unknown", serial=None, last_event_ms=None, events_total=0),
        ),
        events=(
            event(1285, stage=Stage.COMMITTED, ago_ms=8_000),
            event(1284, stage=Stage.SENT, ago_ms=50_000),
            event(1283, "identity.card_refused", stage=Stage.REJECTED, ago_ms=90_000, detail="read_failed"),
            *good.events[2:6],
        ),
        buffer=replace(good.buffer, last_seq=1285, backlog=1_284, oldest_unsettled_s=52 * 60),
        uplink=replace(
            good.uplink,
            state="offline",
            since_ms=NOW_MS - 52 * MINUTE_MS,
            last_ack_ms=NOW_MS - 53 * MINUTE_MS,
            code="unreachable",
            detail="mqtt.example.cn:8883: no route to host; check cable and routing",
        ),
        clock=replace(good.clock, quality="unsynced", error_ms=None),
        health=(
            HealthItem(code="device_offline", level=Level.ATTENTION, subject="idcard-1"),
            HealthItem(code="device_fault", level=Level.FAULT, subject="idcard-2"),
            HealthItem(code="uplink_offline", level=Level.ATTENTION),
            HealthItem(code="clock_unsynced", level=Level.ATTENTION),
        ),
    )


def attention() -> Snapshot:
    """One reader unplugged: the commonest trouble."""
    good, bad = healthy(), troubled()
    return replace(
        good, level=Level.ATTENTION, devices=(bad.devices[0], good.devices[1]), health=bad.health[:1]
    )


def empty() -> Snapshot:
    """Just started: no device, no event."""
    good = healthy()
    return replace(
        good,
        level=Level.UNKNOWN,
        ready=False,
        devices=(),
        events=(),
        buffer=replace(
            good.buffer, last_seq=1, backlog=0, oldest_unsettled_s=None, committed_total=1, settled_total=1
        ),
        uplink=replace(good.uplink, state="connecting", last_ack_ms=None, in_flight=0, code="starting"),
    )
