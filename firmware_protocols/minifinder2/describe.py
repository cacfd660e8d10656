"""Frames of minifinder2 for machines and people."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.minifinder2.frames import HEAD, Decoder, Frame
from firmware_protocols.minifinder2.items import DATA, SERVICES, items_of
from firmware_protocols.minifinder2.reports import reports_of
from firmware_protocols.tracker_describing import described, described_records, utc
from firmware_protocols.tracker_explaining import Part, explained, summary
from firmware_protocols.tracking import TrackerReport

# Of data and services.
KEYS: Mapping[int, str] = MappingProxyType(
    {
        0x01: "IMEI", 0x02: "alarm", 0x12: "time", 0x14: "battery", 0x19: "WiFi with names", 0x20: "satellites",
        0x21: "cells", 0x22: "WiFi", 0x23: "tag", 0x24: "status", 0x26: "tag with its height",
        0x27: "place of a network", 0x28: "beacon", 0x29: "cells", 0x2A: "beacon", 0x2B: "cells",
        0x2C: "beacon with its battery", 0x30: "steps", 0x37: "barking", 0x40: "heart rate", 0x41: "oxygen",
    }
)  # fmt: skip


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one frame, one with a wrong CRC too, which `frame` says. `positions` has every record."""
    frame = Frame.from_bytes(data)
    reports = reports_of(frame)
    told = described_records(reports, frame_facts(frame))
    raw = {"kind": reports[0].kind, **_firsts(reports), "tlv": _tlv(frame)}
    if len(reports) == 1:
        raw = {**reports[0].raw, **raw}
    return {**told, "raw": raw}


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the frame says of itself."""
    return {
        "header": "0xAB",
        "properties": f"0x{frame.properties:02X}",
        "length": len(frame.body),
        "length_ok": True,  # else it is no frame
        "checksum_ok": frame.sound,
        "serial": frame.serial,
        "cmd": f"0x{frame.command:02X}",
    }


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, frame by frame; of one that stands alone also with a wrong CRC."""
    found: list[Frame | Discarded]
    try:
        found = [Frame.from_bytes(data)]
    except RemoteProtocolError:
        decoder = Decoder()
        found = [*decoder.feed(data), *decoder.flush()]
    return explained(found, _parts)


def _parts(frame: Frame) -> list[Part]:
    wrong = "" if frame.sound else f"; CRC {frame.crc or 0:04x} where {frame.computed:04x} is right"
    asks = ", asks for an answer" if frame.wants_answer else ""
    reports = reports_of(frame)
    told = summary(described(reports, {})) if len(reports) == 1 else f"{len(reports)} records"
    items, behind = items_of(frame.items)
    parts = [
        Part(HEAD, "header", f"serial {frame.serial}{asks}{wrong}", wrong=not frame.sound),
        Part(1, f"command {reports[0].kind}", told, personal=True),
    ]
    names = KEYS if frame.command in (DATA, SERVICES) else {}
    for one in items:
        name = f"key {one.key:02X} {names.get(one.key, '')}".rstrip()
        parts.append(Part(len(one.data) + 2, name, one.data.hex(" "), personal=True))
    return [*parts, *([Part(behind, "surplus", "no whole key", wrong=True)] if behind else [])]


def _tlv(frame: Frame) -> list[dict[str, str]]:
    return [{"key": f"0x{one.key:02X}", "value": one.data.hex()} for one in items_of(frame.items)[0]]


def _firsts(reports: Sequence[TrackerReport]) -> dict[str, object]:
    """Of each thing what the first record says that has it."""
    found: dict[str, object] = {}
    for report in reports:
        fix, time = report.fix, report.fix.time if report.fix else report.device_time
        if report.device_id is not None:
            found.setdefault("imei", report.device_id)
        if "status" in report.raw and time is not None:
            found.setdefault("time", utc(time))
            found.setdefault("status", report.raw["status"])
        if report.battery_pct is not None:
            found.setdefault("battery_level", report.battery_pct)
        if fix is not None and fix.satellites is not None and "lat" not in found:
            found |= {
                "lat": fix.lat, "lon": fix.lon, "speed_kmh": fix.speed_kmh, "course": fix.course,
                "altitude_m": fix.altitude_m, "hdop": report.raw.get("hdop"), "satellites": fix.satellites,
            }  # fmt: skip
    return found
