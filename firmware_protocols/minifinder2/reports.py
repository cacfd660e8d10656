"""A frame of minifinder2 as reports: data and services carry records, everything else is one report of its own."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from firmware_protocols.minifinder2.frames import Frame
from firmware_protocols.minifinder2.items import (
    CONFIG,
    DATA,
    FIRMWARE,
    RESPONSE,
    SERVICES,
    SYSTEM,
    Item,
    items_of,
    records_of,
)
from firmware_protocols.minifinder2.records import Record, record_of
from firmware_protocols.minifinder2.settings import settings_of
from firmware_protocols.tracking import TrackerReport

KINDS: Mapping[int, str] = MappingProxyType(
    {
        DATA: "data", CONFIG: "config", SERVICES: "services", SYSTEM: "system", FIRMWARE: "firmware",
        RESPONSE: "response",
    }
)  # fmt: skip


def reports_of(frame: Frame, device_id: str | None = None) -> tuple[TrackerReport, ...]:
    """At least one. `device_id`: as the line knows it, where the frame does not say."""
    items, behind = items_of(frame.items)
    if frame.command in (DATA, SERVICES):
        records = [record_of(one) for one in records_of(items)]
        said = next((one.device_id for one in records if one.device_id is not None), device_id)
        reports = [_report(frame, one, said) for one in records]
    else:
        reports = [_other(frame, items, device_id)]
    if behind:
        reports[-1] = replace(reports[-1], raw={**reports[-1].raw, "surplus_bytes": behind})
    return tuple(reports)


def _report(frame: Frame, record: Record, device_id: str | None) -> TrackerReport:
    return TrackerReport(
        kind=_kind(frame),
        device_id=device_id,
        device_time=None if record.fix is not None else record.device_time,
        fix=record.fix,
        moments=frozenset(record.moments),
        battery_pct=record.battery_pct,
        charging=record.charging,
        odometer_m=record.odometer_m,
        raw=record.raw,
    )


def _other(frame: Frame, items: tuple[Item, ...], device_id: str | None) -> TrackerReport:
    if frame.command == CONFIG:
        found = settings_of(items)
        return TrackerReport(
            kind=_kind(frame),
            device_id=found.imei or device_id,
            battery_pct=found.battery_pct,
            raw={"settings": found.values},
        )
    # The key of a response is the result: 0 is success.
    raw = {"result": items[0].key} if frame.command == RESPONSE and items else {}
    return TrackerReport(kind=_kind(frame), device_id=device_id, raw=raw)


def _kind(frame: Frame) -> str:
    return KINDS.get(frame.command, f"0x{frame.command:02X}")
