"""Frames of rings and bands against the published ones, and against anything at all."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.colmi.frames import DATA_SIZE, Frame
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from tests.firmware_protocols.vectors import VECTORS

ENTRIES = json.loads((VECTORS / "trackers" / "ble.json").read_text("utf-8"))["ble"]
PUBLISHED = [one for one in ENTRIES if one["kind"] == "colmi"]


def decode(raw: bytes) -> dict[str, Any]:
    return describer("colmi").decode(raw, None)


def test_the_vectors_are_all_there() -> None:
    assert len(PUBLISHED) == 5


@pytest.mark.parametrize("one", PUBLISHED, ids=lambda one: one["id"])
def test_a_published_frame(one: dict[str, Any]) -> None:
    raw = bytes.fromhex(one["hex"])
    found = decode(raw)
    assert {key: found.get(key) for key in one["expected"]} == one["expected"]
    assert Frame.from_bytes(raw).to_bytes() == raw


@pytest.mark.parametrize(
    ("command", "data", "expected"),
    [
        (0x03, "4001", {"battery": 64, "charging": True}),
        (0x15, "00180500", {"packets": 24, "interval_min": 5}),
        (0x15, "0180c2686748", {"start": 0x6768C280, "nonzero": [72]}),
        (0x15, "ff", {"no_data": True}),
        (0x16, "02023c", {"enabled": False, "interval_min": 60}),
        (0x43, "f005", {"packets": 5}),
        (0x43, "24112820000a640032000d00", {"date": "2024-11-28", "quarter": 32, "steps": 50}),
    ],
)
def test_the_tables(command: int, data: str, expected: dict[str, Any]) -> None:
    found = decode(Frame(command, bytes.fromhex(data)).to_bytes())
    assert {key: found.get(key) for key in expected} == expected


def test_a_refusal_is_no_measurement() -> None:
    found = decode(Frame(0x69, b"\1\0\x4e", refused=True).to_bytes())
    assert found["refused"]
    assert "heart_rate" not in found


@pytest.mark.parametrize(
    ("raw", "code"), [(b"", "length"), (bytes(17), "length"), (bytes(15) + b"\1", "checksum")]
)
def test_what_is_wrong_is_said(raw: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(raw)
    assert caught.value.code == code


def test_a_date_that_is_none() -> None:
    for data in ("241301", "2411aa"):
        with pytest.raises(RemoteProtocolError, match=r"time|digits"):
            decode(Frame(0x01, bytes.fromhex(data)).to_bytes())


@pytest.mark.parametrize("frame", [Frame(0x80), Frame(-1), Frame(1, bytes(DATA_SIZE + 1))], ids=str)
def test_what_does_not_fit_is_not_sent(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.to_bytes()


@given(st.integers(0, 0x7F), st.binary(max_size=DATA_SIZE), st.booleans(), st.binary(max_size=20))
def test_any_frame_and_any_bytes(command: int, data: bytes, refused: bool, noise: bytes) -> None:  # noqa: FBT001
    raw = Frame(command, data, refused).to_bytes()
    assert Frame.from_bytes(raw) == Frame(command, data.ljust(DATA_SIZE, b"\0"), refused)
    for some in (raw, noise, raw + noise):
        fields = describer("colmi").explain(some, None)
        assert sum(one.length for one in fields) == len(some)
    with suppress(RemoteProtocolError):  # digits of a date that are none
        decode(raw)
