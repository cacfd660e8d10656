"""The S911 bracelet: checks, acknowledgements, events, and lines that are cut off or run into each other."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded
from firmware_protocols.laipac.conversation import LaipacConversation, handshake
from firmware_protocols.laipac.frames import LINE_END, LONGEST, Decoder, Frame
from firmware_protocols.tracking import Heard, Order, Sign
from tests.firmware_protocols.streams import bytes_of

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
ID = "S9110017"
FIELD = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="$*,"), max_size=20)


def position(status: str = "A", event: str = "0", battery: str = "3.812") -> Frame:
    place = ("040506", status, "3640.0986", "N", "11701.2506", "E", "1.50", "270.00", "271126")
    return Frame("AVRMC", (ID, *place, event, battery, "12", "1", "120", "0"))


def told(frame: Frame) -> dict[str, Any]:
    return describer("laipac").decode(frame.to_bytes(), None)


def heard(*frames: Frame) -> list[Heard | Discarded]:
    return list(LaipacConversation().feed(b"".join(one.to_line() for one in frames), NOW))


def found_in(*chunks: bytes) -> list[Frame | Discarded]:
    decoder = Decoder()
    found = [one for chunk in chunks for one in decoder.feed(chunk)]
    return [*found, *decoder.flush()]


def frames_in(*chunks: bytes) -> list[bytes]:
    return [one.to_bytes() for one in found_in(*chunks) if isinstance(one, Frame)]


@given(st.from_regex("[A-Z]{2,8}", fullmatch=True), st.lists(FIELD, max_size=9))
def test_a_line_comes_back_as_it_went(word: str, fields: list[str]) -> None:
    again = Frame.from_bytes(Frame(word, tuple(fields)).to_line())
    assert (again.word, again.fields, again.sound) == (word, tuple(fields), True)


def test_the_handshake_is_that_of_the_document() -> None:
    assert handshake() == b"$AVREQ,?*42\r\n"


@pytest.mark.parametrize(
    "frame",
    [Frame("avreq"), Frame("AVREQ", ("$",)), Frame("AVREQ", ("位",)), Frame("AVREQ", ("x" * LONGEST,))],
)
def test_what_no_line_can_hold_is_not_built(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.to_bytes()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"AVREQ,?*42", "begin"),
        (b"$AVREQ,?*4", "truncated"),
        (b"$AVREQ,?", "truncated"),
        (b"$AVREQ,?*42\r\nx", "trailing"),
        (b"$AVREQ,?*4x", "form"),
        (b"$A1,S9110017*42", "form"),
        (b"$AVREQ," + b"x" * LONGEST + b"*42", "length"),
    ],
)
def test_what_is_no_line_is_refused_with_a_reason(data: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Frame.from_bytes(data)
    assert caught.value.code == code
    assert ID not in str(caught.value)


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_line_that_was_cut_off_costs_no_other(cut: int) -> None:
    good = position().to_line()
    stream = good[:cut] + good
    for chunks in ([stream], [bytes([one]) for one in stream]):
        assert frames_in(*chunks) == [good[:-2]]
    decoder = Decoder()
    assert [*decoder.feed(good[:cut]), *decoder.flush()]
    assert [one.to_bytes() for one in decoder.feed(good) if isinstance(one, Frame)] == [good[:-2]]


@given(
    st.lists(
        st.sampled_from([position().to_line(), b"$AV", b"$AVRMC,", b"*4", b"\r\n", b"$", b"x\n"]), max_size=9
    )
)
def test_nothing_is_lost(pieces: Sequence[bytes]) -> None:
    assert bytes_of(found_in(*pieces)) == b"".join(pieces)


def test_the_end_of_a_line_is_no_noise() -> None:
    reasons = [one.reason for one in found_in(position().to_line() * 2) if isinstance(one, Discarded)]
    assert reasons == [LINE_END, LINE_END]
    assert not [one for one in heard(position(), position()) if isinstance(one, Discarded)]
    assert not [one for one in describer("laipac").explain(position().to_line(), None) if one.wrong]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    decoder = Decoder()
    for _ in range(20):
        list(decoder.feed(b"$AVRMC," + b"x" * 5000))
        assert len(decoder._buffer) <= 2 * LONGEST


def test_a_wrong_check_is_told_and_not_heard() -> None:
    wrong = Frame("ECHK", (ID, "0"), check="00")
    assert told(wrong)["frame"]["checksum_ok"] is False
    (found,) = heard(wrong)
    assert isinstance(found, Discarded)
    assert found.reason == "checksum"


@pytest.mark.parametrize(
    ("event", "sign", "letter"),
    [
        ("3", Sign.SOS, "d"),
        ("4", Sign.FENCE_EXIT, "x"),
        ("5", Sign.POWER_CUT, None),
        ("6", Sign.OVERSPEED, None),
        ("7", Sign.FENCE_EXIT, None),
        ("8", Sign.VIBRATION, None),
        ("H", Sign.POWER_OFF, None),
        ("M", None, "m"),
        ("S", None, "t"),
        ("T", Sign.CASE_TAMPER, "t"),
        ("X", Sign.FENCE_ENTER, "x"),
        ("Y", Sign.TOW, "y"),
        ("Z", Sign.LOW_BATTERY, "z"),
        ("0", None, None),
    ],
)
def test_an_event_is_an_alarm_and_is_settled(event: str, sign: Sign | None, letter: str | None) -> None:
    (one,) = heard(position(event=event))
    assert isinstance(one, Heard)
    assert one.reports[0].moments == ({sign} if sign else set())
    assert one.answer == (Frame("AVCFG", ("00000000", letter)).to_line() if letter else b"")
    assert told(position(event=event))["event"] == event


@pytest.mark.parametrize(("status", "valid"), [("A", True), ("R", True), ("P", True), ("V", False)])
def test_a_status_in_lower_case_is_acknowledged(status: str, valid: bool) -> None:  # noqa: FBT001
    (quiet,) = heard(position(status))
    (one,) = heard(position(status.lower(), "T"))
    assert isinstance(quiet, Heard)
    assert isinstance(one, Heard)
    assert quiet.answer == b""
    check = position(status.lower(), "T").computed
    assert one.answer == Frame("EAVACK", ("T", check)).to_line() + Frame("AVCFG", ("00000000", "t")).to_line()
    fix = one.reports[0].fix
    assert fix is not None
    assert fix.valid == valid


def test_inputs_are_told_and_are_no_event() -> None:
    one = told(position(event="C"))
    assert (one["attributes"]["in1"], one["attributes"]["in2"]) == (False, True)
    assert "event" not in one


@pytest.mark.parametrize(("text", "volts"), [("3.812", 3.812), ("3812", 3.812), ("4.1", 4.1), ("", None)])
def test_a_battery_is_in_volts(text: str, volts: float | None) -> None:
    assert told(position(battery=text))["battery_v"] == volts


def test_an_echo_is_echoed_and_a_name_is_heard() -> None:
    talk = LaipacConversation()
    with pytest.raises(LocalProtocolError) as unknown:
        talk.order(Order.LOCATE, None, NOW)
    assert unknown.value.code == "not_known"
    echo = Frame("ECHK", (ID, "7")).to_line()
    (one,) = talk.feed(echo, NOW)
    assert isinstance(one, Heard)
    assert (talk.device_id, one.answer) == (ID, echo)
    assert talk.order(Order.LOCATE, None, NOW) == Frame("AVREQ", ("00000000", "1")).to_line()
    assert talk.order(Order.RESTART, None, NOW) == Frame("AVRESET", (ID, "00000000")).to_line()


def test_what_it_is_told_names_nobody() -> None:
    assert "device_id" not in told(Frame("AVCFG", ("00000000", "t")))
    assert told(Frame("AVSYS", (ID, "V1.50", "SN17", "64")))["raw"]["version"] == "V1.50"
    assert told(Frame("EAVSYS", (ID, "8986", "", "Owner", "0x52")))["raw"]["sim"] == "8986"


def test_a_place_that_is_none_leaves_the_event() -> None:
    frame = Frame("AVRMC", (ID, "040506", "V", "", "", "", "", "", "", "271126", "3"))
    one = told(frame)
    assert (one["position"], one["alarms"], one["device_time"]) == (False, ["sos"], "2026-11-27T04:05:06Z")
    assert "3640" not in repr(position())
