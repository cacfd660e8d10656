"""Topin: lengths that mean something else, answers, positions and scans, and what stands inside a wrong claim."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded
from firmware_protocols.gt06.blocks import Gps
from firmware_protocols.topin.conversation import TopinConversation
from firmware_protocols.topin.frames import Decoder, Frame
from firmware_protocols.topin.sizes import MOST
from firmware_protocols.tracking import Heard, Order, Sign
from tests.firmware_protocols.streams import bytes_of, split

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
IMEI = bytes.fromhex("0352000000000017")
LOGIN = Frame(0x01, IMEI + b"\x08", length=0x0D)  # as devices write it: 9 bytes of content
TIME = Frame(0x30, length=1)
PLACE = Gps(
    time=NOW, info_length=9, satellites=12, lat=36.5, lon=117.0, speed_kmh=4, status=1 << 10 | 1 << 12 | 286
).to_bytes()
SCAN = bytes.fromhex("261127040506 0a0b0c0d0e0f3c 1a1b1c1d1e1f50 02 01cc00 2530 0e57 0d 2530 0e58 0c")


def found_in(*chunks: bytes) -> list[Frame | Discarded]:
    decoder = Decoder()
    found = [one for chunk in chunks for one in decoder.feed(chunk)]
    return [*found, *decoder.flush()]


def frames_in(*chunks: bytes) -> list[Frame]:
    return [one for one in found_in(*chunks) if isinstance(one, Frame)]


def told(frame: Frame) -> dict[str, Any]:
    return describer("topin").decode(frame.to_bytes(), None)


def heard(talk: TopinConversation, *frames: Frame) -> list[Heard]:
    found = [*talk.feed(b"".join(one.to_bytes() for one in frames), NOW), *talk.flush()]
    return [one for one in found if isinstance(one, Heard)]


@given(st.integers(0, 255), st.binary(max_size=200).filter(lambda one: b"\r" not in one))
def test_a_frame_comes_back_as_it_went(number: int, content: bytes) -> None:
    frame = Frame(number, content, length=len(content) + 1)
    try:
        assert Frame.from_bytes(frame.to_bytes()) == frame
    except RemoteProtocolError as exc:
        assert exc.code == "truncated"  # too little for what the number is  # noqa: PT017 - either is fine


@pytest.mark.parametrize("length", [9, 10, 0x0D, 0, 0xFF])
def test_a_login_is_heard_at_once_whatever_its_length_says(length: int) -> None:
    decoder = Decoder()
    frame = Frame(0x01, IMEI + b"\x08", length)
    assert list(decoder.feed(frame.to_bytes())) == [frame]


@pytest.mark.parametrize("length", [18, 19, 21, 22])
def test_a_height_that_looks_like_an_end_is_a_height(length: int) -> None:
    """3338 m is 0D 0A; the length tells where it says something possible."""
    content = PLACE + (b"\x0d\x0a\x10" if length > 20 else b"")
    (frame,) = frames_in(Frame(0x10, content, length).to_bytes())
    assert frame.content == content


def test_a_scan_ends_where_its_counts_say() -> None:
    frame = Frame(0x69, SCAN[:-1] + b"\x0d", length=2)
    assert frames_in(frame.to_bytes()) == [frame]
    holding = Frame(0x17, SCAN[:9] + b"\x0d\x0a" + SCAN[11:], length=2)
    assert frames_in(*split(holding.to_bytes(), [3, 13, 17])) == [holding]


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_frame_that_was_cut_off_costs_no_other(cut: int) -> None:
    position = Frame(0x10, PLACE, 18).to_bytes()
    good = [LOGIN, TIME, Frame(0x13, bytes(9), 10)]
    stream = position[:cut] + b"".join(one.to_bytes() for one in good)
    for chunks in ([stream], [bytes([one]) for one in stream]):
        assert frames_in(*chunks) == good
    decoder = Decoder()
    assert [*decoder.feed(position[:cut]), *decoder.flush()]
    assert list(decoder.feed(LOGIN.to_bytes())) == [LOGIN]


@pytest.mark.parametrize(
    "wrong", ["7878ff69", "7878ff55", "7878ff550d0a", "78785577", "78", "787878", "7878640a"]
)
def test_what_claims_more_than_it_has_holds_nothing_back(wrong: str) -> None:
    """Known before the claim is used up, and without a silence."""
    decoder = Decoder()
    found = list(decoder.feed(bytes.fromhex(wrong) + TIME.to_bytes()))
    assert found[-1] == TIME


@given(
    st.lists(
        st.sampled_from([LOGIN.to_bytes(), b"\x78", b"\x0d\x0a", b"\x78\x78\xff\x69", SCAN]), max_size=12
    )
)
def test_nothing_is_lost(pieces: Sequence[bytes]) -> None:
    stream = b"".join(pieces)
    assert bytes_of(found_in(stream)) == stream


def test_a_claim_does_not_fill_the_memory() -> None:
    decoder = Decoder()
    for _ in range(20):
        list(decoder.feed(b"\x78\x78\xff\x69" + b"x" * 5000))
        assert len(decoder._buffer) <= 2 * MOST


@pytest.mark.parametrize(("number", "archived"), [(0x10, False), (0x11, True)], ids=["now", "stored"])
def test_a_position_with_height_and_alarms(number: int, archived: bool) -> None:  # noqa: FBT001
    (one,) = heard(TopinConversation(), Frame(number, PLACE + b"\xff\xfe\x13", 21))
    (report,) = one.reports
    assert report.fix is not None
    assert (report.fix.lat, report.fix.lon, report.fix.valid) == (36.5, 117.0, True)
    assert (report.fix.altitude_m, report.fix.course, report.fix.archived) == (-2.0, 286, archived)
    assert report.fix.time == NOW
    assert report.alarms == {Sign.VIBRATION, Sign.OVERSPEED, Sign.LOW_POWER}
    assert one.answer == Frame(number, PLACE[:6], 21).to_bytes()


@pytest.mark.parametrize(("sign", "degrees"), [(0, 36.5), (1, -36.5), (0xF, -36.5)])
def test_a_short_position_has_its_sign_in_a_nibble(sign: int, degrees: float) -> None:
    lat, lon = bytes([36]) + (sign << 20 | 500_000).to_bytes(3, "big"), bytes([117, 0, 0, 0])
    content = PLACE[:6] + lat + lon + bytes(8) + bytes([5, 100, 7])
    one = told(Frame(0x08, content))
    assert (one["lat"], one["lon"], one["valid"], one["time"]) == (
        degrees,
        117.0,
        True,
        "2026-11-27T04:05:06Z",
    )
    assert (one["speed_kmh"], one["course"], one["satellites"]) == (5, 200, 7)
    assert told(Frame(0x09, content))["archived"] is True
    assert told(Frame(0x08, length=1)) == {
        "position": False, "alarms": [], "raw": {"kind": "0x08"},
        "frame": {"length": 1, "length_ok": True, "cmd": "0x08"},
    }  # fmt: skip


@pytest.mark.parametrize("number", [0x17, 0x18, 0x19, 0x1A, 0x69])
def test_a_scan_tells_who_was_heard(number: int) -> None:
    one = told(Frame(number, SCAN + b"\x01", length=2))
    assert one["device_time"] == "2026-11-27T04:05:06Z"
    assert one["wifi"] == [
        {"mac": "0a:0b:0c:0d:0e:0f", "rssi": -60}, {"mac": "1a:1b:1c:1d:1e:1f", "rssi": -80},
    ]  # fmt: skip
    assert one["cells"][1] == {"mcc": 460, "mnc": 0, "lac": 9520, "cid": 3672, "rssi": -12}
    assert one["alarms"] == [Sign.VIBRATION]
    (answered,) = heard(TopinConversation(), Frame(number, SCAN, length=2))
    assert answered.answer == Frame(number, SCAN[:6], 2).to_bytes()
    assert told(Frame.from_bytes(answered.answer))["device_time"] == "2026-11-27T04:05:06Z"


@pytest.mark.parametrize(
    ("size", "names"),
    [
        (4, set()),
        (5, {"rssi"}),
        (8, {"rssi", "temperature"}),
        (9, {"rssi", "temperature", "charging"}),
        (10, {"rssi", "temperature", "charging", "heart_rate"}),
    ],
)
def test_a_state_has_what_it_is_long_enough_for(size: int, names: set[str]) -> None:
    frame = Frame(0x13, bytes([80, 1, 8, 10, 60, 0, 36, 5, 1, 72])[:size], size + 1)
    one = told(frame)
    assert one["battery"] == 80
    assert names == {"rssi", "temperature", "charging", "heart_rate"} & set(one["raw"])
    (answered,) = heard(TopinConversation(), frame)
    assert answered.answer == frame.to_bytes()


def test_a_login_is_welcomed_and_told_the_time() -> None:
    talk = TopinConversation()
    before, login, after = heard(talk, TIME, LOGIN, Frame(0x99))
    assert before.reports[0].device_id is None
    clock = bytes.fromhex("7878 07 30 07ea 0b 1b 04 05 06 0d0a")
    assert before.answer == clock
    assert login.answer == bytes.fromhex("7878 0d 01 01 0d0a") + clock
    assert [one.number for one in frames_in(login.answer)] == [0x01, 0x30]
    assert told(frames_in(clock)[0])["device_time"] == "2026-11-27T04:05:06Z"
    assert after.reports[0].device_id == "352000000000017"
    assert after.reports[0].alarms == {Sign.SOS}
    assert after.answer == b""


def test_a_content_that_cannot_be_read_is_not_answered() -> None:
    (one,) = heard(TopinConversation(), Frame(0x01, b"\xff" * 8))
    assert (one.reports[0].device_id, one.answer) == (None, b"")


def test_vibration_is_told_and_no_order_is_known() -> None:
    (one,) = heard(TopinConversation(), Frame(0x94))
    assert one.reports[0].moments == {Sign.VIBRATION}
    with pytest.raises(LocalProtocolError, match="no frame for the order"):
        TopinConversation().order(Order.LOCATE, None, NOW)


def test_nothing_of_a_person_is_in_a_repr() -> None:
    assert "352" not in repr(LOGIN)
    assert "9c" not in repr(Frame(0x10, PLACE)).lower()
