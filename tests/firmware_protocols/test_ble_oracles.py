"""Beacons beside `beacontools`, values of characteristics beside `bluetooth-sig`: we wrote neither.

Where they are wrong the test says which clause we follow, and shows that they still are: the day they mend it, it
fails and goes away. beacontools knows no AltBeacon.
"""

import math
from datetime import datetime
from importlib import import_module
from typing import Any

import pytest
from beacontools import parse_packet
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.ble.advertisements import CODES, EDDYSTONE, SCHEMES, manufacturer, service
from firmware_protocols.ble.characteristics import read_value

BYTE, SHORT, LONG = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
POWER = st.integers(-128, 127)


def signed(power: int) -> bytes:
    return power.to_bytes(1, "big", signed=True)


def eddystone(frame: bytes) -> tuple[Any, Any]:
    """What both find in this frame."""
    packet = bytes.fromhex("020106") + bytes([3 + len(frame), 0x16]) + b"\xaa\xfe" + frame
    return service(EDDYSTONE, frame), parse_packet(packet)


# ---- advertisements -------------------------------------------------------------------------------------


@given(st.binary(min_size=16, max_size=16), SHORT, SHORT, POWER)
def test_an_ibeacon(uuid: bytes, major: int, minor: int, power: int) -> None:
    body = b"\x02\x15" + uuid + major.to_bytes(2, "big") + minor.to_bytes(2, "big") + signed(power)
    ours, theirs = manufacturer(0x004C, body), parse_packet(b"\x1a\xff\x4c\x00" + body)
    assert ours == {"frame": "ibeacon", **theirs.properties, "tx_power": theirs.tx_power}


@given(st.binary(min_size=16, max_size=16), POWER, st.sampled_from([b"", b"\0\0"]))
def test_an_eddystone_uid_with_and_without_its_reserved_bytes(
    number: bytes, power: int, reserved: bytes
) -> None:
    ours, theirs = eddystone(b"\x00" + signed(power) + number + reserved)
    assert ours == {"frame": "uid", "tx_power": theirs.tx_power, **theirs.properties}


PRINTED = st.sampled_from([*range(len(CODES)), *range(0x21, 0x7F)])


@given(POWER, st.integers(0, len(SCHEMES) - 1), st.lists(PRINTED, min_size=1, max_size=17))
def test_an_eddystone_url(power: int, scheme: int, text: list[int]) -> None:
    ours, theirs = eddystone(b"\x10" + signed(power) + bytes([scheme, *text]))
    assert ours == {"frame": "url", "tx_power": theirs.tx_power, "url": theirs.url}


@given(POWER, st.integers(0, 3), st.lists(PRINTED, max_size=8), st.sampled_from([0x0E, 0x1F, 0x20, 0x7F]))
def test_reserved_codes_in_an_eddystone_url(power: int, scheme: int, text: list[int], bad: int) -> None:
    """Eddystone-URL, HTTP URL encoding: 0x0E..0x20 and 0x7F..0xFF are reserved. Theirs puts control characters in
    the address; for us it is none."""
    ours, theirs = eddystone(b"\x10" + signed(power) + bytes([scheme, *text, bad]))
    assert ours is None
    assert chr(bad) in theirs.url


@given(SHORT, st.integers(0, 0x7FFF), LONG, LONG)
def test_an_eddystone_tlm(battery: int, warmth: int, count: int, uptime: int) -> None:
    """Their "seconds since boot" is the field as it stands; Eddystone-TLM (plain) counts 0.1 s in it."""
    frame = b"\x20\x00" + battery.to_bytes(2, "big") + warmth.to_bytes(2, "big")
    ours, theirs = eddystone(frame + count.to_bytes(4, "big") + uptime.to_bytes(4, "big"))
    assert ours == {
        "frame": "tlm",
        "version": 0,
        "battery_mv": theirs.voltage,
        "temperature_c": theirs.temperature,
        "adv_count": theirs.advertising_count,
        "uptime_raw": theirs.seconds_since_boot,
    }


