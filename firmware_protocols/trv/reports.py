"""A message as a report.

AP00                     IMEI
AP01, AP10, YP03, YP14   position, state, cell [, alarm, language, flag] [, access points]; AP10 is an alarm
AP02                     language, flag, count, MCC, MNC, cells, count, access points
AP03, CP01               state, steps and rolls; state and settings
AP49, APHT, APHP, AP50   values of the body
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_protocols.text_values import moment, nmea_degrees, number, pair, whole
from firmware_protocols.tracking import Fix, Sign, TrackerReport
from firmware_protocols.trv.frames import Frame
from firmware_protocols.trv.texts import IMEI, POSITION, STATE_SIZE, State, cells_of, more_of, points_of

LOGIN = "AP00"
ALARMS: Mapping[int, Sign] = MappingProxyType({1: Sign.SOS, 5: Sign.FALL, 6: Sign.FALL})
# Word -> what its numbers are.
NUMBERS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "AP49": ("heart_rate",),
        "APHT": ("heart_rate", "systolic", "diastolic"),
        "APHP": ("heart_rate", "systolic", "diastolic", "oxygen", "sugar", "temperature"),
        "AP50": ("temperature", "battery_level"),
    }
)
_ALARM = re.compile(r"(\d{2})(?:,[^,|]*){0,2}(?:,(.*))?")


def report_of(frame: Frame, device_id: str | None = None) -> TrackerReport:
    """Of any message. `raw.unread`: its word is not known or its text not of the form."""
    reader = READERS.get(frame.word)
    read = reader(frame.body) if reader is not None else None
    if read is None:
        return TrackerReport(kind=frame.word, device_id=device_id, raw={"unread": frame.body})
    return replace(read, kind=frame.word, device_id=read.device_id or device_id)


def _login(body: str) -> TrackerReport | None:
    match = IMEI.fullmatch(body)
    return None if match is None else TrackerReport(kind="", device_id=match[1])


def _position(body: str) -> TrackerReport | None:
    match = POSITION.fullmatch(body)
    if match is None:
        return None
    state = State.from_text(match["state"])
    lat, lon = nmea_degrees(match["lat"], match["ns"], 90), nmea_degrees(match["lon"], match["ew"], 180)
    if state is None or lat is None or lon is None:
        return None
    raw, signs = state.raw(), frozenset[Sign]()
    cell: dict[str, object] = {name: int(match[name]) for name in ("mcc", "mnc", "lac", "cid")}
    raw["cells"] = [{**cell, "rssi": None}]
    rest = match["rest"] or ""
    alarm = _ALARM.fullmatch(rest)
    if alarm is not None:
        raw["alarm_code"], rest = int(alarm[1]), alarm[2] or ""
        sign = ALARMS.get(int(alarm[1]))
        signs = frozenset() if sign is None else frozenset({sign})
    raw["wifi"] = points_of(rest)
    fix = Fix(
        lat=lat,
        lon=lon,
        valid=match["fix"] == "A",
        time=_time(match["day"] + match["time"]),
        speed_kmh=number(match["kmh"]),
        course=number(match["course"]),
        satellites=state.satellites,
    )
    return TrackerReport(kind="", fix=fix, moments=signs, battery_pct=_percent(state.battery_pct), raw=raw)


def _time(digits: str) -> datetime | None:
    found = moment(digits, "YYMMDDhhmmss")
    return None if found is None else found.replace(tzinfo=UTC)


def _percent(value: float | None) -> int | None:
    return int(value) if value is not None and 0 <= value <= 100 else None


def _neighbours(body: str) -> TrackerReport | None:
    """Cells are of the form LAC|CID|signal; behind them the count of access points."""
    some = body.split(",")
    if len(some) < 7:
        return None
    cells = cells_of(some[4], some[5], some[6:])
    raw: dict[str, object] = {"cells": cells, "wifi": points_of(",".join(some[7 + len(cells) :]))}
    return TrackerReport(kind="", raw=raw)


def _heartbeat(body: str) -> TrackerReport | None:
    state = State.from_text(body[1 : 1 + STATE_SIZE]) if body.startswith(",") else None
    if state is None:
        return None
    raw = {**state.raw(), **more_of(body[1 + STATE_SIZE :])}
    charging = raw.get("charging")
    return TrackerReport(
        kind="",
        battery_pct=_percent(state.battery_pct),
        charging=charging if isinstance(charging, bool) else None,
        raw=raw,
    )


def _steps(body: str) -> TrackerReport | None:
    some = body.split(",")
    state = State.from_text(pair(some, 1))
    if state is None:
        return None
    raw = {**state.raw(), "steps": whole(pair(some, 2)), "rolls": whole(pair(some, 3))}
    return TrackerReport(kind="", battery_pct=_percent(state.battery_pct), raw=raw)


def _numbers(names: Sequence[str]) -> Callable[[str], TrackerReport | None]:
    def read(body: str) -> TrackerReport | None:
        some = body.split(",")
        raw: dict[str, object] = {}
        for at, name in enumerate(names, 1):
            value = number(pair(some, at))
            if value is not None:
                raw[name] = int(value) if value == int(value) else value
        if not raw:
            return None
        battery = raw.get("battery_level")
        return TrackerReport(
            kind="", battery_pct=_percent(battery) if isinstance(battery, int | float) else None, raw=raw
        )

    return read


READERS: Mapping[str, Callable[[str], TrackerReport | None]] = MappingProxyType(
    {
        LOGIN: _login,
        "AP02": _neighbours,
        "AP03": _steps,
        "CP01": _heartbeat,
        **dict.fromkeys(("AP01", "AP10", "YP03", "YP14"), _position),
        **{word: _numbers(names) for word, names in NUMBERS.items()},
    }
)
