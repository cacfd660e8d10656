"""What the standard's items behind a location and the parameters of a terminal are called, and what they hold.

Vendors use some of the same numbers with another length: an item is known by its number and length together.
Sources: the tables of yezhihao/jt808-server and SmallChi/JT808.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

Value: TypeAlias = int | float | str | dict[str, int] | list[int]


def _whole(data: bytes) -> Value:
    return int.from_bytes(data, "big")


def _tenths(data: bytes) -> Value:
    return int.from_bytes(data, "big") / 10


def _temperature(data: bytes) -> Value:
    """Bit 15 is the sign, not a complement."""
    found = int.from_bytes(data, "big")
    return -(found & 0x7FFF) if found >> 15 else found


def _pressures(data: bytes) -> Value:
    return list(data)


def _overspeed(data: bytes) -> Value:
    found = {"area_type": data[0]}
    return found | ({"area_id": int.from_bytes(data[1:], "big")} if len(data) > 1 else {})


def _area(data: bytes) -> Value:
    """Type 1 circle, 2 rectangle, 3 polygon, 4 route; direction 0 in, 1 out."""
    return {"area_type": data[0], "area_id": int.from_bytes(data[1:5], "big"), "direction": data[5]}


def _segment(data: bytes) -> Value:
    number, seconds = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:6], "big")
    return {"segment_id": number, "time_s": seconds, "result": data[6]}


def _analogue(data: bytes) -> Value:
    """The low word is channel 0."""
    return {"ad0": int.from_bytes(data[2:], "big"), "ad1": int.from_bytes(data[:2], "big")}


ITEMS: Mapping[tuple[int, int], tuple[str, Callable[[bytes], Value]]] = MappingProxyType(
    {
        (0x01, 4): ("mileage_km", _tenths), (0x02, 2): ("fuel_l", _tenths),
        (0x03, 2): ("recorder_speed_kmh", _tenths), (0x04, 2): ("alarm_to_confirm", _whole),
        (0x05, 30): ("tyre_pressures", _pressures), (0x06, 2): ("cabin_temperature", _temperature),
        (0x11, 1): ("overspeed", _overspeed), (0x11, 5): ("overspeed", _overspeed), (0x12, 6): ("area", _area),
        (0x13, 7): ("segment", _segment), (0x25, 4): ("signals", _whole), (0x2A, 2): ("io", _whole),
        (0x2B, 4): ("analogue", _analogue), (0x30, 1): ("rssi", _whole), (0x31, 1): ("satellites", _whole),
    }
)  # fmt: skip


def named_items(items: Iterable[tuple[int, bytes]]) -> dict[str, Value]:
    """Those of the standard, by name; the first of each."""
    found: dict[str, Value] = {}
    for number, data in items:
        row = ITEMS.get((number, len(data)))
        if row is not None:
            found.setdefault(row[0], row[1](data))
    return found


DWORD, WORD, BYTE, STRING = 4, 2, 1, 0  # how long a parameter is; a text has any length

# Which of the four distances is for which state of the terminal, the sources at hand do not say.
PARAMETERS: Mapping[int, tuple[str, int]] = MappingProxyType(
    {
        0x0001: ("heartbeat_s", DWORD), 0x0002: ("tcp_timeout_s", DWORD), 0x0003: ("tcp_retries", DWORD),
        0x0010: ("apn", STRING), 0x0011: ("apn_user", STRING), 0x0012: ("apn_password", STRING),
        0x0013: ("server", STRING), 0x0017: ("backup_server", STRING), 0x0018: ("tcp_port", DWORD),
        0x0019: ("udp_port", DWORD), 0x0020: ("report_strategy", DWORD), 0x0021: ("report_scheme", DWORD),
        0x0022: ("not_logged_in_interval_s", DWORD), 0x0027: ("sleep_interval_s", DWORD),
        0x0028: ("emergency_interval_s", DWORD), 0x0029: ("interval_s", DWORD), 0x002C: ("distance_1_m", DWORD),
        0x002D: ("distance_2_m", DWORD), 0x002E: ("distance_3_m", DWORD),
        0x002F: ("distance_4_m", DWORD), 0x0030: ("corner_angle", DWORD), 0x0031: ("fence_radius_m", WORD),
        0x0050: ("alarm_mask", DWORD), 0x0055: ("max_speed_kmh", DWORD), 0x0056: ("overspeed_s", DWORD),
        0x0080: ("odometer", DWORD), 0x0081: ("province", WORD), 0x0082: ("city", WORD), 0x0083: ("plate", STRING),
        0x0084: ("plate_color", BYTE), 0x0090: ("gnss_mode", BYTE),
    }
)  # fmt: skip


def named_parameter(number: int, data: bytes) -> dict[str, Value]:
    """Name and value, where the number is known and the length is the table's."""
    row = PARAMETERS.get(number)
    if row is None:
        return {}
    name, size = row
    if size == STRING:
        return {"name": name, "text": data.strip(b"\0").decode("gbk", "replace")}
    return {"name": name, "number": int.from_bytes(data, "big")} if len(data) == size else {"name": name}
