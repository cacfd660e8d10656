"""Messages made of modules, each with its number and length: 70, and what stands at the end of 36 and 39.

A module that is not known is passed over, and one that claims more than came ends the reading.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_protocols.cursor import Cursor
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gt06.blocks import GPS_SIZE, Gps, State
from firmware_protocols.gt06.telling import Message, fix_of
from firmware_protocols.tracking import Fix, Sign, TrackerReport

POSITION, POSITION_SIZE = 0x33, 18
EVENT, ODOMETER = 0x34, 0x2E
EVENTS: Mapping[int, Sign] = MappingProxyType(
    {
        0x10: Sign.DOOR, 0x12: Sign.STRAP_OPEN, 0x14: Sign.FENCE_ENTER, 0x15: Sign.FENCE_EXIT,
        0x16: Sign.TEMPERATURE, 0x1A: Sign.LOW_BATTERY, 0x1B: Sign.OVERSPEED, 0x1C: Sign.POWER_ON,
        0x1D: Sign.POWER_OFF, 0x20: Sign.VIBRATION, 0x21: Sign.POWER_CUT, 0x23: Sign.CASE_TAMPER,
    }
)  # fmt: skip
STATE_SIZE = 5
LTE = 3  # kind of a cell from which on LAC, CID and signal are longer


def modules_of(data: bytes, length_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Number 2, length, content."""
    read = Cursor(data)
    while read.left >= 2 + length_bytes:
        number = read.word()
        size = int.from_bytes(read.take(length_bytes), "big")
        if size > read.left:
            return
        yield number, read.take(size)


def modular(message: Message) -> TrackerReport:
    """70: lengths of two bytes."""
    fix: Fix | None = None
    signs: set[Sign] = set()
    odometer_m = None
    raw: dict[str, object] = {}
    for number, data in modules_of(message.content, 2):
        raw |= values_of(number, data)
        if number == POSITION and len(data) >= POSITION_SIZE:
            fix = _fix(data)
        elif number == EVENT and data[:1] and data[0] in EVENTS:
            signs.add(EVENTS[data[0]])
        elif number == ODOMETER and len(data) == 4:
            odometer_m = float(int.from_bytes(data, "little"))
    return message.report(fix=fix, signs=signs, odometer_m=odometer_m, raw=raw)


def _fix(data: bytes) -> Fix:
    """Seconds since 1970, satellites, height 2, latitude and longitude 4 each, km/h, status 2."""
    gps = Gps.of(
        time=datetime.fromtimestamp(int.from_bytes(data[:4], "big"), UTC),
        satellites=data[4],
        place=data[7:15],
        speed_kmh=data[15],
        status=int.from_bytes(data[16:18], "big"),
    )
    return fix_of(gps, altitude_m=int.from_bytes(data[5:7], "big", signed=True))


def values_of(number: int, data: bytes) -> dict[str, object]:
    """What a module says beside position, alarm and mileage."""
    value = int.from_bytes(data, "big")
    match number, len(data):
        case (0x03, 10):
            return {"iccid": data.hex()}
        case (0x09, 1):
            return {"satellites": value}
        case (0x0A, 1):
            return {"satellites_in_view": value}
        case (0x18, 2):
            return {"battery_v": value / 100}
        case (0x28, 1):
            return {"hdop": value / 10}
        case (0x2A, 1):
            return {"door": bool(value & 0xF), "tamper": bool(value >> 4)}
        case (0x2B, 1):
            return {"boot_reason": value}
        case (0x34, size) if size:
            return {"event": data[0]}
        case (0x6A, 1) if value <= 100:
            return {"battery_pct": value}
    return {}


def state_and_modules(message: Message) -> TrackerReport:
    """36: a state, then modules with a length of one byte."""
    return _with_modules(message, message.content, None)


def alarm_and_modules(message: Message) -> TrackerReport:
    """39: position and cell before the state, and its alarm is wide."""
    read = Cursor(message.content)
    fix = fix_of(Gps.from_bytes(read.take(GPS_SIZE)))
    kind = read.byte()
    wide_mnc = read.word() >> 15
    read.take((2 if wide_mnc else 1) + (4 + 8 + 2 if kind >= LTE else 2 + 3 + 1))
    return _with_modules(message, read.rest(), fix)


def _with_modules(message: Message, data: bytes, fix: Fix | None) -> TrackerReport:
    state = State.from_bytes(data, wide=fix is not None)
    if state is None:
        raise RemoteProtocolError("body", "a state of three bytes at least is wanted")
    raw = state.raw()
    for number, value in modules_of(data[STATE_SIZE:], 1):
        raw |= values_of(number, value)
    found = message.of_state(state, fix, raw)
    percent = raw.get("battery_pct")
    return replace(found, battery_pct=percent) if isinstance(percent, int) else found
