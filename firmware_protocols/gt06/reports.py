"""A message of GT06 as a report. Layouts that only one model has are left as they are: the frame, and its time."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gt06.blocks import GPS_SIZE, Gps, State, cell_of, utc_time
from firmware_protocols.gt06.frames import Frame
from firmware_protocols.text_values import moment
from firmware_protocols.tracker_describing import utc
from firmware_protocols.tracking import Fix, Sign, TrackerReport

LOGIN, HEARTBEAT, TIME = 0x01, 0x13, 0x8A
GPS_FIRST = frozenset({0x10, 0x11, 0x12, 0x22, 0x16, 0x26, 0x27, 0xA0, 0xA3, 0xA4})
PERHAPS_GPS = frozenset({0xA2, 0x17, 0x24})  # cells in some models, a position in others: byte 7 tells
WITH_STATE = frozenset({0x16, 0x26, 0x27, 0xA4})
WIFI = frozenset(
    {0x17, 0x69}
)  # their time is in digits; without serial number and CRC where the length is none
TIMED = frozenset({0x18, 0x28, 0x2C, 0x2E, 0x24, 0x32, 0x95, 0x8C, 0xB2, 0xA2})
TEXT = frozenset({0x15, 0x21})
CELL_4G = 15  # bytes: MCC, MNC, LAC DWORD, CID of 8
NOT_COUNTED = {8: 9, 10: 11}  # lengths of a cell that do not count themselves


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
    return TrackerReport(kind=_kind(frame), device_id=device_id)


def _login(frame: Frame, _device_id: str | None) -> TrackerReport:
    """IMEI in 8 bytes of digits, the first one a filler; type, zone and language where they are there."""
    if len(frame.content) < 8:
        raise RemoteProtocolError("body", "a login has an IMEI of 8 bytes")
    imei = frame.content[:8].hex()[1:]
    raw: dict[str, object] = {"imei": imei}
    if len(frame.content) >= 12:
        zone = int.from_bytes(frame.content[10:12], "big")
        hours, minutes = divmod(zone >> 4, 100)
        raw |= {
            "type_id": frame.content[8:10].hex(),
            "timezone_minutes": (hours * 60 + minutes) * (-1 if zone >> 3 & 1 else 1),
            "language_bits": zone & 7,
        }
    return TrackerReport(kind=_kind(frame), device_id=imei, raw=raw)


def _heartbeat(frame: Frame, device_id: str | None) -> TrackerReport:
    state = State.from_bytes(frame.content)
    if state is None:
        raise RemoteProtocolError("body", "a heartbeat has three bytes at least")
    return _with_state(frame, device_id, state, None, state.raw())


def _cell_and_state(frame: Frame, device_id: str | None) -> TrackerReport:
    """A5: a 4G cell, then the state."""
    state = State.from_bytes(frame.content[CELL_4G:])
    if state is None:
        raise RemoteProtocolError("body", "a cell of 15 bytes and a state of three at least are wanted")
    return _with_state(frame, device_id, state, None, state.raw())


def _position(frame: Frame, device_id: str | None) -> TrackerReport:
    gps, rest = Gps.from_bytes(frame.content), frame.content[GPS_SIZE:]
    raw: dict[str, object] = {
        "time": None if gps.time is None else utc(gps.time),
        "gps_info_len": gps.info_length,
        "satellites": gps.satellites,
        "lat": gps.lat,
        "lon": gps.lon,
        "speed_kmh": gps.speed_kmh,
        "course": gps.course,
        "valid": gps.valid,
        "realtime": not gps.status >> 13 & 1,
        "course_status": f"0x{gps.status:04X}",
        "rest": rest.hex(),
    }
    stored, mileage = False, b""
    if frame.number in WITH_STATE:
        return _alarm(frame, device_id, gps, rest, raw)
    if frame.number in (0x12, 0x22):
        found = cell_of(rest)
        if found is not None:
            cell, size = found
            raw |= cell
            if (
                frame.number == 0x22
            ):  # ignition, why it reports, whether it was stored, and in some the mileage
                stored, mileage = rest[size + 2 : size + 3] == b"\x01", rest[size + 3 : size + 7]
    return TrackerReport(
        kind=_kind(frame),
        device_id=device_id,
        fix=_fix(gps, stored=stored),
        odometer_m=float(int.from_bytes(mileage, "big")) if len(mileage) == 4 else None,
        raw=raw,
    )


def _alarm(
    frame: Frame, device_id: str | None, gps: Gps, rest: bytes, raw: dict[str, object]
) -> TrackerReport:
    """The cell has its length before it, in most models itself counted; where it has none, it has eight bytes."""
    length = rest[0] if rest and rest[0] in range(8, 17) else 0
    found = cell_of(rest[1:] if length else rest)
    size = NOT_COUNTED.get(length, length) or 8
    state = State.from_bytes(rest[size:])
    if length == 9 and found is not None:
        raw |= found[0]
    if state is None:
        return TrackerReport(kind=_kind(frame), device_id=device_id, fix=_fix(gps), raw=raw)
    if length == 9:
        raw |= state.raw()
    return _with_state(frame, device_id, state, _fix(gps), raw)


def _with_state(
    frame: Frame, device_id: str | None, state: State, fix: Fix | None, raw: dict[str, object]
) -> TrackerReport:
    return TrackerReport(
        kind=_kind(frame),
        device_id=device_id,
        fix=fix,
        standing={Sign.STRAP_OPEN: True} if Sign.STRAP_OPEN in state.signs else {},
        moments=state.signs,
        battery_pct=state.battery_pct,
        charging=state.charging,
        raw=raw,
    )


def _fix(gps: Gps, *, stored: bool = False) -> Fix:
    return Fix(
        lat=gps.lat,
        lon=gps.lon,
        valid=gps.valid,
        time=gps.time,
        speed_kmh=gps.speed_kmh,
        course=gps.course,
        satellites=gps.satellites,
        archived=stored,
    )


def _timed(frame: Frame, device_id: str | None) -> TrackerReport:
    if _is_position(frame):
        return _position(frame, device_id)
    return TrackerReport(kind=_kind(frame), device_id=device_id, device_time=utc_time(frame.content))


def _is_position(frame: Frame) -> bool:
    gps = frame.number in PERHAPS_GPS and frame.length_ok and len(frame.content) >= GPS_SIZE
    return gps and frame.content[6] >> 4 == 0xC


def _wifi(frame: Frame, device_id: str | None) -> TrackerReport:
    if _is_position(frame):
        return _position(frame, device_id)
    found = moment(frame.content[:6].hex(), "YYMMDDhhmmss")
    if found is None:
        return _timed(frame, device_id)
    return TrackerReport(kind=_kind(frame), device_id=device_id, device_time=found)


def _text(frame: Frame, device_id: str | None) -> TrackerReport:
    """15: length, flag of the server, text, language. 21: flag, encoding (1 ASCII, 2 UTF-16), text."""
    if frame.number == 0x15:
        size = frame.content[0] if frame.content else 0
        text = frame.content[5 : 1 + size].decode("ascii", "replace")
    else:
        wide = frame.content[4:5] == b"\x02"
        text = frame.content[5:].decode("utf-16-be" if wide else "ascii", "replace")
    return TrackerReport(kind=_kind(frame), device_id=device_id, raw={"text": text})


READERS: Mapping[int, Callable[[Frame, str | None], TrackerReport]] = MappingProxyType(
    {
        LOGIN: _login,
        HEARTBEAT: _heartbeat,
        0xA5: _cell_and_state,
        **dict.fromkeys(GPS_FIRST, _position),
        **dict.fromkeys(TIMED, _timed),
        **dict.fromkeys(WIFI, _wifi),
        **dict.fromkeys(TEXT, _text),
    }
)