@given(st.integers(-0x7FFF, -1))
def test_below_zero_in_an_eddystone_tlm(warmth: int) -> None:
    """Eddystone-TLM (plain), beacon temperature: a signed 8.8 fixed-point number. Theirs reads it unsigned."""
    ours, theirs = eddystone(b"\x20\x00" + bytes(2) + warmth.to_bytes(2, "big", signed=True) + bytes(8))
    assert ours["temperature_c"] == warmth / 256 == theirs.temperature - 256


@given(st.binary(min_size=12, max_size=12), SHORT, SHORT)
def test_an_encrypted_eddystone_tlm(data: bytes, salt: int, mic: int) -> None:
    """Eddystone protocol specification: multi-byte values are big-endian. Theirs takes salt and MIC the other way."""
    tail = salt.to_bytes(2, "big") + mic.to_bytes(2, "big")
    ours, theirs = eddystone(b"\x20\x01" + data + tail)
    assert ours == {"frame": "tlm", "version": 1, "encrypted": data.hex(), "salt": salt, "mic": mic}
    assert theirs.encrypted_data == data
    assert theirs.salt.to_bytes(2, "little") + theirs.mic.to_bytes(2, "little") == tail


@given(POWER, st.binary(min_size=8, max_size=8))
def test_an_eddystone_eid(power: int, eid: bytes) -> None:
    ours, theirs = eddystone(b"\x30" + signed(power) + eid)
    assert ours == {"frame": "eid", "tx_power": theirs.tx_power, "eid": theirs.eid.hex()}


# ---- characteristics ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sig() -> Any:
    """Reading all their tables takes seconds: once, and only in the process that runs these tests."""
    translator = import_module("bluetooth_sig").BluetoothSIGTranslator()
    translator.parse_characteristic("2A19", b"\0")
    return translator


def both(sig: Any, uuid: str, data: bytes) -> tuple[Any, Any]:
    """What both read from this value, which is right."""
    read, error = read_value(uuid, data)
    assert error is None, error
    return read.values, sig.parse_characteristic(uuid, data)


FIRST_DAY, LAST_DAY = datetime.fromisoformat("1582-01-01"), datetime.fromisoformat("9999-12-31")
MOMENT = st.datetimes(FIRST_DAY, LAST_DAY).map(lambda at: at.replace(microsecond=0))


def seven(moment: datetime) -> bytes:
    return moment.year.to_bytes(2, "little") + bytes(moment.timetuple()[1:6])


@given(st.integers(0, 100))
def test_battery_level(sig: Any, level: int) -> None:
    ours, theirs = both(sig, "2A19", bytes([level]))
    assert ours["battery"] == ours["level"] == theirs


@given(st.integers(0, 7), SHORT, SHORT, st.integers(0, 100), BYTE)
def test_battery_level_status(
    sig: Any, flags: int, state: int, identifier: int, level: int, more: int
) -> None:
    # Charging types 5 to 7 are reserved: theirs refuses them, ours keeps the number.
    state = state & ~0x0800 if state >> 9 & 7 > 4 else state
    parts = (identifier.to_bytes(2, "little"), bytes([level]), bytes([more & ~0x3]))
    tail = b"".join(one for bit, one in enumerate(parts) if flags >> bit & 1)
    ours, theirs = both(sig, "2BED", bytes([flags]) + state.to_bytes(2, "little") + tail)
    faults = (
        theirs.charging_fault_battery,
        theirs.charging_fault_external_power,
        theirs.charging_fault_other,
    )
    assert (
        ours["battery_present"],
        ours["wired_power"],
        ours["wireless_power"],
        ours["charge_state"],
        ours["charge_level"],
        ours["charging_type"],
        ours["charging_fault"],
    ) == (
        theirs.battery_present,
        theirs.wired_external_power_connected,
        theirs.wireless_external_power_connected,
        theirs.battery_charge_state,
        theirs.battery_charge_level,
        theirs.charging_type,
        sum(fault << bit for bit, fault in enumerate(faults)),
    )
    assert ours.get("identifier") == theirs.identifier
    assert ours.get("level") == theirs.battery_level


