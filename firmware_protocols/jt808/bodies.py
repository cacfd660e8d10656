"""Bodies of JT/T 808 but the location report: read into named fields, and written where we or a simulator send them.

One row per message in `READERS`. A body that is none raises `RemoteProtocolError` (body); its frame is good.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.jt808 import areas
from firmware_protocols.jt808.areas import Area, Shape
from firmware_protocols.jt808.frames import Frame
from firmware_protocols.jt808.items import named_parameter
from firmware_protocols.jt808.location import Location, raw_of
from firmware_protocols.jt808.reading import Reader, text_of, time_of
from firmware_protocols.tracker_describing import utc

Fields: TypeAlias = dict[str, object]
CONSTELLATIONS = ("bds", "gps", "glonass", "galileo")  # of 0205, in this order


def _id(number: int) -> str:
    return f"0x{number:04X}"


def _reply(read: Reader, _frame: Frame) -> Fields:
    return {"ack_serial": read.word(), "ack_id": _id(read.word()), "result": read.byte()}


def _nothing(_read: Reader, _frame: Frame) -> Fields:
    return {}


def _time(read: Reader, _frame: Frame) -> Fields:
    return {"time_bcd": read.bcd_time()}


def _register(read: Reader, frame: Frame) -> Fields:
    if frame.version is not None:
        sizes = (11, 30, 30)
    elif read.left < 37:  # the edition of 2011
        sizes = (5, 8, 7)
    else:
        sizes = (5, 20, 7)
    found: Fields = {"province": read.word(), "city": read.word()}
    for name, size in zip(("manufacturer", "model", "terminal_id"), sizes, strict=True):
        found[name] = read.text(size)
    return found | {"plate_color": read.byte(), "plate": text_of(read.rest())}


def _register_reply(read: Reader, _frame: Frame) -> Fields:
    found: Fields = {"ack_serial": read.word(), "result": read.byte()}
    return found | ({"auth_code": text_of(read.rest())} if found["result"] == 0 else {})


def _authenticate(read: Reader, frame: Frame) -> Fields:
    if frame.version is None:
        return {"auth_code": text_of(read.rest())}
    code = read.text(read.byte())
    found: Fields = {"auth_code": code}
    if read.left >= 15:
        found |= {"imei": read.text(15), "software": text_of(read.rest())}
    return found


def _parameters(read: Reader, count: int) -> list[Fields]:
    found: list[Fields] = []
    while len(found) < count and read.left >= 5:
        number, size = read.dword(), read.byte()
        value = read.take(min(size, read.left))
        found.append({"id": _id(number), "len": size, "value": value.hex()} | named_parameter(number, value))
    return found


def _set_parameters(read: Reader, _frame: Frame) -> Fields:
    count = read.byte()
    return {"count": count, "params": _parameters(read, count)}


def _parameter_reply(read: Reader, _frame: Frame) -> Fields:
    serial, count = read.word(), read.byte()
    return {"ack_serial": serial, "count": count, "params": _parameters(read, count)}


def _query_some(read: Reader, _frame: Frame) -> Fields:
    count = read.byte()
    return {"count": count, "params": [_id(read.dword()) for _ in range(min(count, read.left // 4))]}


def _control(read: Reader, _frame: Frame) -> Fields:
    command = read.byte()
    return {"command": command, "params_hex": read.rest().hex()}


def _attributes(read: Reader, frame: Frame) -> Fields:
    """The maker's field of 2019 has 5 bytes in some devices and 11 in others: the layout is the one that ends well."""
    data = read.rest()
    layouts = ((5, 30, 30), (11, 30, 30)) if frame.version is not None else ((5, 20, 7),)
    for sizes in layouts:
        found = _attributes_as(Reader(data), sizes)
        if found is not None:
            return found
    return {"unread": data.hex()}


def _attributes_as(read: Reader, sizes: tuple[int, int, int]) -> Fields | None:
    if read.left < 2 + sum(sizes) + 10 + 2 + 2:
        return None
    found: Fields = {"terminal_type": read.word()}
    for name, size in zip(("manufacturer", "model", "terminal_id"), sizes, strict=True):
        found[name] = read.text(size)
    found["iccid"] = read.take(10).hex()
    for name in ("hardware", "firmware"):
        size = read.byte() if read.left else 0
        if read.left < size:
            return None
        found[name] = read.text(size)
    return found | {"gnss": read.byte(), "comm": read.byte()} if read.left == 2 else None


def _upgrade(read: Reader, _frame: Frame) -> Fields:
    kind, maker = read.byte(), read.text(5)
    version = read.text(read.byte())
    length = read.dword()
    return {
        "upgrade_type": kind, "manufacturer": maker, "version": version, "length": length, "data": read.rest().hex(),
    }  # fmt: skip


def _upgrade_result(read: Reader, _frame: Frame) -> Fields:
    return {"upgrade_type": read.byte(), "result": read.byte()}


def _tracking(read: Reader, _frame: Frame) -> Fields:
    found: Fields = {"interval_s": read.word()}
    return found | ({"duration_s": read.dword()} if read.left >= 4 else {})


def _confirm_alarm(read: Reader, _frame: Frame) -> Fields:
    return {"alarm_serial": read.word(), "alarm_type": read.dword()}


