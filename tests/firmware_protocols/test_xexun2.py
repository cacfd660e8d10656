"""xexun2: flags and escapes, records, removal, and what a tracker can be told."""

import struct
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded
from firmware_protocols.tracking import Heard, Order, Sign
from firmware_protocols.xexun2.conversation import Xexun2Conversation
from firmware_protocols.xexun2.frames import (
    FLAG,
    HEAD,
    LONGEST,
    MOST_PAYLOAD,
    Decoder,
    Frame,
    escaped,
    unescaped,
)
from firmware_protocols.xexun2.positions import PARTS, Position
from firmware_protocols.xexun2.reading import degrees
from firmware_protocols.xexun2.reports import ALARMS, COMMAND, RECORDS, reports_of
from tests.firmware_protocols.streams import bytes_of, split
from tests.firmware_protocols.tracker_vectors import load
from tests.firmware_protocols.vectors import readme_table

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
IDENTITY = bytes.fromhex("3520000000000170")
VECTORS = load("xexun2", "xexun2.json", "xexun2-own.json")
flags = st.sampled_from([b"\xfa", b"\xaf", b"\xfb", b"\xbf", b"\x01", b"\x02", b"\x00"])
payloads = st.binary(max_size=60) | st.lists(flags, max_size=40).map(b"".join)


def frame_of(payload: bytes, msg: int = RECORDS) -> Frame:
    return Frame(msg, 7, IDENTITY, payload)


def record_of(mask: int, body: bytes = b"", battery: int = 80) -> Frame:
    record = struct.pack(">BIBHB", 1, int(NOW.timestamp()), 20, battery, mask) + body
    return frame_of(b"\1" + len(record).to_bytes(2, "big") + record)


def found_in(*chunks: bytes, flush: bool = True) -> list[Frame | Discarded]:
    decoder = Decoder()
    found = [one for chunk in chunks for one in decoder.feed(chunk)]
    return [*found, *decoder.flush()] if flush else found


def frames_in(*chunks: bytes, flush: bool = False) -> list[bytes]:
    return [one.to_bytes() for one in found_in(*chunks, flush=flush) if isinstance(one, Frame)]


# -- frames ---------------------------------------------------------------------------------------------


@given(payloads)
def test_what_is_escaped_holds_no_flag_and_comes_back(content: bytes) -> None:
    assert FLAG not in escaped(content)
    assert unescaped(escaped(content)) == content


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(min_size=8, max_size=8) | st.just(FLAG * 4),
    payloads,
)
def test_a_frame_comes_back_as_it_went(msg: int, serial: int, identity: bytes, payload: bytes) -> None:
    sent = Frame(msg, serial, identity, payload)
    again = Frame.from_bytes(sent.to_bytes())
    assert replace(again, attributes=None, check=None) == sent
    assert again.length_ok
    assert again.check_ok
    assert again.to_bytes() == sent.to_bytes()
    assert frames_in(sent.to_bytes()) == [sent.to_bytes()]


@given(st.lists(st.sampled_from([one.data for one in VECTORS]) | payloads, max_size=6), st.data())
def test_no_byte_is_lost_in_any_cut(pieces: list[bytes], draws: st.DataObject) -> None:
    stream = b"".join(pieces)
    whole = found_in(stream)
    cuts = draws.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    found = found_in(*split(stream, cuts))
    assert [one for one in found if isinstance(one, Frame)] == [
        one for one in whole if isinstance(one, Frame)
    ]
    assume(len(bytes_of(whole)) == len(stream))  # else a flag counts twice: the next test
    assert bytes_of(found) == stream


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_cut_frame_takes_none_of_the_next_with_it(cut: int) -> None:
    first, second = record_of(1, b"\0\0\0\2").to_bytes(), frame_of(b"\1\2\3", 0x15).to_bytes()
    for chunks in ([first[:cut] + second], [bytes([one]) for one in first[:cut] + second]):
        assert frames_in(*chunks)[-1] == second
    decoder = Decoder()
    bytes_before = bytes_of([*decoder.feed(first[:cut]), *decoder.flush()])
    assert bytes_before == first[:cut]
    assert bytes_of(list(decoder.feed(second))) == second


