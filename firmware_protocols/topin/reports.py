"""A message of Topin as a report. The position of 10 and 11 is that of GT06."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gt06.blocks import GPS_SIZE, Gps, clock_time
from firmware_protocols.gt06.telling import fix_of, gps_raw
from firmware_protocols.text_values import moment
from firmware_protocols.topin.frames import Frame
from firmware_protocols.topin.sizes import ACCESS_POINT, CELL, CLOCK, WIFI
from firmware_protocols.tracking import Fix, Sign, TrackerReport

LOGIN, STATUS, TIME, VIBRATION, SOS = 0x01, 0x13, 0x30, 0x94, 0x99
GPS, GPS_STORED, SHORT_GPS, SHORT_GPS_STORED = 0x10, 0x11, 0x08, 0x09
STORED = frozenset({GPS_STORED, SHORT_GPS_STORED, 0x17, 0x19})
SHORT_SIZE = 25  # bytes that are read of 08 and 09
ALARM_BITS: Mapping[int, Sign] = MappingProxyType({0: Sign.VIBRATION, 1: Sign.OVERSPEED, 4: Sign.LOW_POWER})


def report_of(frame: Frame, device_id: str | None = None) -> TrackerReport:
    """Of any frame; of a content that cannot be read, that the frame came."""
    reader = READERS.get(frame.number, _plain)
    try:
        return reader(frame, device_id)
    except RemoteProtocolError as exc:
        return TrackerReport(kind=_kind(frame), device_id=device_id, raw={"trouble": exc.code})


def _kind(frame: Frame) -> str:
    return f"0x{frame.number:02X}"


def _plain(frame: Frame, device_id: str | None) -> TrackerReport:
    return TrackerReport(kind=_kind(frame), device_id=device_id, raw={"content": frame.content.hex()})


def _need(frame: Frame, size: int) -> None:
    if len(frame.content) < size:
        raise RemoteProtocolError("body", f"{len(frame.content)} bytes of content where {size} are wanted")


def _login(frame: Frame, _device_id: str | None) -> TrackerReport:
    """IMEI in 8 bytes of digits, the first one a filler, and the version. One byte is the answer: 01 welcome."""
    if len(frame.content) == 1:
        return TrackerReport(kind=_kind(frame), raw={"result": frame.content[0]})
    _need(frame, 8)
    imei = frame.content[:8].hex()[1:]
    if not imei.isdigit():
        raise RemoteProtocolError("body", "an IMEI has 15 digits")
    raw: dict[str, object] = {"imei": imei}
    if len(frame.content) > 8:
        raw["version"] = frame.content[8]
    return TrackerReport(kind=_kind(frame), device_id=imei, raw=raw)


def _position(frame: Frame, device_id: str | None) -> TrackerReport:
    """Position, then height in metres and the alarm where they are there. The answer to it is its time alone."""
    if len(frame.content) == CLOCK:
        return TrackerReport(kind=_kind(frame), device_id=device_id, device_time=_clock(frame.content))
    gps, rest = Gps.from_bytes(frame.content), frame.content[GPS_SIZE:]
    raw = gps_raw(gps, rest)
    height, alarm = None, 0
    if len(rest) >= 3:
        height, alarm = float(int.from_bytes(rest[:2], "big", signed=True)), rest[2]
        raw |= {"altitude_m": height, "alarm_bits": alarm}
    fix = fix_of(gps, altitude_m=height, archived=frame.number in STORED)
    fix = replace(fix, time=_clock(frame.content))
    return TrackerReport(kind=_kind(frame), device_id=device_id, fix=fix, moments=signs(alarm), raw=raw)


def _clock(data: bytes) -> datetime | None:
    """Its clock goes by UTC."""
    found = clock_time(data)
    return None if found is None else found.replace(tzinfo=UTC)


def signs(alarm: int) -> frozenset[Sign]:
    """Every bit of an alarm byte that is known."""
    return frozenset(sign for bit, sign in ALARM_BITS.items() if alarm >> bit & 1)


def _short_position(frame: Frame, device_id: str | None) -> TrackerReport:
    """Time, place, a second place, km/h, course in steps of 2 degrees, satellites. Nothing: no place.

    09 was stored; the reference counts it as no valid fix, for its place may be an old one.
    """
    if not frame.content:
        return TrackerReport(kind=_kind(frame), device_id=device_id)
    _need(frame, SHORT_SIZE)
    lat, lon = _degrees(frame.content[6:10], 90), _degrees(frame.content[10:14], 180)
    speed, course, satellites = frame.content[22:25]
    fix = Fix(
        lat=lat,
        lon=lon,
        valid=frame.number not in STORED,
        time=_clock(frame.content),
        speed_kmh=speed,
        course=course * 2,
        satellites=satellites,
        archived=frame.number in STORED,
    )
    raw: dict[str, object] = {
        "second_place": frame.content[14:22].hex(), "rest": frame.content[SHORT_SIZE:].hex(),
    }  # fmt: skip
    return TrackerReport(kind=_kind(frame), device_id=device_id, fix=fix, raw=raw)


def _degrees(data: bytes, limit: int) -> float:
    """Degrees, then a nibble for the sign and 20 bits of millionths."""
    value = data[0] + (int.from_bytes(data[1:4], "big") & 0xFFFFF) / 1_000_000
    if value > limit:
        raise RemoteProtocolError("range", f"more than {limit} degrees")
    return -value if data[1] >> 4 else value


def _status(frame: Frame, device_id: str | None) -> TrackerReport:
    _need(frame, 4)
    battery, firmware, zone, interval = frame.content[:4]
    raw: dict[str, object] = {
        "battery_level": battery, "firmware": firmware, "zone": zone, "interval": interval,
    }  # fmt: skip
    rest = frame.content[4:]
    if rest:
        raw["rssi"], rest = rest[0], rest[1:]
    if len(rest) >= 3:
        raw["temperature"], rest = rest[:3].hex(), rest[3:]
    charging = None
    if rest:
        charging = raw["charging"] = rest[0] > 0
    if len(rest) >= 2:
        raw["heart_rate"] = rest[1]
    return TrackerReport(
        kind=_kind(frame),
        device_id=device_id,
        battery_pct=battery if battery <= 100 else None,
        charging=charging,
        raw=raw,
    )


def _scan(frame: Frame, device_id: str | None) -> TrackerReport:
    """Time in digits, access points, then cells of one network, and the alarm where it is there."""
    _need(frame, CLOCK)
    found = moment(frame.content[:CLOCK].hex(), "YYMMDDhhmmss")
    time = None if found is None else found.replace(tzinfo=UTC)
    if len(frame.content) == CLOCK:
        return TrackerReport(kind=_kind(frame), device_id=device_id, device_time=time)
    at = CLOCK + ACCESS_POINT * (frame.length or 0)
    _need(frame, at + 4)
    points = [
        _access_point(frame.content[one : one + ACCESS_POINT]) for one in range(CLOCK, at, ACCESS_POINT)
    ]
    count, mnc = frame.content[at], frame.content[at + 3]
    mcc = int.from_bytes(frame.content[at + 1 : at + 3], "big")
    end = at + 4 + CELL * count
    _need(frame, end)
    cells = [_cell(mcc, mnc, frame.content[one : one + CELL]) for one in range(at + 4, end, CELL)]
    raw: dict[str, object] = {"wifi": points, "cells": cells}
    if frame.number in STORED:
        raw["archived"] = True
    alarm = frame.content[end] if len(frame.content) > end else 0
    return TrackerReport(
        kind=_kind(frame), device_id=device_id, device_time=time, moments=signs(alarm), raw=raw
    )


def _access_point(data: bytes) -> dict[str, object]:
    return {"mac": data[:6].hex(":"), "rssi": _dbm(data[6])}


def _cell(mcc: int, mnc: int, data: bytes) -> dict[str, object]:
    lac, cid = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    return {"mcc": mcc, "mnc": mnc, "lac": lac, "cid": cid, "rssi": _dbm(data[4])}


def _dbm(loss: int) -> int:
    """Signals stand in dBm without their sign."""
    return -loss


def _time(frame: Frame, device_id: str | None) -> TrackerReport:
    """Nothing is the question; the answer has a year of two bytes, month, day, hour, minute, second, UTC."""
    if not frame.content:
        return TrackerReport(kind=_kind(frame), device_id=device_id)
    _need(frame, 7)
    try:
        month, day, hour, minute, second = frame.content[2:7]
        time = datetime(
            int.from_bytes(frame.content[:2], "big"), month, day, hour, minute, second, tzinfo=UTC
        )
    except ValueError:
        raise RemoteProtocolError("body", "no date") from None
    return TrackerReport(kind=_kind(frame), device_id=device_id, device_time=time)


def _sign(sign: Sign) -> Callable[[Frame, str | None], TrackerReport]:
    def read(frame: Frame, device_id: str | None) -> TrackerReport:
        return TrackerReport(
            kind=_kind(frame),
            device_id=device_id,
            moments=frozenset({sign}),
            raw={"content": frame.content.hex()},
        )

    return read


READERS: Mapping[int, Callable[[Frame, str | None], TrackerReport]] = MappingProxyType(
    {
        LOGIN: _login,
        STATUS: _status,
        TIME: _time,
        VIBRATION: _sign(Sign.VIBRATION),
        SOS: _sign(Sign.SOS),
        **dict.fromkeys((GPS, GPS_STORED), _position),
        **dict.fromkeys((SHORT_GPS, SHORT_GPS_STORED), _short_position),
        **dict.fromkeys(WIFI, _scan),
    }
)
