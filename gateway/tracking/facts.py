"""A wearable's report as the contract says it: `tracker.fix`, `tracker.status`, and who is near. Pure.

A fix belongs to the wearer at its own time. Where that time cannot be believed, it is about the device and about
nobody. What a position is, is sealed to the center: it lies in clear neither on the disk nor on the way.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from firmware_protocols.tracking import Fix, TrackerReport
from gateway.clock import ClockQuality, Stamp, iso_ms
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact, RecordFact
from gateway.tracking.presence import Passage
from gateway.tracking.wearers import Wearer
from gateway.uuid7 import uuid8_record

OLDEST_MS = 31 * 86_400_000  # a wearable keeps days, not months; older is a clock that was never set
AHEAD_MS = 300_000  # its clock and ours may differ by so much
MOST_ERROR_MS = 60_000  # of our own clock, to judge another by it
STRONG_DBM, FAIR_DBM = -60, -75  # classes only: what a signal is worth in metres, nobody can tell


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a position, and where it went otherwise."""

    fact: RecordFact | None
    left_out: str | None = None  # why nothing is kept: not_approved, no_wearer


def believed_ms(fix: Fix, now: Stamp) -> int | None:
    """The time of a fix, where it can be believed (UTC)."""
    vouched = now.quality is not ClockQuality.UNSYNCED and now.error_ms is not None
    if fix.time is None or fix.time.tzinfo is None or not vouched or (now.error_ms or 0) > MOST_ERROR_MS:
        return None
    at_ms = int(fix.time.timestamp() * 1000)
    return at_ms if now.wall_ms - OLDEST_MS <= at_ms <= now.wall_ms + AHEAD_MS else None


def fix_fact(report: TrackerReport, device: str, wearer: Wearer | None, now: Stamp, zone: tzinfo) -> Kept:
    """What is kept of the position of a report. `device`: the line that it came over; `zone`: the center's."""
    fix, tracker = report.fix, report.device_id
    if fix is None or tracker is None or wearer is None:
        return Kept(None, "no_wearer")
    at_ms = believed_ms(fix, now)
    if not wearer.approved(_day(now.wall_ms if at_ms is None else at_ms, zone)):
        return Kept(None, "not_approved")
    position: dict[str, Json] = {"lat_e7": round(fix.lat * 1e7), "lon_e7": round(fix.lon * 1e7)}
    for name, value, scale in (
        ("altitude_cm", fix.altitude_m, 100),
        ("speed_cms", fix.speed_kmh, 100 / 3.6),
        ("course_cdeg", fix.course, 100),
    ):
        if value is not None:
            position[name] = round(value * scale)
    said = "" if fix.time is None else fix.time.isoformat()
    data: dict[str, Json] = {
        "tracker": tracker,
        "valid": fix.valid,
        "source": fix.source.value,
        "archived": fix.archived,
        "device_time": None if fix.time is None else iso_ms(int(fix.time.timestamp() * 1000)),
        "time_believed": at_ms is not None,
    }
    if fix.satellites is not None:
        data["satellites"] = fix.satellites
    content = f"{report.kind}|{said}|{position}".encode()
    event_id = uuid8_record(tracker, 0, said.encode(), hashlib.sha256(content).digest())
    subject = f"device/{device}" if at_ms is None else f"person/{wearer.ref}"
    fact = Fact("tracker.fix", subject, data, restricted=True)
    return Kept(RecordFact(event_id, device, fact, personal=position))


def status_fact(
    report: TrackerReport, device: str, wearer: Wearer | None, day: date, hours_left: int | None
) -> Fact:
    """How a wearable is; without a position."""
    data: dict[str, Json] = {
        "tracker": report.device_id or "",
        "kind": report.kind,
        "standing": {sign.name.lower(): stands for sign, stands in sorted(report.standing.items())},
        "moments": [sign.name.lower() for sign in sorted(report.moments)],
    }
    more: Mapping[str, Json] = {
        "battery_pct": report.battery_pct,
        "charging": report.charging,
        "battery_hours": hours_left,
    }
    data |= {name: value for name, value in more.items() if value is not None}
    worn = wearer is not None and wearer.approved(day)
    subject = f"person/{wearer.ref}" if worn and wearer is not None else f"device/{device}"
    return Fact("tracker.status", subject, data, restricted=worn)


def presence_fact(passage: Passage, *, quiet: bool) -> Fact:
    """That a beacon is near, or is not heard any more. `quiet`: nobody else's is heard either."""
    data: dict[str, Json] = {"tracker": passage.tracker, "source": "beacon", "signed": False}
    if passage.rssi is not None:
        data["signal"] = _signal(passage.rssi)
    if passage.entered:
        return Fact("presence.entered", f"person/{passage.ref}", data, restricted=True)
    data |= {"silent_s": passage.silent_s, "quiet": quiet}
    return Fact("presence.left", f"person/{passage.ref}", data, restricted=True)


def _signal(rssi: int) -> str:
    if rssi >= STRONG_DBM:
        return "strong"
    return "fair" if rssi >= FAIR_DBM else "weak"


def _day(wall_ms: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(zone).date()