def test_a_flag_that_is_lost_costs_no_frame() -> None:
    first, second = record_of(0).to_bytes(), record_of(1, bytes(4)).to_bytes()
    assert frames_in(first[:-2] + second + first) == [first, second, first]
    assert frames_in(first[2:] + second) == [second]


def test_whoever_joins_in_the_middle_hears_the_next() -> None:
    frame = record_of(0).to_bytes()
    for start in range(1, len(frame)):
        assert frames_in(frame[start:] + frame, flush=True) == [frame]


def test_a_length_that_lies_does_not_fill_the_memory() -> None:
    decoder = Decoder()
    for _ in range(40):
        list(decoder.feed(FLAG + b"x" * 3000))
        assert len(decoder._buffer) <= LONGEST
    longest = frame_of(FLAG * (MOST_PAYLOAD // 2) + b"\xfa").to_bytes()
    assert frames_in(longest) == [longest]
    with pytest.raises(LocalProtocolError):
        frame_of(bytes(MOST_PAYLOAD + 1)).to_bytes()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [(replace(record_of(0), check=1), "checksum"), (replace(record_of(0), attributes=3), "length")],
    ids=["checksum", "length"],
)
def test_a_wrong_frame_is_shown_to_a_person_and_heard_by_nobody(wrong: Frame, reason: str) -> None:
    data = wrong.to_bytes()
    (found,) = [one for one in Xexun2Conversation().feed(data + FLAG, NOW) if isinstance(one, Discarded)]
    assert found.reason == reason
    told: Any = describer("xexun2").decode(data, None)
    assert not (told["frame"]["checksum_ok"] and told["frame"]["length_ok"])
    assert describer("xexun2").explain(data, None)[0].wrong


def test_the_sum_of_a_long_payload_may_have_its_carry_added() -> None:
    payload = b"\xff" * 300
    carried = (sum(payload) & 0xFFFF) + 1
    assert replace(frame_of(payload), check=~carried & 0xFFFF).check_ok
    assert frame_of(payload).check_ok
    assert not replace(frame_of(payload), check=carried).check_ok


@pytest.mark.parametrize("content", [b"\xfb\xbf", b"\xfb\xbf\x03"])
def test_an_escape_of_nothing_is_refused(content: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        Frame.from_bytes(FLAG + bytes(HEAD) + content + FLAG)
    assert refused.value.code == "escape"


# -- records --------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.sampled_from([RECORDS, COMMAND, 1]))
def test_any_payload_is_told(payload: bytes, msg: int) -> None:
    assert reports_of(frame_of(payload, msg))


@given(st.integers(0, 255), st.binary(max_size=120))
def test_any_record_is_told_and_every_number_in_it_is_one(mask: int, body: bytes) -> None:
    (report,) = reports_of(record_of(mask, body))
    if report.fix is not None:
        fix = report.fix
        for value in (fix.lat, fix.lon, fix.altitude_m or 0.0, fix.speed_kmh or 0.0):
            assert abs(value) < 100_000


@pytest.mark.parametrize(
    ("value", "worth"),
    [(3640.0986, 36.66831), (-630.0, -6.5), (float("nan"), None), (float("inf"), None), (2e4, None)],
)
def test_degrees_keep_their_sign(value: float, worth: float | None) -> None:
    got = degrees(value)
    assert got == (None if worth is None else pytest.approx(worth))


def test_a_place_that_is_none_is_no_fix_and_one_that_is_nowhere_not_vouched_for() -> None:
    (none,) = reports_of(record_of(2, b"\x01" + struct.pack(">Bff", 9, float("nan"), 3640.0)))
    assert none.fix is None
    assert none.device_time == NOW
    (nowhere,) = reports_of(record_of(2, b"\x01" + struct.pack(">Bff", 9, 11700.0, 9900.0)))
    assert nowhere.fix is not None
    assert not nowhere.fix.valid


def test_speed_without_a_place_is_not_lost() -> None:
    (report,) = reports_of(record_of(2, b"\x20" + struct.pack(">HH", 36, 900)))
    assert (report.raw["speed_kmh"], report.raw["course"]) == (3.6, 90.0)


def test_no_message_says_that_a_strap_is_closed() -> None:
    (taken_off,) = reports_of(record_of(1, (2).to_bytes(4, "big")))
    assert taken_off.standing == {Sign.STRAP_OPEN: True}
    assert taken_off.moments == {Sign.STRAP_OPEN}
    for quiet in (record_of(0), record_of(1, bytes(4))):
        (report,) = reports_of(quiet)
        assert Sign.STRAP_OPEN not in report.standing


def test_lengths_that_claim_more_than_there_is_leave_what_is_there() -> None:
    record = struct.pack(">BIBHB", 1, 0, 20, 80, 0)
    frame = frame_of(b"\3" + b"\0\x09" + b"\0\xff" * 2 + record + b"\1")
    first, second = reports_of(frame)
    assert (first.battery_pct, second.raw) == (80, {"trouble": "body"})


def test_the_tables_of_the_masks_are_those_of_the_code() -> None:
    alarms, parts = readme_table("Records of xexun2", 1), readme_table("Records of xexun2", 2)
    assert {int(row["Alarm bit"]) for row in alarms} == set(ALARMS)
    assert [int(row["Position bit"]) for row in parts] == [bit for bit, _ in PARTS]


def test_no_person_is_in_a_repr() -> None:
    frame = record_of(2, b"\x40" + struct.pack(">Bdd", 9, 11701.25064, 3640.0986))
    position = Position(lat=36.66831, lon=117.020844)
    for shown in (frame, position, found_in(frame.to_bytes()[:-1])):
        assert "35200000" not in repr(shown)
        assert "36.66" not in repr(shown)


# -- conversation ---------------------------------------------------------------------------------------


def heard(talk: Xexun2Conversation, *frames: Frame) -> list[Heard]:
    found = talk.feed(b"".join(one.to_bytes() for one in frames), NOW)
    return [one for one in found if isinstance(one, Heard)]


def test_everything_is_answered_but_what_answers_us() -> None:
    record, answer = heard(Xexun2Conversation(), record_of(0), frame_of(b"ok", COMMAND))
    sent = Frame.from_bytes(record.answer)
    assert (sent.msg, sent.serial, sent.identity, sent.payload) == (RECORDS, 7, IDENTITY, b"\1")
    assert (sent.check, sent.check_ok) == (0xFFFE, True)
    assert answer.answer == b""


@pytest.mark.parametrize(
    ("order", "value", "text"),
    [
        (Order.POWER_OFF, None, b"of=1"),
        (Order.RESTART, None, b"reset"),
        (Order.INTERVAL, 60, b"tracking_send=60,60"),
        (Order.TEXT, "version", b"version"),
    ],
)
def test_an_order_is_a_text_of_the_maker(order: Order, value: int | str | None, text: bytes) -> None:
    talk = Xexun2Conversation()
    heard(talk, record_of(0))
    sent = Frame.from_bytes(talk.order(order, value, NOW))
    assert (sent.msg, sent.identity, sent.payload) == (COMMAND, IDENTITY, text)
    assert Frame.from_bytes(talk.order(order, value, NOW)).serial == sent.serial + 1


@pytest.mark.parametrize(
    ("order", "value", "code"),
    [
        (Order.INTERVAL, 5, "range"),
        (Order.INTERVAL, None, "range"),
        (Order.TEXT, "", "range"),
        (Order.TEXT, "x" * 201, "range"),
        (Order.TEXT, "报到", "unsupported"),
        (Order.LOCATE, None, "unsupported"),
    ],
)
def test_an_order_that_cannot_be_is_refused(order: Order, value: int | str | None, code: str) -> None:
    talk = Xexun2Conversation()
    heard(talk, record_of(0))
    with pytest.raises(LocalProtocolError) as refused:
        talk.order(order, value, NOW)
    assert refused.value.code == code


def test_a_flag_that_two_frames_share_is_explained_once() -> None:
    """The fuzzer's find."""
    data = bytes.fromhex(
        "faaf0014000135200000000001700010fea301000d016b0901721400500100000001faaf"
        "00140cf18626490454584530002bf2dd0200130013d360efd7f514006402010d46322c4a450ba0"
        "26d460efd7fa14006402010d46322c4a450ba026faaf"
    )
    fields = describer("xexun2").explain(data, None)
    assert [one.name for one in fields] == ["flag", "head and payload", "flag", "head and payload", "flag"]
    assert sum(one.length for one in fields) == len(data)
    assert "serial 3313" in fields[3].value
