"""The keys in which a tracker's report is told to a program."""

from datetime import UTC, datetime, timedelta, timezone

from firmware_protocols.tracker_describing import described, described_records, lifted
from firmware_protocols.tracking import Fix, Sign, TrackerReport

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=timezone(timedelta(hours=8)))
FIX = Fix(lat=36.5, lon=117.0, valid=True, time=NOON, speed_kmh=1.5, satellites=7)


def test_a_fix_and_what_stands_and_happened() -> None:
    report = TrackerReport(
        kind="location", device_id="1", fix=FIX, battery_pct=80, odometer_m=1000.0,
        standing={Sign.STRAP_OPEN: True, Sign.LOW_BATTERY: False}, moments=frozenset({Sign.FALL}),
        raw={"status": 3},
    )  # fmt: skip
    assert described([report], {"serial": 1}) == {
        "position": True, "valid": True, "lat": 36.5, "lon": 117.0, "time": "2026-11-27T04:00:00Z",
        "speed_kmh": 1.5, "altitude_m": 0.0, "course": 0.0, "satellites": 7, "device_id": "1",
        "odometer_m": 1000.0, "battery": 80,
        "alarms": ["fallDown", "removing"], "raw": {"kind": "location", "status": 3}, "frame": {"serial": 1},
    }  # fmt: skip


def test_without_a_fix_the_time_is_the_devices() -> None:
    report = TrackerReport(kind="heartbeat", device_time=datetime(2026, 11, 27, 4, 0, tzinfo=UTC))
    assert described([report], {}) == {
        "position": False, "alarms": [], "device_time": "2026-11-27T04:00:00Z", "raw": {"kind": "heartbeat"},
        "frame": {},
    }  # fmt: skip


def test_a_bulk_upload_keeps_its_records_apart() -> None:
    some = [TrackerReport(kind="bulk", device_id="1", fix=FIX), TrackerReport(kind="bulk", device_id="1")]
    told = described(some, {})
    assert (told["position"], told["device_id"]) == (False, "1")
    positions = told["positions"]
    assert isinstance(positions, list)
    assert [one["position"] for one in positions] == [True, False]


def test_records_are_told_one_by_one_a_single_one_too() -> None:
    report = TrackerReport(kind="x", device_id="1", fix=FIX, charging=True, raw={"rssi": 20, "secret": 1})
    told = described_records([report], {"serial": 1})
    assert (told["position"], told["frame"]) == (True, {"serial": 1})
    positions = told["positions"]
    assert isinstance(positions, list)
    (one,) = positions
    assert (one["lat"], one["rssi"], one["charging"]) == (36.5, 20, True)
    assert "secret" not in one
    assert len(list(described_records([report] * 2, {})["positions"])) == 2  # type: ignore[call-overload]


def test_a_time_whose_zone_nobody_knows_is_told_as_it_was_sent() -> None:
    fix = Fix(lat=0.0, lon=0.0, valid=False, time=datetime(2026, 11, 27, 12, 0))  # noqa: DTZ001 - that is the point
    assert described([TrackerReport(kind="x", fix=fix)], {})["time"] == "2026-11-27T12:00:00Z"


def test_what_vectors_have_beside_what_was_decoded_is_told_there_too() -> None:
    told = lifted(
        described([TrackerReport(kind="x", fix=FIX, raw={"rssi": 60, "satellites": 3, "zone": 8})], {})
    )
    assert (told["rssi"], told["satellites"]) == (60, 7)
    assert "zone" not in told


def test_a_cell_that_was_sent_twice_is_told_once_and_kept() -> None:
    one, other = {"cid": 1, "rssi": -60}, {"cid": 1, "rssi": -61}
    told = lifted(described([TrackerReport(kind="x", raw={"cells": [one, other, one]})], {}))
    assert told["cells"] == [one, other]
    assert told["raw"] == {"kind": "x", "cells": [one, other, one]}


def test_a_position_is_in_no_repr() -> None:
    assert "36.5" not in repr(TrackerReport(kind="x", fix=FIX))
