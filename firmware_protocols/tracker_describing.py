"""A tracker's report in the keys of the vector files, for `zhijiao decode`.

Under `decoded`: position, time, valid, lat, lon, altitude_m, speed_kmh, course, satellites, device_id, device_time,
odometer_m, battery, alarms; everything else under `raw`, facts of the framing under `frame`. `position` is false
where the message carries no fix.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from firmware_protocols.describing import Json
from firmware_protocols.tracking import Fix, TrackerReport

# What the vectors of families with many records have beside a position, not under `raw`.
BESIDE = frozenset({"cells", "wifi", "rssi", "motion", "hdop", "event", "steps", "heart_rate", "battery_v"})
# And those of the others beside `decoded`.
LIFTED = frozenset(
    {
        "armed", "attributes", "battery_v", "cells", "charging", "event", "firmware", "heart_rate", "ignition",
        "motion", "rssi", "satellites", "steps", "wifi",
    }
)  # fmt: skip


def described(reports: Sequence[TrackerReport], frame: Mapping[str, object]) -> Json:
    """For machines. A bulk upload has its records under `positions`, and the keys of a message for itself."""
    if len(reports) == 1:
        return {**_of_report(reports[0]), "frame": dict(frame)}
    found: Json = {"position": False, "positions": [_of_report(one) for one in reports]}
    if reports and reports[0].device_id is not None:
        found["device_id"] = reports[0].device_id
    return {**found, "raw": {}, "frame": dict(frame)}


def described_records(reports: Sequence[TrackerReport], frame: Mapping[str, object]) -> Json:
    """As `described`, of a family whose vectors have every record under `positions`, a single one too."""
    records: list[Json] = []
    for report in reports:
        told = _of_report(report) | {name: value for name, value in report.raw.items() if name in BESIDE}
        records.append(told if report.charging is None else {**told, "charging": report.charging})
    return {**described(reports, frame), "positions": records}


def _of_report(report: TrackerReport) -> Json:
    found: Json = {"position": report.fix is not None, "alarms": sorted(report.alarms)}
    if report.fix is not None:
        found |= of_fix(report.fix)
    if report.device_id is not None:
        found["device_id"] = report.device_id
    if report.device_time is not None:
        found["device_time"] = utc(report.device_time)
    if report.odometer_m is not None:
        found["odometer_m"] = report.odometer_m
    if report.battery_pct is not None:
        found["battery"] = report.battery_pct
    return {**found, "raw": {"kind": report.kind, **report.raw}}


def lifted(told: Json) -> Json:
    """With what the vector files have beside the common keys too: cells, voltage, values of the body.

    A cell or access point that was sent twice is told once there, as in the vector files; `raw` has both.
    """
    raw = told["raw"]
    if not isinstance(raw, dict):
        raise TypeError("`raw` of what was described is an object")
    return {**{name: _once(value) for name, value in raw.items() if name in LIFTED}, **told}


def _once(value: object) -> object:
    if not isinstance(value, list):
        return value
    return [one for at, one in enumerate(value) if one not in value[:at]]


def of_fix(fix: Fix) -> Json:
    """One position."""
    found: Json = {"valid": fix.valid, "lat": fix.lat, "lon": fix.lon}
    if fix.time is not None:
        found["time"] = utc(fix.time)
    # Zero where a protocol has none of it, as in the vector files; a report keeps the difference.
    found |= {"altitude_m": fix.altitude_m or 0.0, "speed_kmh": round(fix.speed_kmh or 0.0, 3)}
    found["course"] = fix.course or 0.0
    if fix.satellites is not None:
        found["satellites"] = fix.satellites
    if fix.archived:
        found["archived"] = True
    return found


def utc(moment: datetime) -> str:
    """RFC 3339 with Z; a naive time is written as it was sent, as the vector files do."""
    plain = (
        moment.replace(tzinfo=None) if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    )
    return f"{plain.isoformat(timespec='seconds')}Z"
