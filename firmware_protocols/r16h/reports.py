"""A bracelet's message as a report.

    GPSD   R|S, YYYYMMDD, HHMMSS, lat, N|S, lon, E|W, km/h, course, altitude m, battery %, strap L|R, alarm
    LBSD   R|S, YYYYMMDD, HHMMSS, mcc-mnc-lac-cid:rssi (lac and cid in hex), , , battery %, strap, alarm
    LINK   nothing                RPLY   the result of an order

Strap: L locked, R released, with each of them. Alarm: SOS, LBT battery low, ULK strap opened.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from firmware_protocols.r16h.frames import Frame
from firmware_protocols.text_values import degrees, moment, number, pair, whole
from firmware_protocols.tracking import Fix, Sign, TrackerReport

ALARMS: Mapping[str, Sign] = {"SOS": Sign.SOS, "LBT": Sign.LOW_BATTERY, "ULK": Sign.STRAP_OPEN}
STRAP: Mapping[str, bool] = {"L": False, "R": True}  # whether it is open
STORED = "S"
_CELL = re.compile(r"(\d{1,3})-(\d{1,3})-([0-9A-Fa-f]{1,8})-([0-9A-Fa-f]{1,8}):(-?\d{1,3})")


def report_of(frame: Frame) -> TrackerReport:
    """Of any frame."""
    some = list(frame.fields)
    match frame.kind:
        case "GPSD":
            return _gps(frame, some)
        case "LBSD":
            return _cells(frame, some)
        case "RPLY":
            return TrackerReport(kind=frame.kind, device_id=frame.imei, raw={"result": ",".join(some)})
        case _:
            return TrackerReport(kind=frame.kind, device_id=frame.imei)


def _gps(frame: Frame, some: list[str]) -> TrackerReport:
    time = moment(pair(some, 1) + pair(some, 2), "YYYYMMDDhhmmss")
    lat, lon = degrees(pair(some, 3), pair(some, 4), 90), degrees(pair(some, 5), pair(some, 6), 180)
    fix = None
    if lat is not None and lon is not None:
        fix = Fix(
            lat=lat,
            lon=lon,
            valid=True,
            time=time,
            altitude_m=number(pair(some, 9)),
            speed_kmh=number(pair(some, 7)),
            course=number(pair(some, 8)),
            archived=pair(some, 0) == STORED,
        )
    return _with_states(frame, some[10:], fix, {"archived": pair(some, 0) == STORED}, time)


def _cells(frame: Frame, some: list[str]) -> TrackerReport:
    time = moment(pair(some, 1) + pair(some, 2), "YYYYMMDDhhmmss")
    raw: dict[str, object] = {"archived": pair(some, 0) == STORED}
    cell = _CELL.fullmatch(pair(some, 3))
    if cell is not None:
        mcc, mnc, lac, cid, rssi = cell.groups()
        raw["cells"] = [
            {"mcc": int(mcc), "mnc": int(mnc), "lac": int(lac, 16), "cid": int(cid, 16), "rssi": int(rssi)}
        ]
    return _with_states(frame, some[6:], None, raw, time)


def _with_states(
    frame: Frame, states: Sequence[str], fix: Fix | None, raw: dict[str, object], time: datetime | None
) -> TrackerReport:
    some = list(states)
    battery, strap, alarm = whole(pair(some, 0)), pair(some, 1).strip(), pair(some, 2).strip()
    standing: dict[Sign, bool] = {}
    if strap in STRAP:
        standing[Sign.STRAP_OPEN] = STRAP[strap]
        raw["strap"] = strap
    if alarm:
        raw["alarm"] = alarm
    known = ALARMS.get(alarm)
    # The flag of the battery is that of the moment; the strap's letter says how it is now.
    moments = frozenset() if known is None else frozenset({known})
    return TrackerReport(
        kind=frame.kind,
        device_id=frame.imei,
        device_time=None if fix is not None else time,
        fix=fix,
        standing=standing,
        moments=moments,
        battery_pct=battery if battery is not None and 0 <= battery <= 100 else None,
        raw=raw,
    )
