"""Advertisements and characteristics against the published values, and against anything at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.ble.advertisements import manufacturer, service, walk
from firmware_protocols.ble.characteristics import CHARACTERISTICS, short_uuid
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from tests.firmware_protocols.vectors import VECTORS

ENTRIES = json.loads((VECTORS / "trackers" / "ble.json").read_text("utf-8"))["ble"]
GATT = [one for one in ENTRIES if one["kind"] == "gatt"]
ADV = [one for one in ENTRIES if one["kind"] in {"adv", "adv-bad"}]
JINAN = "dd007d00e023db15b3f6bf451e14009169e9070309080f1e"


def gatt(uuid: str, data: str) -> dict[str, Any]:
    return describer("ble-gatt", uuid).decode(bytes.fromhex(data), None)


def adv(data: str) -> dict[str, Any]:
    return describer("ble-adv").decode(bytes.fromhex(data), None)


def expects(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for key, value in expected.items():
        same = pytest.approx(value, abs=2e-6) if isinstance(value, float) else value
        assert found[key] == same, key


def test_the_vectors_are_all_there() -> None:
    assert (len(GATT), len(ADV)) == (9, 2)


@pytest.mark.parametrize("one", GATT, ids=lambda one: one["id"])
def test_a_published_value(one: dict[str, Any]) -> None:
    expects(gatt(one["expected"]["uuid"], one["hex"]), one["expected"])


@pytest.mark.parametrize("one", ADV, ids=lambda one: one["id"])
def test_a_published_advertisement(one: dict[str, Any]) -> None:
    expects(adv(one["hex"]), one["expected"])


@pytest.mark.parametrize("uuid", ["2A67", "0x2a67", " 2a67 ", "00002a67-0000-1000-8000-00805f9b34fb"])
def test_a_characteristic_in_any_spelling(uuid: str) -> None:
    assert short_uuid(uuid) == "2A67"


@pytest.mark.parametrize("uuid", ["2A68F", "", "6e400003-b5a3-f393-e0a9-e50e24dcca9e", "FFFF"])
def test_one_that_is_not_known_is_said(uuid: str) -> None:
    with pytest.raises(LocalProtocolError, match="known are 2A0F") as caught:
        describer("ble-gatt", uuid)
    assert caught.value.code == "uuid"


def test_without_the_characteristic_nothing_is_guessed() -> None:
    for work in (describer("ble-gatt").decode, describer("ble-gatt").explain):
        with pytest.raises(LocalProtocolError, match="--uuid 2A67"):
            work(b"\0\0", None)


def test_every_field_of_a_location_in_its_place() -> None:
    """Flags 1FFF: every field there is; longer than a notification carries, so nobody publishes one."""
    fields = "7d0010270fe023db15b3f6bf459cffff916907e9070309080f1e"
    found = gatt("2A67", "ff1f" + fields)
    assert found["odometer_m"] == 99_304.0
    assert (found["altitude_m"], found["rolling_time_s"], found["position_status"]) == (-1.0, 7, 3)
    assert (found["format_3d"], found["elevation_source"], found["heading_source"]) == (True, 3, 1)
    assert (found["position"], found["valid"], found["time"]) == (True, False, "2025-03-09T08:15:30Z")


@pytest.mark.parametrize(
    ("uuid", "data", "expected"),
    [
        ("2A19", "55", {"battery": 85, "level": 85}),
        ("2A25", "522d3137", {"text": "R-17"}),
        ("2A23", "0102030405aabbcc", {"manufacturer": "0504030201", "oui": "ccbbaa"}),
        ("2A69", "60000a0f", {"hdop": 2.0, "vdop": 3.0}),
        ("2A68", "0300102728236400009cffff", {"bearing": 100.0, "remaining_m": 10.0}),
        ("2A6B", "200301", {"op": 0x20, "request": 3, "result": 1}),
        ("2A0F", "2000", {"zone_min": 480, "dst_min": 0}),
        ("2A14", "01080002", {"accuracy_ms": 1000, "hours_since_update": 2}),
        ("2A37", "164800040203", {"contact": True, "rr_1024": [1024, 770]}),
        ("2A37", "0448", {"contact": False, "heart_rate": 72}),
        ("2BED", "07a30234125a01",
         {"battery_present": True, "wired_power": 1, "charge_state": 1, "charge_level": 1, "charging_type": 1,
          "identifier": 0x1234, "battery": 90, "additional_status": 1}),
    ],
)  # fmt: skip
def test_the_tables(uuid: str, data: str, expected: dict[str, Any]) -> None:
    expects(gatt(uuid, data), expected)


def test_what_the_device_does_not_know_is_left_out() -> None:
    assert "contact" not in gatt("2A37", "0048")
    assert "time" not in gatt("2A67", "4000" + "00" * 7)
    assert gatt("2A0F", "80ff") == {"uuid": "2A0F", "name": "Local Time Information"}


@pytest.mark.parametrize(
    ("uuid", "data", "code"),
    [
        ("2A67", JINAN[:-2], "truncated"),
        ("2A67", "0400ffffff7f00000000", "range"),
        ("2A67", "4000e9070d01000000", "time"),
        ("2A19", "65", "range"),
        ("2A19", "", "truncated"),
        ("2A25", "ff", "text"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_code(uuid: str, data: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        gatt(uuid, data)
    assert caught.value.code == code


def test_a_newer_edition_loses_nothing() -> None:
    assert gatt("2A19", "5507")["rest_hex"] == "07"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0201061aff4c000215" + "e2c56db5dffb48d2b060d0f5a71096e0" + "01020304c5",
         {"frame": "ibeacon", "uuid": "e2c56db5-dffb-48d2-b060-d0f5a71096e0", "major": 258, "minor": 772,
          "tx_power": -59}),
        ("1bff1801beac" + "00" * 19 + "11" + "c507",
         {"frame": "altbeacon", "company": 0x118, "reference_rssi": -59, "reserved": 7}),
        ("1516aafe00e7" + "0102030405060708090a" + "0b0c0d0e0f10",
         {"frame": "uid", "tx_power": -25, "namespace": "0102030405060708090a", "instance": "0b0c0d0e0f10"}),
        ("0a16aafe10ee0361620700", {"frame": "url", "tx_power": -18, "url": "https://ab.com.com/"}),
        ("0d16aafe30e70102030405060708", {"frame": "eid", "tx_power": -25, "eid": "0102030405060708"}),
        ("1516aafe2001" + "11" * 12 + "01020304", {"frame": "tlm", "version": 1, "salt": 258, "mic": 772}),
        ("1116aafe2000000080000000000000000000", {"frame": "tlm", "temperature_c": None}),
    ],
)  # fmt: skip
def test_every_kind_of_beacon(data: str, expected: dict[str, Any]) -> None:
    found = adv(data)
    expects(found, expected)
    assert found["wellformed"]
    assert adv(data + "0000")["wellformed"], "filling is no fault"


def test_a_beacon_that_is_not_whole_is_none() -> None:
    """Every cut, and every length that claims something else."""
    whole = bytes.fromhex("1aff4c000215" + "11" * 20 + "c5")
    for size in range(len(whole)):
        cut = bytes([max(0, size - 1)]) + whole[1:size]
        assert describer("ble-adv").decode(cut, None)["frame"] is None
        assert describer("ble-adv").decode(whole[:size], None)["frame"] is None


def test_an_ephemeral_id_is_explained_as_no_identity() -> None:
    frame = bytes.fromhex("0d16aafe30ee0102030405060708")
    assert adv(frame.hex())["eid"] == "0102030405060708"
    (field,) = describer("ble-adv").explain(frame, None)
    assert "no identity" in field.note
    assert adv("0c16aafe30ee01020304050607")["frame"] is None, "one byte short"
    assert adv("0e16aafe30ee010203040506070800")["frame"] is None, "one byte long"


def test_a_url_of_reserved_bytes_is_none() -> None:
    assert adv("0616aafe10ee04")["frame"] is None
    assert adv("0716aafe10ee0320")["frame"] is None


def test_parts_that_the_stack_parsed_say_the_same() -> None:
    for entry in ("1aff4c000215" + "11" * 20 + "c5", "0d16aafe30e70102030405060708"):
        (one,) = walk(bytes.fromhex(entry)).structures
        number, rest = int.from_bytes(one.data[:2], "little"), one.data[2:]
        found = (manufacturer if one.type == 0xFF else service)(number, rest)
        assert found is not None
        expects(adv(entry), found)


@given(st.binary(max_size=64))
def test_any_bytes_are_an_advertisement_to_the_last(data: bytes) -> None:
    describer("ble-adv").decode(data, None)
    fields = describer("ble-adv").explain(data, None)
    assert sum(one.length for one in fields) == len(data)
    assert any(one.wrong for one in fields) != walk(data).wellformed


@given(st.sampled_from(sorted(CHARACTERISTICS)), st.binary(max_size=40))
def test_any_bytes_are_a_value_or_refused(uuid: str, data: bytes) -> None:
    found = describer("ble-gatt", uuid)
    fields = found.explain(data, None)
    at = 0
    for one in fields:
        assert one.offset == at
        at += one.length
    assert at == len(data)
    try:
        found.decode(data, None)
    except RemoteProtocolError:
        assert any(one.wrong for one in fields)
    else:
        assert not any(one.wrong for one in fields)


def test_place_and_pulse_are_hidden_from_a_terminal() -> None:
    fields = describer("ble-gatt", "2A67").explain(bytes.fromhex(JINAN), None)
    assert {one.name for one in fields if one.personal} == {"lat", "lon", "altitude_m"}
    fields = describer("ble-gatt", "2A37").explain(bytes.fromhex("0448"), None)
    assert {one.name for one in fields if one.personal} == {"heart_rate"}