def _resend(read: Reader, frame: Frame) -> Fields:
    first = read.word()
    count = read.byte() if frame.version is None else read.word()
    return {"first_serial": first, "packets": [read.word() for _ in range(min(count, read.left // 2))]}


def _text(read: Reader, frame: Frame) -> Fields:
    flag = read.byte()
    kind = None if frame.version is None else read.byte()
    return {"flag": flag, "text_type": kind, "text": text_of(read.rest())}


def _passthrough(read: Reader, _frame: Frame) -> Fields:
    return {"passthrough_type": read.byte(), "data": read.rest().hex()}


def _position_reply(read: Reader, _frame: Frame) -> Fields:
    serial = read.word()
    return {"ack_serial": serial} | raw_of(Location.from_bytes(read.rest()))


def satellites(read: Reader) -> Fields:
    """0205, ahead of its location: what each constellation has in view."""
    found: Fields = {}
    for name in CONSTELLATIONS:
        found[name] = [
            {"id": read.byte(), "elevation": read.byte(), "azimuth": read.word(), "cn0": read.byte()}
            for _ in range(read.byte())
        ]
    return found


def _satellites(read: Reader, _frame: Frame) -> Fields:
    found = satellites(read)
    return {"in_view": found} | raw_of(Location.from_bytes(read.rest()))


def bulk(data: bytes) -> tuple[int, list[Location]]:
    """0704: kind (0 as it happened, 1 stored without a network) and the locations that can be read. Code: body."""
    read = Reader(data)
    count, kind = read.word(), read.byte()
    found: list[Location] = []
    while len(found) < count and read.left >= 2:
        size = read.word()
        found.append(Location.from_bytes(read.take(min(size, read.left))))
    return kind, found


def _bulk(read: Reader, _frame: Frame) -> Fields:
    data = read.rest()
    kind, found = bulk(data)
    return {
        "count": int.from_bytes(data[:2], "big"), "location_type": kind, "positions": [raw_of(one) for one in found],
    }  # fmt: skip


def _card(read: Reader, frame: Frame) -> Fields:
    """0702: a card of a person. What it holds of him goes into no report."""
    status, digits = read.byte(), read.bcd_time()
    found: Fields = {"status": status, "time": None}
    time = time_of(digits)
    if time is not None:
        found["time"] = utc(time)
    if not read.left:
        return found
    found["ic_result"] = read.byte()
    if read.left:
        found["driver_name"] = read.text(read.byte())
        found["certificate"] = read.text(20)
        found["agency"] = read.text(read.byte())
        found["valid_until_bcd"] = read.take(4).hex()
        if frame.version is not None and read.left >= 20:
            found["driver_id_card"] = read.text(20)
        found["trailing"] = read.rest().hex()
    return found


def _areas(read: Reader, frame: Frame) -> Fields:
    action, count, data = read.byte(), read.byte(), read.rest()
    inside, new = Reader(data), frame.version is not None
    some = [areas.raw_of(Area.read(inside, Shape(frame.msg_id), new=new)) for _ in range(count)]
    return {"action": action, "count": count, "areas": some, "areas_hex": data.hex()}


def _polygon(read: Reader, frame: Frame) -> Fields:
    return areas.raw_of(Area.read(read, Shape.POLYGON, new=frame.version is not None))


def _delete_areas(read: Reader, _frame: Frame) -> Fields:
    count = read.byte()
    return {"count": count, "ids": [read.dword() for _ in range(min(count, read.left // 4))]}


def _battery_beat(read: Reader, _frame: Frame) -> Fields:
    """0210 of some wearables: percent and the time."""
    return {"battery": read.byte(), "time_bcd": read.bcd_time()}


READERS: Mapping[int, Callable[[Reader, Frame], Fields]] = MappingProxyType(
    {
        0x0001: _reply, 0x8001: _reply, 0x0002: _nothing, 0x0003: _nothing, 0x0004: _nothing, 0x8004: _time,
        0x0005: _resend, 0x8003: _resend, 0x0100: _register, 0x8100: _register_reply, 0x0102: _authenticate,
        0x8103: _set_parameters, 0x8104: _nothing, 0x0104: _parameter_reply, 0x8106: _query_some, 0x8105: _control,
        0x8107: _nothing, 0x0107: _attributes, 0x8108: _upgrade, 0x0108: _upgrade_result, 0x8201: _nothing,
        0x0201: _position_reply, 0x0205: _satellites, 0x8202: _tracking, 0x8203: _confirm_alarm, 0x8300: _text,
        0x8600: _areas, 0x8601: _delete_areas, 0x8602: _areas, 0x8603: _delete_areas, 0x8604: _polygon,
        0x8605: _delete_areas,
        0x0702: _card, 0x0704: _bulk, 0x0900: _passthrough, 0x8900: _passthrough, 0x0210: _battery_beat,
    }
)  # fmt: skip


def fields_of(frame: Frame) -> Fields:
    """The named fields of a body; of a package or an unknown message none. Code: body."""
    reader = READERS.get(frame.msg_id)
    if frame.package is not None or frame.encryption or reader is None:
        return {}
    return reader(Reader(frame.body), frame)


# -- what the platform sends ----------------------------------------------------------------------------


def general_reply(serial: int, msg_id: int, result: int = 0) -> bytes:
    """8001 (platform) and 0001 (terminal)."""
    return serial.to_bytes(2, "big") + msg_id.to_bytes(2, "big") + bytes([result])


def register_reply(serial: int, result: int, auth_code: str = "") -> bytes:
    """8100."""
    return serial.to_bytes(2, "big") + bytes([result]) + (auth_code.encode("gbk") if result == 0 else b"")


def temporary_tracking(interval_s: int, duration_s: int) -> bytes:
    """8202."""
    if not 0 < interval_s < 1 << 16:
        raise LocalProtocolError("range", "an interval has 1 to 65535 s")
    return interval_s.to_bytes(2, "big") + duration_s.to_bytes(4, "big")


def text(words: str, frame_version: int | None, flag: int = 0x04) -> bytes:
    """8300, shown on the display (bit 2)."""
    kind = b"" if frame_version is None else b"\x01"
    return bytes([flag]) + kind + words.encode("gbk", "replace")
