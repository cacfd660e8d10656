"""A line of the bracelet as a report.

    AVRMC    id, hhmmss, status, DDMM.mmmm, N|S, DDDMM.mmmm, E|W, knots, course, ddmmyy, event, battery, mileage km,
             gps, adc1, adc2 [, LAC and CID in hex, MCC and MNC, ...]
    AVSYS    id, version, serial number, memory
    EAVSYS   id, SIM card, ..., owner, version
    ECHK     id, number

Status A, R or P is a fix, V is none; in lower case the line wants to be acknowledged.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_protocols.laipac.frames import Frame
from firmware_protocols.text_values import moment, nmea_degrees, number, pair, whole
from firmware_protocols.tracking import Fix, Sign, TrackerReport

POSITION, ECHO = "AVRMC", "ECHK"
FROM_DEVICE = frozenset({POSITION, "AVSYS", "EAVSYS", ECHO})
VALID = frozenset("ARP")
KNOT_KMH = 1.852
EVENTS: Mapping[str, Sign] = MappingProxyType(
    {
        "3": Sign.SOS, "4": Sign.FENCE_EXIT, "5": Sign.POWER_CUT, "6": Sign.OVERSPEED, "7": Sign.FENCE_EXIT,
        "8": Sign.VIBRATION, "H": Sign.POWER_OFF, "T": Sign.CASE_TAMPER, "X": Sign.FENCE_ENTER, "Y": Sign.TOW,
        "Z": Sign.LOW_BATTERY,
    }
)  # fmt: skip
INPUTS = "ABCD"  # events that tell the two inputs, as a number of two bits
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "AVSYS": ("id", "version", "serial", "memory"),
        "EAVSYS": ("id", "sim", "unknown", "owner", "version"),
        ECHO: ("id", "number"),
    }
)


def report_of(frame: Frame) -> TrackerReport:
    """Of any line."""
    if frame.word == POSITION:
        return _position(frame)
    names = NAMES.get(frame.word, ())
    raw: dict[str, object] = dict(zip(names, frame.fields, strict=False))
    raw["fields"] = list(frame.fields)
    return TrackerReport(kind=frame.word, device_id=id_of(frame), raw=raw)


def id_of(frame: Frame) -> str | None:
    """As the bracelet names itself; what is told to it names nobody."""
    return pair(list(frame.fields), 0) or None if frame.word in FROM_DEVICE else None


def _position(frame: Frame) -> TrackerReport:
    some = list(frame.fields)
    status, event, time = pair(some, 2), pair(some, 10), _time(pair(some, 1), pair(some, 9))
    lat, lon = nmea_degrees(pair(some, 3), pair(some, 4), 90), nmea_degrees(pair(some, 5), pair(some, 6), 180)
    knots, mileage = number(pair(some, 7)), number(pair(some, 12))
    fix = None
    if lat is not None and lon is not None:
        fix = Fix(
            lat=lat,
            lon=lon,
            valid=status.upper() in VALID,
            time=time,
            speed_kmh=None if knots is None else knots * KNOT_KMH,
            course=number(pair(some, 8)),
        )
    sign = EVENTS.get(event)
    return TrackerReport(
        kind=frame.word,
        device_id=id_of(frame),
        device_time=None if fix is not None else time,
        fix=fix,
        moments=frozenset() if sign is None else frozenset({sign}),
        odometer_m=None if mileage is None else mileage * 1000,
        raw=_raw(some, status, event),
    )


def _time(time: str, day: str) -> datetime | None:
    found = moment(day + time, "DDMMYYhhmmss")
    return None if found is None else found.replace(tzinfo=UTC)


def _raw(some: list[str], status: str, event: str) -> dict[str, object]:
    attributes: dict[str, object] = {"status": status, "gps": whole(pair(some, 13))}
    for name, at in (("adc1", 14), ("adc2", 15)):
        millivolts = number(pair(some, at))
        attributes[name] = None if millivolts is None else millivolts / 1000
    raw: dict[str, object] = {"attributes": attributes, "battery_v": _volts(pair(some, 11))}
    if event and event in INPUTS:
        inputs = INPUTS.index(event)
        attributes |= {"in1": bool(inputs & 1), "in2": bool(inputs & 2)}
    else:
        raw["event"] = event
    cell = _cell(pair(some, 16), pair(some, 17))
    if cell is not None:
        raw["cells"] = [cell]
    return raw


def _volts(text: str) -> float | None:
    """Volts with a point, millivolts without."""
    found = number(text)
    return found if found is None or "." in text else found / 1000


def _cell(place: str, network: str) -> dict[str, object] | None:
    """LAC and CID of four hex digits each; MCC of three digits and MNC. Zeros where there is none."""
    lac, cid = whole(place[:4], 16), whole(place[4:], 16)
    mcc, mnc = whole(network[:3]), whole(network[3:])
    if len(place) != 8 or None in (lac, cid, mcc, mnc):
        return None
    return {"mcc": mcc, "mnc": mnc, "lac": lac, "cid": cid, "rssi": None}
