"""GT06: CRC, lengths that are none, logins, alarms, and what a tracker can be told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.gt06 import describe
from firmware_protocols.gt06.blocks import Gps, State
from firmware_protocols.gt06.conversation import Gt06Conversation
from firmware_protocols.gt06.frames import MOST, Decoder, Frame, crc_x25
from firmware_protocols.gt06.models import MODELS
from firmware_protocols.gt06.reports import report_of
from firmware_protocols.tracking import Heard, Order, Sign

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
IMEI = bytes.fromhex("0352000000000017")
HERE = Gps(
    time=NOW, info_length=12, satellites=9, lat=36.5, lon=117.0, speed_kmh=4, status=1 << 10 | 1 << 12 | 270
)


NOON = datetime(2026, 11, 27, 12)  # noqa: DTZ001 - by the tracker's clock
AT_NOON = Frame(0x10, 2, replace(HERE, time=NOON).to_bytes())


def fix_time(told: Heard) -> datetime | None:
    fix = told.reports[0].fix
    assert fix is not None
    return fix.time


def heard(talk: Gt06Conversation, *frames: Frame) -> list[Heard]:
    found = talk.feed(b"".join(one.to_bytes() for one in frames), NOW)
    return [one for one in found if isinstance(one, Heard)]


def test_the_crc_has_the_check_value_of_its_name() -> None:
    assert crc_x25(b"123456789") == 0x906E


@given(st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(max_size=200), st.booleans())
def test_a_frame_comes_back_as_it_went(number: int, serial: int, content: bytes, long: bool) -> None:  # noqa: FBT001
    again = Frame.from_bytes(Frame(number, serial, content, long).to_bytes())
    assert (again.number, again.serial, again.content, again.long) == (number, serial, content, long)
    assert again.sound


def test_a_content_may_hold_the_end_of_a_frame() -> None:
    frame = Frame(0x15, 1, b"\x0d\x0a" * 5)
    decoder = Decoder()
    found = [one for byte in frame.to_bytes() for one in decoder.feed(bytes([byte]))]
    assert [one.content for one in found if isinstance(one, Frame)] == [frame.content]


def test_who_it_is_holds_for_the_line() -> None:
    talk = Gt06Conversation()
    position = Frame(0x12, 2, HERE.to_bytes() + bytes(8))
    before, login, after = heard(talk, position, Frame(0x01, 1, IMEI), position)
    assert before.reports[0].device_id is None
    assert login.answer == Frame(0x01, 1).to_bytes()
    assert after.reports[0].device_id == "352000000000017"
    fix = after.reports[0].fix
    assert fix is not None
    assert (fix.lat, fix.lon, fix.valid, fix.course) == (36.5, 117.0, True, 270)


@pytest.mark.parametrize(("status", "signs"), [(1 << 10, (1, 1)), (0, (-1, 1)), (1 << 10 | 1 << 11, (1, -1))])
def test_a_position_has_the_signs_of_its_status(status: int, signs: tuple[int, int]) -> None:
    again = Gps.from_bytes(replace(HERE, status=status).to_bytes())
    assert (again.lat, again.lon) == (36.5 * signs[0], 117.0 * signs[1])


def test_a_wrong_crc_is_noise_and_heard_only_where_it_was_asked_for() -> None:
    wrong = replace(Frame(0x13, 1, bytes(5)), crc=1).to_bytes()
    (found,) = Gt06Conversation().feed(wrong, NOW)
    assert isinstance(found, Discarded)
    assert found.reason == "checksum"
    (found,) = Gt06Conversation(lenient=True).feed(wrong, NOW)
    assert isinstance(found, Heard)


@pytest.mark.parametrize(
    ("info", "alarm", "sign"),
    [
        (0, 0x18, Sign.STRAP_OPEN),
        (7 << 3, 0, Sign.STRAP_OPEN),
        (0, 0x13, Sign.CASE_TAMPER),
        (4 << 3, 0x04, Sign.SOS),
    ],
)
def test_what_a_state_says_is_an_alarm(info: int, alarm: int, sign: Sign) -> None:
    (told,) = heard(Gt06Conversation(), Frame(0x13, 1, bytes([info, 5, 4, alarm, 2])))
    assert told.reports[0].alarms == {sign}
    assert told.reports[0].battery_pct == 83


def test_no_message_says_that_a_strap_is_closed() -> None:
    """So its alarm stands until somebody has looked: nothing here may clear it."""
    (told,) = heard(Gt06Conversation(), Frame(0x13, 1, bytes([0, 5, 4, 0, 2])))
    assert Sign.STRAP_OPEN not in told.reports[0].standing


def test_the_time_is_told_in_utc() -> None:
    (asked,) = heard(Gt06Conversation(), Frame(0x8A, 7))
    assert Frame.from_bytes(asked.answer).content == bytes([26, 11, 27, 4, 5, 6])


@pytest.mark.parametrize(
    ("language", "zone"),
    [("3202", timedelta(hours=8)), ("1f4a", timedelta(hours=-5)), ("5632", timedelta(hours=13, minutes=79))],
)
def test_the_clock_goes_by_the_zone_of_the_login(language: str, zone: timedelta) -> None:
    talk = Gt06Conversation()
    _, told = heard(talk, Frame(0x01, 1, IMEI + bytes(2) + bytes.fromhex(language)), AT_NOON)
    assert fix_time(told) == NOON.replace(tzinfo=timezone(zone))


@pytest.mark.parametrize("language", ["", "00000002", "0000ffff"])
def test_a_login_without_a_zone_leaves_the_clock_to_the_configuration(language: str) -> None:
    talk = Gt06Conversation()
    _, told = heard(talk, Frame(0x01, 1, IMEI + bytes.fromhex(language)), AT_NOON)
    assert fix_time(told) == NOON


def test_seconds_since_1970_are_no_clock_of_a_zone() -> None:
    talk = Gt06Conversation()
    module = bytes.fromhex("00330012") + int(NOW.timestamp()).to_bytes(4, "big") + bytes(14)
    _, told = heard(talk, Frame(0x01, 1, IMEI + bytes.fromhex("00003202")), Frame(0x70, 2, module, long=True))
    assert fix_time(told) == NOW


@pytest.mark.parametrize(
    ("frame", "signs"),
    [
        (Frame(0x70, 1, bytes.fromhex("0034000612000000000000340006230000000000"), long=True),
         {Sign.STRAP_OPEN, Sign.CASE_TAMPER}),
        (Frame(0x39, 1, HERE.to_bytes() + bytes.fromhex("00 01cc 00 1a2b 003c4d 00 00 06 04 07 12")), {Sign.JAMMING}),
        (Frame(0x39, 1, HERE.to_bytes() + bytes.fromhex("03 81cc 0001") + bytes(14) + bytes.fromhex("0006041802")),
         {Sign.STRAP_OPEN}),
        (Frame(0xA9, 1, bytes.fromhex("1a0b1b040506 01cc 00 00 01 1a2b003c4d28 00 01 00112233445540 13 01")),
         {Sign.CASE_TAMPER}),
        (Frame(0xA9, 1, bytes.fromhex("1a0b1b040506 01cc 00 01 00 00 00 13 01")), {Sign.CASE_TAMPER}),
        (Frame(0x19, 1, bytes.fromhex("01cc001a2b003c4d 00 06 04 18 02")), {Sign.STRAP_OPEN}),
        (Frame(0x33, 1, bytes.fromhex("1a0b1b040506 00 00 00 00 a2"), long=True), {Sign.LOW_BATTERY}),
        (Frame(0x95, 1, bytes.fromhex("1a0b1b040506 01")), {Sign.GENERAL}),
        (Frame(0x95, 1, bytes.fromhex("ffff01 1a0b1b040506 c9 03e8fa00 0c8df780 1400 0000 007b 80 0000")),
         {Sign.VIBRATION}),
    ],
)  # fmt: skip
def test_what_a_model_says_by_numbers_of_its_own_is_an_alarm(frame: Frame, signs: set[Sign]) -> None:
    (told,) = heard(Gt06Conversation(), frame)
    assert told.reports[0].alarms == signs


def test_a_place_that_is_nowhere_on_the_earth_is_not_vouched_for() -> None:
    assert not Gps.from_bytes(replace(HERE, lat=91.0).to_bytes()).valid


@given(st.sampled_from([one.number for one in MODELS]), st.binary(max_size=120), st.booleans())
def test_any_content_of_a_model_is_a_report(number: int, content: bytes, long: bool) -> None:  # noqa: FBT001
    frame = Frame(number, 1, content, long)
    assert report_of(frame).kind == f"0x{number:02X}"
    describe.decode(frame.to_bytes(), None)


def test_a_command_is_a_text_of_the_maker() -> None:
    talk = Gt06Conversation()
    heard(talk, Frame(0x01, 1, IMEI))
    sent = Frame.from_bytes(talk.order(Order.TEXT, "WHERE#", NOW))
    assert (sent.number, sent.content) == (0x80, b"\x0a\0\0\0\0WHERE#")
    for order, value in ((Order.LOCATE, None), (Order.TEXT, None), (Order.TEXT, "")):
        with pytest.raises(LocalProtocolError):
            talk.order(order, value, NOW)


@given(st.binary(max_size=8))
def test_any_state_is_read_or_is_none(data: bytes) -> None:
    state = State.from_bytes(data)
    assert (state is None) == (len(data) < 3)
    assert state is None or state.battery_pct is None or 0 <= state.battery_pct <= 100


def test_a_length_that_lies_does_not_fill_the_memory() -> None:
    decoder = Decoder()
    for _ in range(20):
        list(decoder.feed(b"\x79\x79\x0f\xff" + b"x" * 5000))
        assert len(decoder._buffer) <= 2 * MOST
