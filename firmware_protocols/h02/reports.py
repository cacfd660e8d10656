"""A frame of H02 as a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_protocols.h02.frames import Binary, Frame, Text
from firmware_protocols.text_values import moment, nmea_degrees, number, pair, whole
from firmware_protocols.tracker_describing import utc
from firmware_protocols.tracking import Fix, Sign, TrackerReport

KNOT_KMH = 1.852
# Bits that are active when they are clear.
MOMENTS: Mapping[int, Sign] = MappingProxyType({0: Sign.VIBRATION, 1: Sign.SOS, 18: Sign.SOS})
STANDING: Mapping[int, Sign] = MappingProxyType({2: Sign.OVERSPEED, 19: Sign.POWER_CUT})
IGNITION = 10


def report_of(frame: Frame) -> TrackerReport:
    """Of any frame."""
    if isinstance(frame, Binary):
        return _binary(frame)
    if not isinstance(frame, Text):
        raise TypeError("a frame of H02 is text or binary")
    some = list(frame.fields)
    match frame.cmd:
        case "LINK":
            told = _timed(frame, pair(some, 0), pair(some, 6), pair(some, 7))
            raw = {
                "rssi": whole(pair(some, 1)),
                "satellites": whole(pair(some, 2)),
                "steps": whole(pair(some, 4)),
            }
            told = replace(told, battery_pct=_percent(whole(pair(some, 3))), raw={**told.raw, **raw})
        case "NBR":
            told = _neighbours(frame, some)
        case "HTBT":
            told = _plain(frame, {})
            told = replace(told, battery_pct=_percent(whole(pair(some, 0))))
        case "V3":
            at = some.index("X") if "X" in some else len(some)
            told = _timed(frame, pair(some, 0), pair(some, at + 1), pair(some, at + 2))
        case _:
            told = _position(frame, some)
    return told


def _plain(frame: Text, raw: dict[str, object]) -> TrackerReport:
    return TrackerReport(kind=frame.cmd, device_id=frame.device_id or None, raw=raw)


def _percent(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= 100 else None


def _time(time: str, day: str) -> datetime | None:
    found = moment(day + time, "DDMMYYhhmmss")
    return None if found is None else found.replace(tzinfo=UTC)


def _signs(status: int | None) -> tuple[dict[Sign, bool], frozenset[Sign]]:
    if status is None:
        return {}, frozenset()
    standing = {sign: not status >> bit & 1 for bit, sign in STANDING.items()}
    return standing, frozenset(sign for bit, sign in MOMENTS.items() if not status >> bit & 1)


def _status(text: str) -> int | None:
    return whole(text, 16) if len(text) == 8 else None


def _timed(frame: Text, time: str, day: str, status_text: str) -> TrackerReport:
    status = _status(status_text)
    standing, moments = _signs(status)
    raw: dict[str, object] = {} if status is None else {"status": f"0x{status:08X}"}
    return TrackerReport(
        kind=frame.cmd,
        device_id=frame.device_id or None,
        device_time=_time(time, day),
        standing=standing,
        moments=moments,
        raw=raw,
    )


def _neighbours(frame: Text, some: list[str]) -> TrackerReport:
    """hhmmss, MCC, MNC, TA, count, {LAC, CID, RSSI}, ddmmyy, status."""
    count = whole(pair(some, 4)) or 0
    cells, at = [], 5
    for _ in range(min(count, (len(some) - 5) // 3)):
        lac, cid, rssi = (whole(pair(some, at + place)) for place in range(3))
        loss = None if rssi is None else -abs(rssi)
        cells.append(
            {"mcc": whole(pair(some, 1)), "mnc": whole(pair(some, 2)), "lac": lac, "cid": cid, "rssi": loss}
        )
        at += 3
    told = _timed(frame, pair(some, 0), pair(some, at), pair(some, at + 1))
    return replace(told, raw={**told.raw, "cells": cells})


def _position(frame: Text, some: Sequence[str]) -> TrackerReport:
    """The fields around the A or V that stands behind a time; what is before them is the result of a command."""
    at = next(
        (one for one in range(1, len(some) - 6) if some[one] in ("A", "V") and _is_time(some[one - 1])), None
    )
    if at is None:
        return _plain(frame, {})
    fields = list(some)
    lat = nmea_degrees(_dotted(pair(fields, at + 1)), pair(fields, at + 2), 90)
    lon = nmea_degrees(_dotted(pair(fields, at + 3)), pair(fields, at + 4), 180)
    knots, course = number(pair(fields, at + 5)), number(pair(fields, at + 6))
    time, status = _time(fields[at - 1], pair(fields, at + 7)), _status(pair(fields, at + 8))
    if lat is None or lon is None:  # what it says of itself counts without a place
        return _timed(frame, fields[at - 1], pair(fields, at + 7), pair(fields, at + 8))
    kmh = None if knots is None else round(knots * KNOT_KMH, 4)
    raw: dict[str, object] = {
        "time": None if time is None else utc(time),
        "valid": fields[at] == "A",
        "lat": lat,
        "lon": lon,
        "speed_kn": knots,
        "speed_kmh": kmh,
        "course": course,
    }
    if status is not None:
        raw["status"] = f"0x{status:08X}"
    if at > 1:
        raw["result"] = ",".join(fields[: at - 1])
    standing, moments = _signs(status)
    fix = Fix(lat=lat, lon=lon, valid=fields[at] == "A", time=time, speed_kmh=kmh, course=course)
    return TrackerReport(
        kind=frame.cmd,
        device_id=frame.device_id or None,
        fix=fix,
        standing=standing,
        moments=moments,
        raw=raw,
    )


def _is_time(text: str) -> bool:
    return len(text) == 6 and text.isdigit()


def _dotted(text: str) -> str:
    """Some models leave the dot out: DDMMmmmm."""
    return f"{text[:-4]}.{text[-4:]}" if text.isdigit() and len(text) >= 7 else text


def _binary(frame: Binary) -> TrackerReport:
    body = frame.body
    digits = body.hex()
    time = _time(digits[:6], digits[6:12])
    battery = body[10]
    lat, lon = _place(digits[12:20], 2), _place(digits[22:31], 3)
    flags, knots, course = int(digits[31], 16), whole(digits[32:35]), whole(digits[35:38])
    status = int.from_bytes(body[19:23], "big")
    kmh = None if knots is None else round(knots * KNOT_KMH, 4)
    raw: dict[str, object] = {"battery_byte": battery, "status": f"0x{status:08X}"}
    standing, moments = _signs(status)
    fix = None
    if lat is not None and lon is not None:
        fix = Fix(
            lat=lat if flags >> 2 & 1 else -lat,
            lon=lon if flags >> 3 & 1 else -lon,
            valid=bool(flags >> 1 & 1),
            time=time,
            speed_kmh=kmh,
            course=course,
        )
        raw |= {
            "lat": fix.lat,
            "lon": fix.lon,
            "valid": fix.valid,
            "speed_kn": knots,
            "speed_kmh": kmh,
            "course": course,
        }
        raw["time"] = None if time is None else utc(time)
    return TrackerReport(
        kind="binary",
        device_id=frame.device_id,
        device_time=None if fix is not None else time,
        fix=fix,
        standing=standing,
        moments=moments,
        battery_pct=_battery(battery),
        raw=raw,
    )


def _place(digits: str, whole_digits: int) -> float | None:
    if not digits.isdigit():
        return None
    return int(digits[:whole_digits]) + int(digits[whole_digits:]) / 600_000


def _battery(value: int) -> int | None:
    """Levels 1 to 6, above that per cent; 0 is not told. [S]"""
    if 0 < value <= 3:
        return (value - 1) * 10
    if 3 < value <= 6:
        return (value - 1) * 20
    return value if 6 < value <= 100 else None
