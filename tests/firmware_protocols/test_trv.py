"""TRV and IW: what is answered, texts that run into each other, and messages without their end."""

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
from firmware_protocols.trv.conversation import TrvConversation
from firmware_protocols.trv.frames import LONGEST, Decoder, Frame
from tests.firmware_protocols.streams import bytes_of

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
POSITION = b"TRVAP01261127A3640.0986N11701.2506E003.6040506270.0006000908010102,460,00,9520,3671#"
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="#"), max_size=60)


def told(data: bytes) -> dict[str, Any]:
    return describer("trv").decode(data, None)


def heard(data: bytes) -> list[Heard]:
    talk = TrvConversation()
    found = [*talk.feed(data, NOW), *talk.flush()]
    return [one for one in found if isinstance(one, Heard)]


def found_in(*chunks: bytes) -> list[Frame | Discarded]:
    decoder = Decoder()
    found = [one for chunk in chunks for one in decoder.feed(chunk)]
    return [*found, *decoder.flush()]


def frames_in(*chunks: bytes) -> list[bytes]:
    return [one.to_bytes() for one in found_in(*chunks) if isinstance(one, Frame)]


@given(
    st.sampled_from(["TRV", "IW"]), st.from_regex("[A-Z]P[0-9A-Z]{2}", fullmatch=True), TEXT, st.booleans()
)
def test_a_message_comes_back_as_it_went(maker: str, word: str, body: str, ended: bool) -> None:  # noqa: FBT001
    frame = Frame(maker, word, body, ended)
    assert Frame.from_bytes(frame.to_bytes()) == frame


@pytest.mark.parametrize("body", ["#", "\n", "位", "x" * LONGEST])
def test_what_no_message_can_hold_is_not_built(body: str) -> None:
    with pytest.raises(LocalProtocolError):
        Frame("TRV", "AP01", body).to_bytes()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"XXAP00352000000000017#", "begin"),
        (b"TRVAP", "begin"),
        (POSITION + b"x", "trailing"),
        (b"TRVAP01\n#", "form"),
        (b"TRVAP01" + b"x" * LONGEST, "length"),
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(data: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Frame.from_bytes(data)
    assert caught.value.code == code
    assert "352" not in str(caught.value)


@pytest.mark.parametrize("cut", range(1, len(POSITION) - 1))
def test_a_message_that_was_cut_off_costs_no_other(cut: int) -> None:
    stream = POSITION[:cut] + POSITION
    for chunks in ([stream], [bytes([one]) for one in stream]):
        assert frames_in(*chunks) == [POSITION]
    decoder = Decoder()
    list(decoder.feed(POSITION[:cut]))
    list(decoder.flush())
    assert [one.to_bytes() for one in decoder.feed(POSITION) if isinstance(one, Frame)] == [POSITION]


@given(
    st.lists(
        st.sampled_from([POSITION, b"TRV", b"IWAP02,", b"#", b"\r\n", b"T", b"IW", POSITION[:-1]]), max_size=9
    )
)
def test_nothing_is_lost(pieces: Sequence[bytes]) -> None:
    assert bytes_of(found_in(*pieces)) == b"".join(pieces)


def test_a_text_without_end_does_not_fill_the_memory() -> None:
    decoder = Decoder()
    for _ in range(20):
        list(decoder.feed(b"TRVAP01" + b"x" * 5000))
        assert len(decoder._buffer) <= 2 * LONGEST


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (POSITION[:-1], True),
        (b"IWAP00352000000000017", True),
        (b"IWAP0035200000000001", False),
        (b"TRVCP01,0600090800010", False),
        (b"IWAPXL,112233", False),
        (POSITION[:40], False),
    ],
)
def test_without_its_end_only_what_reads_as_whole_is_heard(data: bytes, read: bool) -> None:  # noqa: FBT001
    assert list(Decoder().feed(data)) == []
    assert (frames_in(data) == [data]) == read
    assert told(data)["frame"]["ended"] is False


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"TRVAP00352000000000017#", b"TRVBP00#"),
        (b"IWAP00352000000000017#", b"IWBP00,20261127040506,0#"),
        (POSITION, b"TRVBP01#"),
        (b"IWAP02,zh_cn,0,0,460,0,0,#", b"IWBP02#"),
        (b"TRVCP01,06401107700103#", b"TRVDP01#"),
        (b"TRVYP03x#", b"TRVZP03#"),
        (b"TRVAP14,1#", b"TRVBP14,0.000,0.000#"),
        (b"IWAP14,1#", b""),
        (b"IWAP12,112233,1#", b""),
        (b"IWAPXL,112233#", b""),
        (b"IWAPXL,1#", b"IWBPXL#"),
        (b"IWBP16,352000000000017,112233#", b""),
    ],
)
def test_the_answer_has_the_next_letter(said: bytes, answer: bytes) -> None:
    (one,) = heard(said)
    assert one.answer == answer


def test_who_it_is_holds_for_the_line() -> None:
    before, login, after = heard(POSITION + b"TRVAP00352000000000017#" + POSITION)
    assert before.reports[0].device_id is None
    assert login.reports[0].device_id == after.reports[0].device_id == "352000000000017"
    assert after.reports[0].battery_pct == 80
    assert after.reports[0].fix is not None
    assert after.reports[0].fix.time == NOW


@pytest.mark.parametrize(
    "data",
    [
        b"TRVAP00#",
        b"TRVAP01261127A9940.0986N11701.2506E003.6040506270.0006000908010102,460,00,9520,3671#",
        b"IWAP02,1#",
        b"IWAP03,1#",
        b"TRVCP0106401107700103#",
        b"IWAP49,x#",
        b"IWAP99,1#",
    ],
)
def test_what_cannot_be_read_is_kept_as_it_came(data: bytes) -> None:
    assert "unread" in told(data)["raw"]


def test_no_order_is_known_and_no_place_in_a_repr() -> None:
    with pytest.raises(LocalProtocolError):
        TrvConversation().order(Order.LOCATE, None, NOW)
    assert "3640" not in repr(Frame.from_bytes(POSITION))
    assert "352" not in repr(Frame.from_bytes(b"TRVAP00352000000000017#"))
