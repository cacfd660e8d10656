"""A frame of xexun2 as reports: type 14 carries records, of the others it is told that they came."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.tracking import Sign, TrackerReport
from firmware_protocols.xexun2.frames import Frame
from firmware_protocols.xexun2.positions import Position
from firmware_protocols.xexun2.reading import Reader

COMMAND, RECORDS = 0x0007, 0x0014
ALARMS: Mapping[int, Sign] = MappingProxyType({0: Sign.SOS, 1: Sign.STRAP_OPEN, 15: Sign.FALL})
_WITH_ALARM, _WITH_POSITION, _WITH_FINGERPRINT, _WITH_VERSION, _WITH_PARAMETERS = (
    1 << bit for bit in (0, 1, 3, 4, 5)
)


def reports_of(frame: Frame) -> tuple[TrackerReport, ...]:
    """At least one."""
    if frame.msg == RECORDS:
        found = tuple(_record(frame, one) for one in _records(frame.payload))
        return found or (_plain(frame, {}),)
    if frame.msg == COMMAND:
        return (_plain(frame, {"text": frame.payload.decode("utf-8", "replace")}),)
    return (_plain(frame, {"payload": frame.payload.hex()}),)


def _plain(frame: Frame, raw: dict[str, object]) -> TrackerReport:
    return TrackerReport(kind=_kind(frame), device_id=frame.imei, raw=raw)


def _kind(frame: Frame) -> str:
    return f"0x{frame.msg:04X}"


def _records(payload: bytes) -> Iterator[bytes]:
    """Count BYTE, a length WORD for each, then one behind the other; what is not there is left out."""
    count = payload[0] if payload else 0
    at = 1 + 2 * count
    for number in range(count):
        length = int.from_bytes(payload[1 + 2 * number : 3 + 2 * number], "big")
        if at >= len(payload):
            return
        yield payload[at : at + length]
        at += length


def _record(frame: Frame, data: bytes) -> TrackerReport:
    """Index BYTE, time DWORD, signal BYTE, battery WORD (bit 15 charging), mask BYTE, then what the mask names."""
    reader = Reader(data)
    try:
        index, seconds, rssi, battery, mask = reader.numbers("BIBHB")
    except RemoteProtocolError as exc:
        return _plain(frame, {"trouble": exc.code})
    time = datetime.fromtimestamp(seconds, UTC)
    position, raw = Position(), {"index": index, "rssi": rssi}
    alarm = 0
    told: dict[str, object] = {}
    try:
        if mask & _WITH_ALARM:
            alarm = reader.number("I")
            told["alarm"] = f"0x{alarm:08X}"
        if mask & _WITH_POSITION:
            position.read(reader)
        told |= _rest(reader, mask)
    except RemoteProtocolError as exc:  # what was read until then counts
        told["trouble"] = exc.code
    moments = frozenset(sign for bit, sign in ALARMS.items() if alarm >> bit & 1)
    fix, percent = position.fix(time), battery & 0x7FFF
    if fix is None:
        told |= _speed_of(position)
    return TrackerReport(
        kind=_kind(frame),
        device_id=frame.imei,
        device_time=None if fix is not None else time,
        fix=fix,
        # No record says that it is worn: staff have looked, or the alarm stands.
        standing={Sign.STRAP_OPEN: True} if Sign.STRAP_OPEN in moments else {},
        moments=moments,
        battery_pct=percent if percent <= 100 else None,
        charging=bool(battery >> 15),
        raw={**raw, **position.raw, **told},
    )


def _rest(reader: Reader, mask: int) -> dict[str, object]:
    """Fingerprint DWORD, version[20] IMSI[8] ICCID[10], parameters[12]; what more there is, is kept unread."""
    found: dict[str, object] = {}
    if mask & _WITH_FINGERPRINT:
        found["fingerprint"] = f"0x{reader.number('I'):08X}"
    if mask & _WITH_VERSION:
        found["version"] = reader.take(20).rstrip(b"\0").decode("ascii", "replace")
        found["imsi"], found["iccid"] = reader.take(8).hex(), reader.take(10).hex()
    if mask & _WITH_PARAMETERS:
        found["parameters"] = reader.take(12).hex()
    return found | ({"rest": reader.take(reader.left).hex()} if reader.left else {})


def _speed_of(position: Position) -> dict[str, object]:
    if position.speed_kmh is None:
        return {}
    return {"speed_kmh": position.speed_kmh, "course": position.course}
