"""Items and parameters of JT/T 808 by name, and the satellites in view."""

from typing import Any

import pytest

from firmware_protocols.jt808.describe import decode
from firmware_protocols.jt808.frames import Frame
from firmware_protocols.jt808.items import named_items, named_parameter
from firmware_protocols.jt808.location import Location

PHONE = "013812345678"
HERE = Location(
    alarm=0, status=0b10, lat=36.66831, lon=117.020844, altitude_m=52, speed_kmh=4.5, course=270,
    time_bcd="261127120000",
)  # fmt: skip


@pytest.mark.parametrize(
    ("number", "value", "name", "wanted"),
    [
        (0x01, "0000a8ff", "mileage_km", 4326.3), (0x02, "00c8", "fuel_l", 20.0),
        (0x03, "0064", "recorder_speed_kmh", 10.0),
        (0x04, "0007", "alarm_to_confirm", 7), (0x05, "01" * 30, "tyre_pressures", [1] * 30),
        (0x06, "8005", "cabin_temperature", -5), (0x06, "0005", "cabin_temperature", 5),
        (0x11, "00", "overspeed", {"area_type": 0}), (0x11, "0200000009", "overspeed", {"area_type": 2, "area_id": 9}),
        (0x12, "030000000901", "area", {"area_type": 3, "area_id": 9, "direction": 1}),
        (0x13, "00000009003c01", "segment", {"segment_id": 9, "time_s": 60, "result": 1}),
        (0x25, "00000003", "signals", 3), (0x2A, "0002", "io", 2), (0x2B, "00020001", "analogue", {"ad0": 1, "ad1": 2}),
        (0x30, "1b", "rssi", 27), (0x31, "04", "satellites", 4),
    ],
)  # fmt: skip
def test_an_item_of_the_standard_has_a_name(number: int, value: str, name: str, wanted: Any) -> None:
    assert named_items([(number, bytes.fromhex(value))]) == {name: wanted}


def test_an_item_of_another_length_is_a_vendors() -> None:
    assert named_items([(0x06, b"\x50"), (0x01, b"\1"), (0xE4, b"\0\x50")]) == {}


@pytest.mark.parametrize(
    ("number", "value", "wanted"),
    [
        (0x0029, b"\0\0\0\x3c", {"name": "interval_s", "number": 60}),
        (0x0013, "平台\0".encode("gbk"), {"name": "server", "text": "平台"}),
        (0x0031, b"\1\0", {"name": "fence_radius_m", "number": 256}),
        (0x0029, b"", {"name": "interval_s"}),
        (0xF999, b"x", {}),
    ],
)
def test_a_parameter_has_a_name_and_a_value_of_the_tables_length(
    number: int, value: bytes, wanted: dict[str, object]
) -> None:
    assert named_parameter(number, value) == wanted


def test_the_satellites_in_view_stand_ahead_of_a_location() -> None:
    body = bytes.fromhex("010a1e005a2c00020102030405060708090a00") + HERE.to_bytes()
    told: Any = decode(Frame(0x0205, PHONE, 1, body).to_bytes(), "up")
    assert (told["position"], told["lat"], told["time"]) == (True, 36.66831, "2026-11-27T04:00:00Z")
    in_view = told["raw"]["in_view"]
    assert in_view["bds"] == [{"id": 10, "elevation": 30, "azimuth": 90, "cn0": 44}]
    assert [len(in_view[name]) for name in ("gps", "glonass", "galileo")] == [0, 2, 0]


@pytest.mark.parametrize("size", range(12))
def test_a_count_of_satellites_that_is_too_large_is_trouble(size: int) -> None:
    told: Any = decode(Frame(0x0205, PHONE, 1, b"\xff" * size).to_bytes(), "up")
    assert (told["position"], told["raw"]["trouble"]) == (False, "body")
