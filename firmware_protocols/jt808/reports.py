"""A message of JT/T 808 as reports: one for most, one for each location of a bulk upload."""

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.jt808.bodies import bulk, fields_of, satellites
from firmware_protocols.jt808.frames import Frame
from firmware_protocols.jt808.location import Location, battery_of, fix_of, odometer_m, raw_of, signs_of
from firmware_protocols.jt808.locks import BLIND, LOCATION, located
from firmware_protocols.jt808.models import STANDARD
from firmware_protocols.jt808.reading import Reader, time_of
from firmware_protocols.tracking import Raw, TrackerReport

TIMED = b"\xf0"  # 0900: data that begins with the device's time
STORED = 1  # 0704: taken while there was no network


def reports_of(frame: Frame, model: str = STANDARD) -> tuple[TrackerReport, ...]:
    """Of any frame; of a body that cannot be read, that the frame came."""
    try:
        return _reports(frame, model)
    except RemoteProtocolError as exc:
        return (_plain(frame, {"trouble": exc.code}),)


def _reports(frame: Frame, model: str) -> tuple[TrackerReport, ...]:
    if frame.msg_id in (LOCATION, BLIND):
        return (located(frame),)
    if frame.package is not None or frame.encryption:
        return (_plain(frame, {}),)
    match frame.msg_id:
        case 0x0200:
            found = Location.from_bytes(frame.body)
            return (_of_location(frame, found, model, raw_of(found)),)
        case 0x0201:
            return (_of_location(frame, Location.from_bytes(frame.body[2:]), model, fields_of(frame)),)
        case 0x0205:
            read = Reader(frame.body)
            satellites(read)
            return (_of_location(frame, Location.from_bytes(read.rest()), model, fields_of(frame)),)
        case 0x0704:
            kind, some = bulk(frame.body)
            raws = fields_of(frame)
            found_all = [
                _of_location(frame, one, model, raw_of(one), archived=kind == STORED) for one in some
            ]
            return tuple(found_all) or (_plain(frame, raws),)
        case 0x0210 | 0x0702:
            return (_timed(frame, fields_of(frame)),)
        case 0x0900 if frame.body[:1] == TIMED:
            return (_timed(frame, fields_of(frame)),)
    return (_plain(frame, fields_of(frame)),)


def _plain(frame: Frame, raw: Raw) -> TrackerReport:
    return TrackerReport(kind=f"0x{frame.msg_id:04X}", device_id=frame.device_id, raw=raw)


def _timed(frame: Frame, raw: dict[str, object]) -> TrackerReport:
    digits = frame.body[1:7].hex()
    battery = raw.get("battery")
    return TrackerReport(
        kind=f"0x{frame.msg_id:04X}",
        device_id=frame.device_id,
        device_time=time_of(digits),
        battery_pct=battery if isinstance(battery, int) and battery <= 100 else None,
        raw=raw,
    )


def _of_location(
    frame: Frame, found: Location, model: str, raw: Raw, *, archived: bool = False
) -> TrackerReport:
    standing, moments = signs_of(found, model)
    battery, charging = battery_of(found)
    return TrackerReport(
        kind=f"0x{frame.msg_id:04X}",
        device_id=frame.device_id,
        fix=fix_of(found, archived=archived),
        standing=standing,
        moments=moments,
        battery_pct=battery,
        charging=charging,
        odometer_m=odometer_m(found),
        raw=raw,
    )
