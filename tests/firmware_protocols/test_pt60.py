"""PT60: both forms, what is answered with the time, and messages that are cut off or have no end."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded
from firmware_protocols.pt60.conversation import Pt60Conversation
from firmware_protocols.pt60.frames import LONGEST, Decoder, Frame
from firmware_protocols.tracking import Heard, Order
from tests.firmware_protocols.streams import bytes_of

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
IMEI = "352000000000017"
NAMES = (IMEI, "460010000000017")
TIME = "20261127120506"
TRACK = Frame("G", ("V01", "6", *NAMES, TIME, "36.668310;117.020844", ""))
PLACE = Frame("B", ("01", "001", *NAMES, "1", "45", TIME, "36.668310", "117.020844", "1", ""))
FIELD = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="@,|"), max_size=20)


def told(frame: Frame) -> dict[str, Any]:
    return describer("pt60").decode(frame.to_bytes(), None)


def heard(*frames: Frame) -> list[Heard]:
    talk = Pt60Conversation()
    found = [*talk.feed(b"".join(one.to_bytes() for one in frames), NOW), *talk.flush()]
    return [one for one in found if isinstance(one, Heard)]


def found_in(*chunks: bytes) -> list[Frame | Discarded]:
    decoder = Decoder()
    found = [one for chunk in chunks for one in decoder.feed(chunk)]
    return [*found, *decoder.flush()]


@given(st.sampled_from(["G", "B"]), st.lists(FIELD, min_size=1, max_size=12), st.booleans())
def test_a_message_comes_back_as_it_went(form: str, fields: list[str], ended: bool) -> None:  # noqa: FBT001
    frame = Frame(form, tuple(fields), ended)
    assert Frame.from_bytes(frame.to_bytes()) == frame


@pytest.mark.parametrize(
    "frame",
    [
        Frame("A", ("",)),
        Frame("G", ()),
        Frame("G", ("1,2",)),
        Frame("B", ("1|2",)),
        Frame("B", ("@",)),
        Frame("B", ("\n",)),
        Frame("B", ("位",)),
        Frame("B", ("x" * LONGEST,)),
    ],
)
def test_what_no_message_can_hold_is_not_built(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.to_bytes()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"@G#@|V01,", "begin"),
        (b"@G#", "begin"),
        (TRACK.to_bytes() + b"\n", "trailing"),
        (b"@G#@,V01@,@R#@", "form"),
        (b"@G#@,V01,\x00@R#@", "form"),
        (b"@B#@|" + b"x" * LONGEST, "length"),
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(data: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Frame.from_bytes(data)
    assert caught.value.code == code
    assert IMEI not in str(caught.value)


@pytest.mark.parametrize("frame", [TRACK, PLACE], ids=["G", "B"])
def test_a_message_that_was_cut_off_costs_no_other(frame: Frame) -> None:
    good = frame.to_bytes()
    for cut in range(1, len(good)):
        stream = good[:cut] + good
        for chunks in ([stream], [bytes([one]) for one in stream]):
            assert [one for one in found_in(*chunks) if isinstance(one, Frame)] == [frame]
        decoder = Decoder()
        list(decoder.feed(good[:cut]))
        list(decoder.flush())
        assert list(decoder.feed(good)) == [frame]


@given(
    st.lists(
        st.sampled_from([TRACK.to_bytes(), b"@", b"@G#", b"@B#@|", b"@E#@", b"@R#@", b"\r\n", b"x"]),
        max_size=9,
    )
)
def test_nothing_is_lost(pieces: Sequence[bytes]) -> None:
    assert bytes_of(found_in(*pieces)) == b"".join(pieces)


def test_a_text_without_end_does_not_fill_the_memory() -> None:
    decoder = Decoder()
    for _ in range(20):
        list(decoder.feed(b"@B#@|" + b"x" * 5000))
        assert len(decoder._buffer) <= 2 * LONGEST


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (f"@G#@,V01,13,{IMEI},46001,{TIME},5555,", True),
        (f"@G#@,V01,13,{IMEI},46001,{TIME},555", False),
        (f"@G#@,V01,13,{IMEI},46001,", False),
        ("@G#@", False),
        ("@G#@,V01\n", False),
    ],
)
def test_without_its_end_only_what_has_its_time_is_heard(data: str, read: bool) -> None:  # noqa: FBT001
    found = found_in(data.encode())
    assert bytes_of(found) == data.encode()
    assert any(isinstance(one, Frame) for one in found) == read


def test_the_answer_has_the_time_in_the_form_that_asked() -> None:
    track, place, nameless, timeless = heard(
        TRACK,
        PLACE,
        Frame("B", ("01", "001", "", "46001", TIME, "1", "")),
        Frame("G", ("V01", "1", *NAMES, "")),
    )
    assert track.answer == b"@G#@,V01,38,20261127040506,@R#@"
    assert place.answer == f"@B#@|01|002|{IMEI}|0|20261127040506|@E#@".encode()
    assert (nameless.answer, timeless.answer) == (b"", b"")
    assert [one.reports[0].device_id for one in (track, place, nameless, timeless)] == [
        IMEI,
        IMEI,
        None,
        IMEI,
    ]


def test_the_clock_of_a_watch_has_no_zone() -> None:
    (one,) = heard(TRACK)
    fix = one.reports[0].fix
    assert fix is not None
    assert (fix.lat, fix.lon) == (36.66831, 117.020844)
    assert fix.time == datetime(2026, 11, 27, 12, 5, 6)  # noqa: DTZ001 - that is the point


def test_a_place_that_is_none_leaves_time_and_battery() -> None:
    one = told(Frame("B", ("01", "001", *NAMES, "1", "45", TIME, "96.668310", "117.020844", "1", "")))
    assert (one["position"], one["battery"], one["device_time"]) == (False, 45, "2026-11-27T12:05:06Z")


def test_no_order_is_known_and_nobody_in_a_repr() -> None:
    with pytest.raises(LocalProtocolError):
        Pt60Conversation().order(Order.LOCATE, None, NOW)
    assert IMEI not in repr(TRACK)
    assert "36.66" not in repr(TRACK)
