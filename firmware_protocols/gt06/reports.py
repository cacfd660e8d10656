"""A message of GT06 as a report. Layouts that only one model has stand in `models`; 70 in `modular`."""

from collections.abc import Mapping
from datetime import timedelta, timezone, tzinfo
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gt06.blocks import GPS_SIZE, Gps, State, cell_of, clock_time
from firmware_protocols.gt06.frames import Frame
from firmware_protocols.gt06.models import CELL_4G, Reader, reader_of
from firmware_protocols.gt06.modular import modular
from firmware_protocols.gt06.telling import Message, fix_of, gps_raw
from firmware_protocols.text_values import moment
from firmware_protocols.tracking import TrackerReport

LOGIN, HEARTBEAT, TIME, MODULAR = 0x01, 0x13, 0x8A, 0x70
GPS_FIRST = frozenset({0x10, 0x11, 0x12, 0x22, 0x16, 0x26, 0x27, 0xA0, 0xA3, 0xA4})
# In some models something else: byte 7 tells.
PERHAPS_GPS = frozenset({0x17, 0x1A, 0x1E, 0x24, 0x2D, 0x31, 0x32, 0x37, 0xA2})
WITH_STATE = frozenset({0x16, 0x26, 0x27, 0xA4})
WIDE_ALARM = frozenset({0x27, 0xA4})
STORED = frozenset({0x12, 0x22, 0x2D, 0x31, 0x37})  # behind their cell may be why they report, and mileage
WIFI = frozenset(
    {0x17, 0x69}
)  # their time is in digits; without serial number and CRC where the length is none
TIMED = frozenset({0x18, 0x28, 0x2C, 0x2E, 0x24, 0x32, 0x8C, 0xB2, 0xA2})
TEXT = frozenset({0x15, 0x21})
DAY_MINUTES = 24 * 60
NOT_COUNTED = {8: 9, 10: 11}  # lengths of a cell that do not count themselves


def report_of(frame: Frame, device_id: str | None = None) -> TrackerReport:
    """Of any frame; of a content that cannot be read, that the frame came. Times are naive: the device's clock."""
    message = Message(frame, device_id)
    reader = reader_of(message) or READERS.get(frame.number, Message.report)
    try:
        return reader(message)
    except RemoteProtocolError as exc:
        return message.report(raw={"trouble": exc.code})


def zone_of(login: Frame) -> tzinfo | None:
    """Of the tracker's clock; None where the login does not say, or says 0: then it is the configuration's."""
    minutes = _zone_minutes(login)
    return timezone(timedelta(minutes=minutes)) if 0 < abs(minutes) < DAY_MINUTES else None


def _zone_minutes(login: Frame) -> int:
    """East of Greenwich: hours * 100 + minutes above four bits, of which the upper one says west."""
    zone = int.from_bytes(login.content[10:12], "big")
    hours, minutes = divmod(zone >> 4, 100)
    return (hours * 60 + minutes) * (-1 if zone >> 3 & 1 else 1)


def _login(message: Message) -> TrackerReport:
    """IMEI in 8 bytes of digits, the first one a filler; type, zone and language where they are there."""
    if len(message.content) < 8:
        raise RemoteProtocolError("body", "a login has an IMEI of 8 bytes")
    imei = message.content[:8].hex()[1:]
    raw: dict[str, object] = {"imei": imei}
    if len(message.content) >= 12:
        raw |= {
            "type_id": message.content[8:10].hex(),
            "timezone_minutes": _zone_minutes(message.frame),
            "language_bits": message.content[11] & 7,
        }
    return Message(message.frame, imei).report(raw=raw)


def _heartbeat(message: Message) -> TrackerReport:
    state = State.from_bytes(message.content)
    if state is None:
        raise RemoteProtocolError("body", "a heartbeat has three bytes at least")
    return message.of_state(state, None, state.raw())


def _cell_and_state(message: Message) -> TrackerReport:
    """A5: a 4G cell, then the state."""
    state = State.from_bytes(message.content[CELL_4G:])
    if state is None:
        raise RemoteProtocolError("body", "a cell of 15 bytes and a state of three at least are wanted")
    return message.of_state(state, None, state.raw())


def _position(message: Message) -> TrackerReport:
    gps, rest = Gps.from_bytes(message.content), message.content[GPS_SIZE:]
    raw = gps_raw(gps, rest)
    if message.number in WITH_STATE:
        return _alarm(message, gps, rest, raw)
    stored, mileage = False, b""
    found = cell_of(rest) if message.number in STORED else None
    if found is not None:
        raw |= found[0]
        stored, mileage = _behind_cell(rest[found[1] :])
    return message.report(
        fix=fix_of(gps, archived=stored),
        odometer_m=float(int.from_bytes(mileage, "big")) if len(mileage) == 4 else None,
        raw=raw,
    )


def _behind_cell(data: bytes) -> tuple[bool, bytes]:
    """Ignition, why it reports, whether it was stored; and in some the mileage, or that alone."""
    if len(data) == 4:
        return False, data
    return data[2:3] == b"\x01", data[3:7]


def _alarm(message: Message, gps: Gps, rest: bytes, raw: dict[str, object]) -> TrackerReport:
    """The cell has its length before it, in most models itself counted; where it has none, it has eight bytes."""
    length = rest[0] if rest and rest[0] in range(8, 17) else 0
    found = cell_of(rest[1:] if length else rest)
    size = NOT_COUNTED.get(length, length) or 8
    state = State.from_bytes(rest[size:], wide=message.number in WIDE_ALARM)
    if length == 9 and found is not None:
        raw |= found[0]
    if state is None:
        return message.report(fix=fix_of(gps), raw=raw)
    if length == 9:
        raw |= state.raw()
    return message.of_state(state, fix_of(gps), raw)


def _timed(message: Message) -> TrackerReport:
    if _is_position(message):
        return _position(message)
    return message.report(time=clock_time(message.content))


def _is_position(message: Message) -> bool:
    content = message.content
    gps = message.number in PERHAPS_GPS and message.frame.length_ok and len(content) >= GPS_SIZE
    return gps and content[6] >> 4 == 0xC


def _perhaps(message: Message) -> TrackerReport:
    return _position(message) if _is_position(message) else message.report()


def _wifi(message: Message) -> TrackerReport:
    if _is_position(message):
        return _position(message)
    found = moment(message.content[:6].hex(), "YYMMDDhhmmss")
    return message.report(time=clock_time(message.content) if found is None else found)


def _text(message: Message) -> TrackerReport:
    """15: length, flag of the server, text, language. 21: flag, encoding (1 ASCII, 2 UTF-16), text."""
    content = message.content
    if message.number == 0x15:
        size = content[0] if content else 0
        text = content[5 : 1 + size].decode("ascii", "replace")
    else:
        wide = content[4:5] == b"\x02"
        text = content[5:].decode("utf-16-be" if wide else "ascii", "replace")
    return message.report(raw={"text": text})


READERS: Mapping[int, Reader] = MappingProxyType(
    {
        LOGIN: _login,
        HEARTBEAT: _heartbeat,
        MODULAR: modular,
        0xA5: _cell_and_state,
        **dict.fromkeys(PERHAPS_GPS, _perhaps),
        **dict.fromkeys(GPS_FIRST, _position),
        **dict.fromkeys(TIMED, _timed),
        **dict.fromkeys(WIFI, _wifi),
        **dict.fromkeys(TEXT, _text),
    }
)
