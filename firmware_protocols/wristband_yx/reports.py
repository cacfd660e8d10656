"""A wristband's message as reports.

F01   battery %, number, more            F03   {address,rssi} with _ between | cells
F02   {lon,lat,yyyyMMddHHmm,km/h} |      F04   {lac,mnc,mcc,cid,rssi} with : between
F64   echo    F90   asks for the server    F91   was switched on
"""

from collections.abc import Sequence
from datetime import datetime

from firmware_protocols.text_values import degrees, moment, number, pair, whole
from firmware_protocols.tracking import Fix, TrackerReport
from firmware_protocols.wristband_yx.frames import Frame

STATUS, ECHO, SERVER, BEGIN = "01", "64", "90", "91"


def reports_of(frame: Frame) -> tuple[TrackerReport, ...]:
    """Of any frame; of one with positions as many as it has, at least one."""
    data = frame.data or ""
    match frame.function:
        case "01":
            return (_status(frame, data.split(",")),)
        case "02":
            return tuple(_position(frame, one) for one in data.split("|"))
        case "03":
            points, _, cells = data.partition("|")
            return (_plain(frame, wifi=_points(points), cells=_cells(cells)),)
        case "04":
            return (_plain(frame, cells=_cells(data)),)
        case _:
            return (_plain(frame),)


def _plain(frame: Frame, **raw: object) -> TrackerReport:
    found = {"data": frame.data or "", **raw}
    return TrackerReport(kind=f"F{frame.function}", device_id=frame.imei, raw=found)


def _status(frame: Frame, some: list[str]) -> TrackerReport:
    battery = whole(pair(some, 0))
    return TrackerReport(
        kind=f"F{frame.function}",
        device_id=frame.imei,
        battery_pct=battery if battery is not None and 0 <= battery <= 100 else None,
        raw={"data": frame.data or "", "battery_level": battery, "number": pair(some, 1)},
    )


def _position(frame: Frame, text: str) -> TrackerReport:
    some = text.split(",")
    lon, lat = degrees(pair(some, 0), "", 180), degrees(pair(some, 1), "", 90)
    time: datetime | None = moment(pair(some, 2), "YYYYMMDDhhmm")
    fix = None
    if lat is not None and lon is not None:
        fix = Fix(lat=lat, lon=lon, valid=True, time=time, speed_kmh=number(pair(some, 3)))
    return TrackerReport(
        kind=f"F{frame.function}",
        device_id=frame.imei,
        device_time=None if fix is not None else time,
        fix=fix,
        raw={"data": text},
    )


def _points(text: str) -> Sequence[dict[str, object]]:
    split = [one.split(",") for one in text.split("_") if one]
    return [{"mac": one[0], "rssi": _dbm(pair(one, 1))} for one in split]


def _cells(text: str) -> Sequence[dict[str, object]]:
    found: list[dict[str, object]] = []
    for one in text.split(":"):
        some = one.split(",")
        lac, mnc, mcc, cid = (whole(pair(some, at)) for at in range(4))
        if cid is not None:
            found.append({"mcc": mcc, "mnc": mnc, "lac": lac, "cid": cid, "rssi": _dbm(pair(some, 4))})
    return found


def _dbm(text: str) -> int | None:
    """Access points have their sign, cells leave it out."""
    found = whole(text)
    return None if found is None else -abs(found)
