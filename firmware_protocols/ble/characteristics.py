"""Values of characteristics, by their 16-bit number. Little-endian; degrees WGS-84, metres, km/h.

Names, position and pulse are a person's: their fields say so. The editions are those of the GATT Specification
Supplement; flags that it reserves are passed over, bytes behind what is known are kept as `rest_hex`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from firmware_protocols.ble.reading import Reader
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

BASE = "-0000-1000-8000-00805F9B34FB"
STATUS_OK = 1
UNKNOWN_YEAR = 0


def short_uuid(uuid: str) -> str:
    """`2A67` of any spelling of it. Raises `LocalProtocolError` (uuid): none that is known here."""
    text = uuid.strip().upper().removeprefix("0X")
    short = text[4:8] if text.endswith(BASE) and text.startswith("0000") and len(text) == 36 else text
    if short not in CHARACTERISTICS:
        known = ", ".join(sorted(CHARACTERISTICS))
        raise LocalProtocolError("uuid", f"no characteristic that is known here; known are {known}")
    return short


def _bit(flags: int, number: int) -> bool:
    return bool(flags >> number & 1)


def _moment(read: Reader, name: str, *, suffix: str) -> None:
    """Seven bytes of date and time; a year of 0 means that the device does not know."""
    data = read.take(name, 7)
    year = int.from_bytes(data[:2], "little")
    value = None
    if year != UNKNOWN_YEAR:
        try:
            value = datetime(year, *data[2:]).isoformat() + suffix  # noqa: DTZ001 - the zone is the suffix
        except ValueError:
            raise RemoteProtocolError("time", f"{name} is no date and time") from None
    read.field(name, 7, value)


def _position(read: Reader) -> None:
    for name, most in (("lat", 90), ("lon", 180)):
        raw = read.number(name, 4, signed=True, worth=lambda raw: raw / 1e7, personal=True)
        if abs(raw) > most * 10**7:
            raise RemoteProtocolError("range", f"{name} is beyond {most} degrees")


def _location_and_speed(read: Reader) -> None:
    flags = read.number("flags", 2)
    status = flags >> 7 & 3
    read.say("position_status", status)
    read.say("format_3d", _bit(flags, 9))
    read.say("elevation_source", flags >> 10 & 3)
    read.say("heading_source", flags >> 12 & 1)
    if _bit(flags, 0):
        raw = read.number("speed_ms", 2, worth=lambda raw: raw / 100)
        read.say("speed_kmh", round(raw * 0.036, 3))
    if _bit(flags, 1):
        read.number("odometer_m", 3, worth=lambda raw: raw / 10)
    read.say("position", _bit(flags, 2))
    if _bit(flags, 2):
        _position(read)
        read.say("valid", status == STATUS_OK)
    if _bit(flags, 3):
        read.number("altitude_m", 3, signed=True, worth=lambda raw: raw / 100, personal=True)
    if _bit(flags, 4):
        read.number("course", 2, worth=lambda raw: raw / 100)
    if _bit(flags, 5):
        read.number("rolling_time_s", 1)
    if _bit(flags, 6):
        _moment(read, "time", suffix="Z")


def _navigation(read: Reader) -> None:
    flags = read.number("flags", 2)
    read.say("position_status", flags >> 3 & 3)
    read.number("bearing", 2, worth=lambda raw: raw / 100)
    read.number("course", 2, worth=lambda raw: raw / 100)
    if _bit(flags, 0):
        read.number("remaining_m", 3, worth=lambda raw: raw / 10)
    if _bit(flags, 1):
        read.number("remaining_vertical_m", 3, signed=True, worth=lambda raw: raw / 100)
    if _bit(flags, 2):
        _moment(read, "arrival", suffix="Z")


def _position_quality(read: Reader) -> None:
    flags = read.number("flags", 2)
    read.say("position_status", flags >> 7 & 3)
    parts: tuple[tuple[str, int, float], ...] = (
        ("beacons_in_solution", 1, 1), ("beacons_in_view", 1, 1), ("first_fix_s", 2, 10), ("ehpe_m", 4, 100),
        ("evpe_m", 4, 100), ("hdop", 1, 5), ("vdop", 1, 5),
    )  # fmt: skip
    for number, (name, size, divisor) in enumerate(parts):
        if _bit(flags, number):
            read.number(name, size, worth=lambda raw, by=divisor: raw if by == 1 else raw / by)  # type: ignore[misc]


def _feature(read: Reader) -> None:
    raw = read.number("feature", 4)
    read.say("bits", [bit for bit in range(32) if _bit(raw, bit)])


def _control_point(read: Reader) -> None:
    """LN control point: an operation and its value; 20 hex is an answer."""
    op = read.number("op", 1)
    if op == 0x20:
        read.number("request", 1)
        read.number("result", 1, note="1 success, 2 not supported, 3 invalid parameter, 4 failed")
    elif read.left:
        read.number("value", read.left)


def _battery_level(read: Reader) -> None:
    raw = read.number("battery", 1, note="%")
    if raw > 100:
        raise RemoteProtocolError("range", f"a battery level of {raw} %")
    read.say("level", raw)


def _battery_status(read: Reader) -> None:
    flags = read.number("flags", 1)
    state = read.number("power_state", 2)
    read.say("battery_present", _bit(state, 0))
    for name, at, mask in (
        ("wired_power", 1, 3), ("wireless_power", 3, 3), ("charge_state", 5, 3), ("charge_level", 7, 3),
        ("charging_type", 9, 7), ("charging_fault", 12, 7),
    ):  # fmt: skip
        read.say(name, state >> at & mask)
    if _bit(flags, 0):
        read.number("identifier", 2)
    if _bit(flags, 1):
        _battery_level(read)
    if _bit(flags, 2):
        read.number("additional_status", 1)


def _text(read: Reader) -> None:
    size = read.left
    data = read.take("text", size)
    try:
        text = data.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        raise RemoteProtocolError("text", f"{size} bytes that are no UTF-8") from None
    read.field("text", size, text)


def _system_id(read: Reader) -> None:
    read.number("manufacturer", 5, worth=lambda raw: f"{raw:010x}")
    read.number("oui", 3, worth=lambda raw: f"{raw:06x}")


def _pnp_id(read: Reader) -> None:
    read.number("vendor_source", 1, note="1 Bluetooth SIG, 2 USB")
    for name in ("vendor", "product", "version"):
        read.number(name, 2)


def _current_time(read: Reader) -> None:
    _moment(read, "time", suffix="")  # the device's own zone: Local Time Information tells it
    read.number("day_of_week", 1, note="1 is Monday, 0 not known")
    read.number("fractions256", 1)
    read.number("adjust_reason", 1)


def _local_time(read: Reader) -> None:
    read.number("zone_min", 1, signed=True, worth=lambda raw: None if raw == -128 else raw * 15)
    read.number("dst_min", 1, worth=lambda raw: None if raw == 0xFF else raw * 15)


def _reference_time(read: Reader) -> None:
    read.number("time_source", 1)
    read.number("accuracy_ms", 1, worth=lambda raw: raw * 125 if raw < 254 else None)
    read.number("days_since_update", 1)
    read.number("hours_since_update", 1)


def _heart_rate(read: Reader) -> None:
    """Contact false: the band is not on the skin, a hint that it was taken off."""
    flags = read.number("flags", 1)
    read.number("heart_rate", 2 if _bit(flags, 0) else 1, personal=True)
    read.say("contact_supported", _bit(flags, 2))
    if _bit(flags, 2):
        read.say("contact", _bit(flags, 1))
    if _bit(flags, 3):
        read.number("energy_kj", 2, personal=True)
    if _bit(flags, 4):
        size = read.left // 2 * 2
        data = read.take("rr_1024", size)
        rr = [int.from_bytes(data[at : at + 2], "little") for at in range(0, size, 2)]
        read.field("rr_1024", size, rr, personal=True)


CHARACTERISTICS: Mapping[str, tuple[str, Callable[[Reader], None]]] = MappingProxyType(
    {
        "2A0F": ("Local Time Information", _local_time),
        "2A14": ("Reference Time Information", _reference_time),
        "2A19": ("Battery Level", _battery_level),
        "2A23": ("System ID", _system_id),
        "2A24": ("Model Number String", _text),
        "2A25": ("Serial Number String", _text),
        "2A26": ("Firmware Revision String", _text),
        "2A27": ("Hardware Revision String", _text),
        "2A28": ("Software Revision String", _text),
        "2A29": ("Manufacturer Name String", _text),
        "2A2B": ("Current Time", _current_time),
        "2A37": ("Heart Rate Measurement", _heart_rate),
        "2A50": ("PnP ID", _pnp_id),
        "2A67": ("Location and Speed", _location_and_speed),
        "2A68": ("Navigation", _navigation),
        "2A69": ("Position Quality", _position_quality),
        "2A6A": ("LN Feature", _feature),
        "2A6B": ("LN Control Point", _control_point),
        "2BED": ("Battery Level Status", _battery_status),
    }
)


def read_value(uuid: str, data: bytes) -> tuple[Reader, RemoteProtocolError | None]:
    """A value, read as far as it goes, and what stopped it. `uuid`: of `short_uuid`."""
    read = Reader(data)
    try:
        CHARACTERISTICS[uuid][1](read)
        read.finish()
    except RemoteProtocolError as exc:
        return read, exc
    return read, None
