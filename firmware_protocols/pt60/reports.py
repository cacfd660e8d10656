"""A message as a report.

    G 6    lat;lon                      B 001   lat|lon|…|1     {CID,LAC,MNC,MCC,signal}|…|2
    G 13   steps
    G 14   heart rate, battery %

Other types are named, with their time and battery where these are there.
"""

from collections.abc import Sequence
from datetime import datetime

from firmware_protocols.pt60.frames import Frame
from firmware_protocols.text_values import degrees, moment, pair, whole
from firmware_protocols.tracking import Fix, TrackerReport

VERSION, TYPE, IMEI = 0, 1, 2
BY_SATELLITES, BY_CELLS = "1", "2"


def report_of(frame: Frame) -> TrackerReport:
    """Of any message."""
    some = list(frame.fields)
    at = frame.time_at
    time = None if at is None else moment(some[at], "YYYYMMDDhhmmss")
    data = [] if at is None else [one for one in some[at + 1 :] if one]
    state = [] if at is None else some[4:at]
    raw: dict[str, object] = {"type": pair(some, TYPE), "data": data}
    if len(state) >= 2:
        raw |= {"state": state[-2], "battery_level": whole(state[-1])}
    if len(state) == 3:
        raw["firmware_version"] = state[0]
    fix = _fix(frame, data, time, raw)
    battery = raw.get("battery_level")
    return TrackerReport(
        kind=f"{frame.form}{pair(some, TYPE)}",
        device_id=device_of(frame),
        device_time=None if fix is not None else time,
        fix=fix,
        battery_pct=battery if isinstance(battery, int) and 0 <= battery <= 100 else None,
        raw=raw,
    )


def device_of(frame: Frame) -> str | None:
    """The IMEI; None where none stands in its place."""
    imei = pair(list(frame.fields), IMEI)
    return imei if imei.isascii() and imei.isdigit() and len(imei) >= 10 else None


def type_of(frame: Frame) -> int | None:
    """Number of the type."""
    return whole(pair(list(frame.fields), TYPE))


def _fix(frame: Frame, data: list[str], time: datetime | None, raw: dict[str, object]) -> Fix | None:
    """The position where the message has one; what else its type says goes into `raw`."""
    match frame.form, type_of(frame):
        case "G", 6:
            return _place(pair(data, 0).split(";"), time)
        case "G", 13:
            raw["steps"] = whole(pair(data, 0))
        case "G", 14:
            raw |= {"heart_rate": whole(pair(data, 0)), "battery_level": whole(pair(data, 1))}
        case "B", 1:
            if data and data[-1] == BY_CELLS:
                raw["cells"] = _cells(data[:-1])
            elif data and data[-1] == BY_SATELLITES:
                return _place(data, time)
    return None


def _place(some: Sequence[str], time: datetime | None) -> Fix | None:
    lat, lon = degrees(pair(list(some), 0), "", 90), degrees(pair(list(some), 1), "", 180)
    return None if lat is None or lon is None else Fix(lat=lat, lon=lon, valid=True, time=time)


def _cells(texts: Sequence[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for text in texts:
        cid, lac, mnc, mcc, signal = (whole(pair(text.split(","), at)) for at in range(5))
        if cid is not None:
            rssi = None if signal is None else -abs(signal)
            found.append({"mcc": mcc, "mnc": mnc, "lac": lac, "cid": cid, "rssi": rssi})
    return found
