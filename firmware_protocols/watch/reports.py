"""A watch's message as a report. Values of the body (heart, blood, temperature) stay in `raw`."""

from collections.abc import Mapping, Sequence

from firmware_protocols.text_values import number, pair, whole
from firmware_protocols.tracking import Fix, Sign, TrackerReport
from firmware_protocols.watch.frames import Frame
from firmware_protocols.watch.messages import (
    ALARMS,
    MOMENTS,
    POSITIONS,
    STANDING,
    STORED,
    Message,
    Position,
    position,
)

# Words whose fields are numbers, and what they are. Makers write them in either case.
NUMBERS: Mapping[str, Sequence[str]] = {
    "lk": ("steps", "rolls", "battery_level"),
    "heart": ("heart_rate",),
    "pulse": ("heart_rate",),
    "bphrt": ("systolic", "diastolic", "heart_rate"),
    "blood": ("systolic", "diastolic"),
    "temp": ("temperature",),
    "btemp2": ("mode", "temperature"),
    "oxygen": ("mode", "oxygen"),
}


def report_of(frame: Frame) -> TrackerReport:
    """Of any frame."""
    message = Message.from_content(frame.content)
    if message.base in POSITIONS and len(message.args) > 6:
        return _of_position(frame, message, position(message.args))
    raw: dict[str, object] = {}
    battery = None
    names = NUMBERS.get(message.cmd.lower(), ())
    for at, name in enumerate(names):
        value = number(pair(list(message.args), at))
        if value is not None:
            raw[name] = int(value) if value == int(value) else value
    if "battery_level" in names:
        battery = whole(pair(list(message.args), names.index("battery_level")))
    return TrackerReport(
        kind=message.cmd,
        device_id=frame.device_id,
        battery_pct=battery if battery is not None and 0 <= battery <= 100 else None,
        raw=raw,
    )


def _of_position(frame: Frame, message: Message, found: Position) -> TrackerReport:
    fix = None
    if found.lat is not None and found.lon is not None:
        fix = Fix(
            lat=found.lat,
            lon=found.lon,
            valid=found.valid,
            time=found.time,
            altitude_m=found.altitude_m,
            speed_kmh=found.speed_kmh,
            course=found.course,
            satellites=found.satellites,
            archived=message.base in STORED,
        )
    bits = found.status_bits
    moments = {MOMENTS[bit] for bit in bits if bit in MOMENTS}
    if message.base in ALARMS and not moments and not any(bit in STANDING for bit in bits):
        moments = {Sign.GENERAL}  # an alarm without a bit: something is wrong
    standing = {} if found.status is None else {sign: bit in bits for bit, sign in STANDING.items()}
    return TrackerReport(
        kind=message.cmd,
        device_id=frame.device_id,
        device_time=None if fix is not None else found.time,
        fix=fix,
        standing=standing,
        moments=frozenset(moments),
        battery_pct=found.battery,
        raw=_raw(found),
    )


def _raw(found: Position) -> dict[str, object]:
    raw: dict[str, object] = {
        "time": None if found.time is None else f"{found.time.isoformat()}Z",
        "valid": found.valid,
        "lat": found.lat,
        "lon": found.lon,
        "speed_kmh": found.speed_kmh,
        "course": found.course,
        "altitude_m": found.altitude_m,
        "satellites": found.satellites,
        "rssi": found.rssi,
        "battery_level": found.battery,
        "steps": found.steps,
        "rolls": found.rolls,
    }
    if found.status is not None:
        raw |= {"status": f"0x{found.status:08X}", "status_bits": found.status_bits}
    if found.cells:
        raw["cells"] = list(found.cells)
    if found.wifi:
        raw["wifi"] = list(found.wifi)
    return raw
