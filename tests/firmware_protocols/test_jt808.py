"""JT/T 808: streams and encodings of the publishers, packages, both editions, what a platform answers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.jt808.bodies import READERS, general_reply, register_reply
from firmware_protocols.jt808.conversation import MOST_MESSAGES, Jt808Conversation
from firmware_protocols.jt808.describe import decode
from firmware_protocols.jt808.frames import LONGEST, MAX_BODY, Decoder, Deframer, Frame, escaped, unescaped
from firmware_protocols.jt808.location import Item, Location, signs_of
from firmware_protocols.jt808.models import MODELS
from firmware_protocols.jt808.reports import reports_of
from firmware_protocols.tracking import Heard, Order, Sign
from tests.firmware_protocols.tracker_vectors import section

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
PHONE, PHONE_2019 = "013812345678", "00000000013812345678"
HERE = Location(
    alarm=0, status=0b10, lat=36.66831, lon=117.020844, altitude_m=52, speed_kmh=4.5, course=270,
    time_bcd="261127120000",
)  # fmt: skip


def replaced(**changes: Any) -> Location:
    named = {name: getattr(HERE, name) for name in HERE.__dataclass_fields__}
    return Location(**{**named, **changes})


def location(serial: int = 1, body: bytes | None = None, **changes: Any) -> Frame:
    return Frame(0x0200, PHONE, serial, HERE.to_bytes() if body is None else body, **changes)


# -- framing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", section("streams", "jt808.json"), ids=lambda one: one["id"])
@pytest.mark.parametrize("step", [1, 2, 100])
def test_a_stream_is_cut_at_its_flags(stream: dict[str, Any], step: int) -> None:
    data, deframer = bytes.fromhex(stream["stream_hex"]), Deframer()
    found = [one for at in range(0, len(data), step) for one in deframer.feed(data[at : at + step])]
    assert [one.hex() for one in found if isinstance(one, bytes)] == stream["frames_hex"]


@pytest.mark.parametrize("one", section("encode", "jt808.json"), ids=lambda one: one["id"])
def test_the_encodings_of_the_publishers(one: dict[str, Any]) -> None:
    params, reply = one["params"], one["params"]["reply"]
    if "ack_id" in reply:
        msg_id, body = 0x8001, general_reply(reply["ack_serial"], int(reply["ack_id"], 16), reply["result"])
    else:
        msg_id, body = 0x8100, register_reply(reply["ack_serial"], reply["result"], reply["auth_code"])
    version = 1 if params["version"] == "2019" else None
    assert Frame(msg_id, params["phone"], params["serial"], body, version).to_bytes().hex() == one["hex"]


@given(st.binary(max_size=200))
def test_escapes_hide_the_flag_and_nothing_is_lost(content: bytes) -> None:
    assert b"\x7e" not in escaped(content)
    assert unescaped(escaped(content)) == content


FRAMES = st.builds(
    lambda msg_id, serial, body, new: Frame(
        msg_id, PHONE_2019 if new else PHONE, serial, body, 1 if new else None
    ),
    st.integers(0, 0xFFFF).filter(lambda number: number not in {0x5501, 0x5502, 0x4401}),
    st.integers(0, 0xFFFF),
    st.binary(max_size=MAX_BODY),
    st.booleans(),
)


@given(FRAMES)
def test_a_frame_comes_back_as_it_went(frame: Frame) -> None:
    again = Frame.from_bytes(frame.to_bytes())
    assert (again.msg_id, again.phone, again.serial, again.body) == (
        frame.msg_id, frame.phone, frame.serial, frame.body,
    )  # fmt: skip
    assert again.version == frame.version
    assert again.check == again.computed


@given(FRAMES, st.data())
def test_one_wrong_bit_is_noticed_or_is_another_frame_with_its_own_check(
    frame: Frame, data: st.DataObject
) -> None:
    wire = bytearray(frame.to_bytes())
    at = data.draw(st.integers(1, len(wire) - 2))
    wire[at] ^= 1 << data.draw(st.integers(0, 7))
    decoder = Decoder()
    found = [*decoder.feed(bytes(wire)), *decoder.flush()]
    assert [one for one in found if isinstance(one, Frame)] == []


def test_who_joins_in_the_middle_is_not_inverted_for_ever() -> None:
    wire = location().to_bytes()
    decoder = Decoder()
    found = list(decoder.feed(wire[10:] + wire * 3))
    assert [type(one) for one in found][-3:] == [Frame, Frame, Frame]


def test_a_line_without_flags_does_not_fill_the_memory() -> None:
    deframer = Deframer()
    for _ in range(20):
        list(deframer.feed(b"\x7e" + b"x" * LONGEST))
        list(deframer.feed(b"x" * 10_000))
        assert len(deframer._buffer) <= 2 * LONGEST + 1


@pytest.mark.parametrize("version", [None, 1])
def test_the_version_bit_does_not_decide_the_layout(version: int | None) -> None:
    frame = Frame(0x0002, PHONE if version is None else PHONE_2019, 7, b"", version, attributes=1 << 14)
    assert Frame.from_bytes(frame.to_bytes()).phone == frame.phone


def test_a_body_that_is_too_long_is_ours_to_split() -> None:
    with pytest.raises(LocalProtocolError):
        Frame(0x0200, PHONE, 1, bytes(MAX_BODY + 1)).to_bytes()


# -- location -----------------------------------------------------------------------------------------


@given(
    st.floats(-90, 90), st.floats(-180, 180), st.integers(-500, 9000), st.integers(0, 65_535), st.integers(0, 359),
    st.lists(st.builds(Item, st.integers(0, 255), st.binary(max_size=20)), max_size=5),
)  # fmt: skip
def test_a_location_comes_back(
    lat: float, lon: float, altitude: int, speed: int, course: int, items: list[Item]
) -> None:
    sent = replaced(lat=lat, lon=lon, altitude_m=altitude, speed_kmh=speed / 10, course=course, items=items)
    again = Location.from_bytes(sent.to_bytes())
    assert again.lat == pytest.approx(lat, abs=1e-6)
    assert again.lon == pytest.approx(lon, abs=1e-6)
    assert (again.altitude_m, again.course, list(again.items)) == (altitude, course, items)


def test_a_place_that_is_nowhere_on_the_earth_is_not_vouched_for() -> None:
    (report,) = reports_of(location(body=replaced(lat=119.5).to_bytes()))
    assert report.fix is not None
    assert not report.fix.valid


@pytest.mark.parametrize(("worn", "is_open"), [(1 << 12, False), (0, True)])
def test_a_wearable_that_is_taken_off_says_so_in_a_vendors_item(worn: int, is_open: bool) -> None:  # noqa: FBT001
    nested = (6).to_bytes(2, "big") + (0x0089).to_bytes(2, "big") + worn.to_bytes(4, "big")
    (report,) = reports_of(location(body=replaced(items=[Item(0xEB, nested)]).to_bytes()))
    assert report.standing[Sign.STRAP_OPEN] is is_open


def test_nothing_is_tamper_by_default() -> None:
    everything = replaced(alarm=0xFFFF_FFFF)
    standing, moments = signs_of(everything)
    assert not {Sign.CASE_TAMPER, Sign.STRAP_OPEN} & (standing.keys() | moments)
    assert Sign.CASE_TAMPER in signs_of(everything, "common-vendor")[0]
    assert MODELS.keys() == {"standard", "common-vendor", "padlock"}


@pytest.mark.parametrize(("way", "sign"), [(0, Sign.FENCE_ENTER), (1, Sign.FENCE_EXIT)])
def test_an_area_says_which_way(way: int, sign: Sign) -> None:
    area = Item(0x12, bytes([1, 0, 0, 0, 9, way]))
    assert signs_of(replaced(alarm=1 << 20, items=[area]))[1] == {sign}


# -- the conversation ---------------------------------------------------------------------------------


def heard(talk: Jt808Conversation, *frames: Frame) -> list[Heard]:
    found = talk.feed(b"".join(one.to_bytes() for one in frames), NOW)
    return [one for one in found if isinstance(one, Heard)]


def test_a_terminal_registers_authenticates_and_reports() -> None:
    talk = Jt808Conversation()
    register = Frame(
        0x0100, PHONE, 1, bytes(4) + b"MAKER" + b"MODEL".ljust(20, b"\0") + b"ID".ljust(7, b"\0") + b"\0"
    )
    answers = [Frame.from_bytes(one.answer) for one in heard(talk, register)]
    (welcome,) = answers
    assert (welcome.msg_id, welcome.body[:3]) == (0x8100, b"\x00\x01\x00")
    code = welcome.body[3:]
    told = heard(
        talk, Frame(0x0102, PHONE, 2, code), location(3), Frame(0x0001, PHONE, 4, general_reply(0, 0x8201))
    )
    assert [one.answer and Frame.from_bytes(one.answer).body.hex() for one in told] == [
        "0002010200",
        "0003020000",
        b"",
    ]
    assert talk.device_id == "13812345678"


def test_the_time_is_told_at_beijing() -> None:
    (asked,) = heard(Jt808Conversation(), Frame(0x0004, PHONE_2019, 1, b"", 1))
    answer = Frame.from_bytes(asked.answer)
    assert (answer.msg_id, answer.body.hex(), answer.version) == (0x8004, "261127120000", 1)


def packages(count: int, serial: int = 10, body: bytes = b"") -> list[Frame]:
    size = -(-len(body) // count) or 1
    parts = [body[at * size : (at + 1) * size] for at in range(count)]
    return [Frame(0x0704, PHONE, serial + at, part, package=(count, at + 1)) for at, part in enumerate(parts)]


def test_packages_are_put_together_in_any_order_and_each_is_answered() -> None:
    one = HERE.to_bytes()
    body = (3).to_bytes(2, "big") + b"\1" + (len(one).to_bytes(2, "big") + one) * 3
    told = heard(Jt808Conversation(), *reversed(packages(4, body=body)))
    assert all(one.answer for one in told)
    assert [len([r for r in one.reports if r.fix]) for one in told] == [0, 0, 0, 3]
    assert all(report.fix and report.fix.archived for report in told[-1].reports)


def test_a_registration_in_packages_is_welcomed_when_it_is_whole() -> None:
    body = bytes(4) + b"MAKER" + b"MODEL".ljust(20, b"\0") + b"ID".ljust(7, b"\0") + b"\0"
    parts = [
        Frame(0x0100, PHONE, 5, body[:20], package=(2, 1)),
        Frame(0x0100, PHONE, 6, body[20:], package=(2, 2)),
    ]
    told = heard(Jt808Conversation(), *parts)
    assert [Frame.from_bytes(one.answer).msg_id for one in told] == [0x8001, 0x8100]
    assert told[-1].reports[0].raw["manufacturer"] == "MAKER"


def test_packages_that_disagree_about_how_many_they_are_are_not_put_together() -> None:
    parts = [Frame(0x0704, PHONE, 3, b"x", package=(3, 3)), Frame(0x0704, PHONE, 1, b"y", package=(2, 1))]
    assert all(one.reports[0].raw == {} for one in heard(Jt808Conversation(), *parts))
    talk = Jt808Conversation()
    heard(talk, *parts)
    assert len(talk._parts) == 2


def test_messages_that_never_become_whole_do_not_fill_the_memory() -> None:
    talk = Jt808Conversation()
    for number in range(50):
        heard(talk, packages(3, serial=number * 10, body=bytes(900))[0])
    assert len(talk._parts) <= MOST_MESSAGES


@pytest.mark.parametrize(
    ("order", "value", "msg_id", "body"),
    [
        (Order.LOCATE, None, 0x8201, ""), (Order.INTERVAL, 60, 0x8202, "003c00015180"),
        (Order.RESTART, None, 0x8105, "04"), (Order.POWER_OFF, None, 0x8105, "03"),
        (Order.TEXT, "请报到", 0x8300, "04c7ebb1a8b5bd"),
    ],
)  # fmt: skip
def test_what_a_terminal_can_be_told(order: Order, value: Any, msg_id: int, body: str) -> None:
    talk = Jt808Conversation()
    with pytest.raises(LocalProtocolError):
        talk.order(order, value, NOW)
    heard(talk, location())
    sent = Frame.from_bytes(talk.order(order, value, NOW))
    assert (sent.msg_id, sent.body.hex(), sent.phone) == (msg_id, body, PHONE)


@pytest.mark.parametrize("interval", [0, 65_536])
def test_an_interval_out_of_range_is_ours_to_mend(interval: int) -> None:
    talk = Jt808Conversation()
    heard(talk, location())
    with pytest.raises(LocalProtocolError) as told:
        talk.order(Order.INTERVAL, interval, NOW)
    assert told.value.code == "range"


# -- a technician's view ------------------------------------------------------------------------------


def test_a_wrong_check_is_decoded_and_said_and_not_heard() -> None:
    wire = bytearray(location().to_bytes())
    wire[-2] ^= 1
    assert decode(bytes(wire), None)["frame"]["checksum_ok"] is False  # type: ignore[index]
    (found,) = Jt808Conversation().feed(bytes(wire), NOW)
    assert isinstance(found, Discarded)


def test_two_frames_are_not_one() -> None:
    with pytest.raises(RemoteProtocolError) as told:
        decode(location().to_bytes() * 2, None)
    assert told.value.code == "trailing"


def test_a_body_that_ends_early_is_heard_as_a_message() -> None:
    (told,) = heard(Jt808Conversation(), location(body=b"\0\0"))
    assert told.reports[0].raw == {"trouble": "body"}
    assert told.answer, "else it would send it for ever"


@pytest.mark.parametrize("msg_id", [0x0200, *READERS], ids="{:04X}".format)
@given(st.binary(max_size=120), st.sampled_from([None, 1]))
def test_any_body_of_any_message_is_heard(msg_id: int, body: bytes, version: int | None) -> None:
    wire = Frame(msg_id, PHONE if version is None else PHONE_2019, 1, body, version).to_bytes()
    (told,) = Jt808Conversation().feed(wire, NOW)
    assert isinstance(told, Heard)
    assert told.reports
    assert decode(wire, None)["frame"]["body_hex"] == body.hex()  # type: ignore[index]
