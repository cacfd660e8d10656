"""Example answers for the API description, made from real view objects so that they cannot drift in shape."""

import json
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from gateway.api.answers import DeviceList, EventList, readiness
from gateway.api.problems import Responses
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
from gateway.web.messages import load_catalogue

_NOW_MS = 1_795_327_402_000

_SNAPSHOT = Snapshot(
    org="440305",
    center="罗湖区智慧矫正中心",
    gateway="gw-440305-01",
    version="0.1.0",
    demo=False,
    started_ms=_NOW_MS - 86_400_000,
    level=Level.ATTENTION,
    ready=True,
    devices=(
        DeviceView(
            id="idcard-1",
            kind="idcard.sam",
            state="offline",
            since_ms=_NOW_MS - 42_000,
            port="/dev/serial/by-id/usb-ACME_IDReader_0001-if00",
            serial="0501202600017",
            code="unplugged",
            detail="idcard-1: the port vanished; plug the reader back in",
            events_total=312,
            last_event_ms=_NOW_MS - 61_000,
        ),
    ),
    events=(
        EventView(
            epoch="9f3c2a71",
            seq=1284,
            type="identity.card_read",
            device="idcard-1",
            time_ms=_NOW_MS - 61_000,
            stage=Stage.SETTLED,
            settled_after_ms=182,
        ),
    ),
    buffer=BufferView(
        epoch="9f3c2a71",
        last_seq=1284,
        backlog=0,
        oldest_unsettled_s=None,
        bytes_used=3_471_360,
        state="ok",
        committed_total=313,
        settled_total=313,
    ),
    uplink=UplinkView(
        state="online",
        broker="mqtt.example.cn:8883",
        tls=True,
        mqtt="5",
        ack_mode="center",
        since_ms=_NOW_MS - 86_000_000,
        last_ack_ms=_NOW_MS - 60_800,
        in_flight=0,
        window=64,
    ),
    clock=ClockView(now_ms=_NOW_MS, quality="synced", error_ms=12, uptime_ms=90_000_000),
    health=(HealthItem(code="device_offline", level=Level.ATTENTION, subject="idcard-1"),),
)
_FULL = replace(
    _SNAPSHOT, ready=False, level=Level.FAULT, health=(HealthItem(code="store_full", level=Level.FAULT),)
)


def _json(value: object) -> Any:  # JSON has no narrower type
    return TypeAdapter(type(value)).dump_python(value, mode="json")


SNAPSHOT = _json(_SNAPSHOT)
DEVICES = _json(DeviceList(now_ms=_NOW_MS, devices=_SNAPSHOT.devices))
EVENTS = _json(EventList(now_ms=_NOW_MS, events=_SNAPSHOT.events))
READY = _json(readiness(_SNAPSHOT, load_catalogue()))
NOT_READY = _json(readiness(_FULL, load_catalogue()))
STREAM = f"event: snapshot\ndata: {json.dumps(SNAPSHOT, ensure_ascii=False)}\nretry: 2000\n\n"
METRICS = """\
# HELP zhijiao_events_committed_total Events brought to disk since the start
# TYPE zhijiao_events_committed_total counter
zhijiao_events_committed_total 313.0
"""


def json_example(value: object) -> Responses:
    """The `responses` entry that shows a successful answer."""
    return {200: {"content": {"application/json": {"example": value}}}}
