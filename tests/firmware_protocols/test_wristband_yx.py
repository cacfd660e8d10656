"""The YX wristband: every function, its answers, and texts that are cut off or hold what no text does."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded
from firmware_protocols.tracking import Heard, Order
from firmware_protocols.wristband_yx.conversation import WristbandYxConversation
from firmware_protocols.wristband_yx.frames import MOST, MOST_TEXT, Decoder, Frame
from tests.firmware_protocols.streams import bytes_of

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
IMEI = "352000000000017"
TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=0xFE), max_size=60)


def frame(function: str, data: str | None = None, model: str = "1") -> Frame:
    return Frame(IMEI, function, data, model=model)


def told(one: Frame) -> dict[str, Any]:
    return describer("wristband-yx").decode(one.to_bytes(), None)


def heard(talk: WristbandYxConversation, *frames: Frame) -> list[Heard]:
    found = talk.feed(b"".join(one.to_bytes() for one in frames), NOW)
    return [one for one in found if isinstance(one, Heard)]


def found_in(*chunks: bytes) -> list[Frame | Discarded]:
    decoder = Decoder()
    found = [one for chunk in chunks for one in decoder.feed(chunk)]
    return [*found, *decoder.flush()]


@given(st.integers(0, 99), st.none() | TEXT)
def test_a_frame_comes_back_as_it_went(function: int, data: str | None) -> None:
    sent = frame(f"{function:02d}", data)
    again = Frame.from_bytes(sent.to_bytes())
    assert (again.imei, again.function, again.data, again.version, again.model) == (
        IMEI, sent.function, data, "V1.0", "1",
    )  # fmt: skip
    assert again.length_ok
    assert again.to_bytes() == sent.to_bytes()


@pytest.mark.parametrize("data", ["\xff", "\x00", "位", "x" * MOST_TEXT])
def test_what_no_text_can_hold_is_not_built(data: str) -> None:
    with pytest.raises(LocalProtocolError):
        frame("64", data).to_bytes()


def test_a_wrong_length_is_told_and_changes_nothing() -> None:
    wrong = Frame(IMEI, "64", "1", model="1", length=3)
    assert found_in(wrong.to_bytes()) == [wrong]
    assert told(wrong)["frame"]["length_ok"] is False


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda one: one[1:], "start"),
        (lambda one: one[:-1], "truncated"),
        (lambda one: one + b"\x00", "trailing"),
        (lambda one: one.replace(b"YX", b"XY"), "form"),
        (lambda one: one.replace(b"F64", b"F\x00\x01\x02"), "form"),
        (lambda one: one.replace(b"#1", b"#" + b"1" * MOST_TEXT), "length"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(change: Any, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Frame.from_bytes(change(frame("64", "1").to_bytes()))
    assert caught.value.code == code
    assert IMEI not in str(caught.value)


@pytest.mark.parametrize("cut", range(1, 42))
def test_a_frame_that_was_cut_off_costs_no_other(cut: int) -> None:
    good = frame("64", "1").to_bytes()
    for chunks in ([good[:cut] + good], [bytes([one]) for one in good[:cut] + good], [good[:cut], good]):
        assert [one.to_bytes() for one in found_in(*chunks) if isinstance(one, Frame)] == [good]
    decoder = Decoder()
    assert [*decoder.feed(good[:cut]), *decoder.flush()]
    assert [one.to_bytes() for one in decoder.feed(good) if isinstance(one, Frame)] == [good]


@given(
    st.lists(
        st.sampled_from([frame("64", "1").to_bytes(), b"\0\1\2", b"\x00", b"\xff\xfe", b"YX|{F"]), max_size=9
    )
)
def test_nothing_is_lost(pieces: Sequence[bytes]) -> None:
    assert bytes_of(found_in(*pieces)) == b"".join(pieces)


def test_a_text_without_end_does_not_fill_the_memory() -> None:
    decoder = Decoder()
    for _ in range(20):
        list(decoder.feed(b"\x00\x01\x02\x0f\xffYX" + b"x" * 9000))
        assert len(decoder._buffer) <= 2 * MOST


def test_every_position_of_a_frame_is_a_report() -> None:
    one = told(
        frame("02", "117.020844,36.668310,202611271205,3.60|-117.5,-36.5,202611271206,0.00|,,202611271207,0")
    )
    assert one["device_id"] == IMEI
    assert [at["position"] for at in one["positions"]] == [True, True, False]
    assert {name: one["positions"][0][name] for name in ("lat", "lon", "speed_kmh", "time", "valid")} == {
        "lat": 36.66831, "lon": 117.020844, "speed_kmh": 3.6, "time": "2026-11-27T12:05:00Z", "valid": True,
    }  # fmt: skip
    assert (one["positions"][1]["lat"], one["positions"][1]["lon"]) == (-36.5, -117.5)
    assert one["positions"][2]["device_time"] == "2026-11-27T12:07:00Z"


def test_the_clock_of_a_position_has_no_zone() -> None:
    ((report,),) = (
        one.reports for one in heard(WristbandYxConversation(), frame("02", "1,2,202611271205,3"))
    )
    assert report.fix is not None
    assert report.fix.time == datetime(2026, 11, 27, 12, 5)  # noqa: DTZ001 - that is the point


def test_access_points_and_cells_are_told() -> None:
    cells = [
        {"mcc": 460, "mnc": 0, "lac": 9520, "cid": 3671, "rssi": -30},
        {"mcc": 460, "mnc": 0, "lac": 9520, "cid": 3672, "rssi": -31},
    ]
    text = "9520,00,460,3671,30:9520,00,460,3672,31"
    assert told(frame("04", text))["cells"] == cells
    one = told(frame("03", f"0a:0b:0c:0d:0e:0f,-37_1a:1b:1c:1d:1e:1f,-77|{text}"))
    assert one["cells"] == cells
    assert one["wifi"] == [
        {"mac": "0a:0b:0c:0d:0e:0f", "rssi": -37}, {"mac": "1a:1b:1c:1d:1e:1f", "rssi": -77},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "data", "answer"),
    [
        ("01", "94,7,100,0,31000,90", "7"),
        ("01", "94", None),
        ("02", "1,2,202611271205,3", None),
        ("03", "0a:0b:0c:0d:0e:0f,-37|", None),
        ("04", "1,2,3,4,5", None),
        ("64", "1", "1"),
        ("90", None, None),
        ("91", "310_00|00", "2026-11-27-04-05-06"),
    ],
)
def test_what_is_asked_is_answered(function: str, data: str | None, answer: str | None) -> None:
    talk = WristbandYxConversation()
    (one,) = heard(talk, frame(function, data))
    assert talk.device_id == IMEI
    assert one.answer == (b"" if answer is None else frame(function, answer, model="0").to_bytes())
    assert one.reports[0].kind == f"F{function}"


def test_a_server_is_named_only_where_there_is_one() -> None:
    asked, begun = heard(WristbandYxConversation(server="10.1.2.3,7611"), frame("90"), frame("91", ""))
    assert Frame.from_bytes(asked.answer).data == "10.1.2.3,7611"
    assert Frame.from_bytes(begun.answer).data == "2026-11-27-04-05-06|10.1.2.3,7611"


def test_an_answer_is_not_answered() -> None:
    (one,) = heard(WristbandYxConversation(), frame("64", "1", model="0"))
    assert one.answer == b""


def test_a_battery_is_told_in_per_cent() -> None:
    assert told(frame("01", "94,1,100,0,31000,90"))["battery"] == 94
    assert "battery" not in told(frame("01", "940,1"))


def test_no_order_is_known_and_no_name_in_a_repr() -> None:
    with pytest.raises(LocalProtocolError):
        WristbandYxConversation().order(Order.LOCATE, None, NOW)
    assert IMEI not in repr(frame("02", "117.02,36.66,202611271205,3"))
    assert "117.02" not in repr(frame("02", "117.02,36.66,202611271205,3"))