@given(
    st.integers(0, 0x1FFF),
    SHORT,
    st.integers(0, 0xFFFFFF),
    st.tuples(st.integers(-900_000_000, 900_000_000), st.integers(-1_800_000_000, 1_800_000_000)),
    st.integers(-0x800000, 0x7FFFFF),
    st.integers(0, 35_999),
    BYTE,
    MOMENT,
)
def test_location_and_speed(
    sig: Any,
    flags: int,
    speed: int,
    distance: int,
    place: tuple[int, int],
    height: int,
    heading: int,
    rolling: int,
    at: datetime,
) -> None:
    parts = (
        speed.to_bytes(2, "little"),
        distance.to_bytes(3, "little"),
        b"".join(one.to_bytes(4, "little", signed=True) for one in place),
        height.to_bytes(3, "little", signed=True),
        heading.to_bytes(2, "little"),
        bytes([rolling]),
        seven(at),
    )
    tail = b"".join(one for bit, one in enumerate(parts) if flags >> bit & 1)
    ours, theirs = both(sig, "2A67", flags.to_bytes(2, "little") + tail)
    for mine, name in (
        ("speed_ms", "instantaneous_speed"),
        ("odometer_m", "total_distance"),
        ("lat", "latitude"),
        ("lon", "longitude"),
        ("altitude_m", "elevation"),
        ("course", "heading"),
        ("rolling_time_s", "rolling_time"),
        ("position_status", "position_status"),
        ("format_3d", "speed_and_distance_format"),
        ("elevation_source", "elevation_source"),
        ("heading_source", "heading_source"),
    ):
        value = getattr(theirs, name)
        if isinstance(value, float):
            assert math.isclose(ours[mine], value, abs_tol=1e-9), mine
        else:
            assert ours.get(mine) == value, mine
    assert ours.get("time") == (None if theirs.utc_time is None else theirs.utc_time.isoformat() + "Z")


@given(MOMENT, st.integers(0, 7), BYTE, st.integers(0, 15))
def test_current_time(sig: Any, at: datetime, weekday: int, fractions: int, reason: int) -> None:
    ours, theirs = both(sig, "2A2B", seven(at) + bytes([weekday, fractions, reason]))
    assert ours == {
        "time": theirs.date_time.isoformat(),
        "day_of_week": theirs.day_of_week,
        "fractions256": theirs.fractions256,
        "adjust_reason": theirs.adjust_reason,
    }


@given(st.integers(0, 0x1F), SHORT, SHORT, st.lists(SHORT, max_size=6))
def test_heart_rate(sig: Any, flags: int, rate: int, energy: int, intervals: list[int]) -> None:
    data = bytes([flags]) + (rate.to_bytes(2, "little") if flags & 1 else bytes([rate & 0xFF]))
    data += energy.to_bytes(2, "little") if flags & 8 else b""
    data += b"".join(one.to_bytes(2, "little") for one in intervals) if flags & 16 else b""
    ours, theirs = both(sig, "2A37", data)
    assert ours["heart_rate"] == theirs.heart_rate
    assert ours.get("energy_kj") == theirs.energy_expended
    assert [one / 1024 for one in ours.get("rr_1024", [])] == list(theirs.rr_intervals)
    contact = theirs.sensor_contact.name
    assert ours["contact_supported"] == (contact != "NOT_SUPPORTED")
    assert ours.get("contact", False) == (contact == "DETECTED")


@pytest.mark.parametrize("uuid", ["2A19", "2A2B", "2A37", "2A67", "2BED"])
def test_nothing_at_all_is_refused_by_both(sig: Any, uuid: str) -> None:
    assert read_value(uuid, b"")[1] is not None
    with pytest.raises(Exception, match=r"(?i)length|bytes|data"):
        sig.parse_characteristic(uuid, b"")
