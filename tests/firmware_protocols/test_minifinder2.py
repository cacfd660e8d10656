"""minifinder2: frames without an end mark, records, answers, and what a device is told."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded
from firmware_protocols.minifinder2.commands import firmware_update
from firmware_protocols.minifinder2.conversation import Minifinder2Conversation
from firmware_protocols.minifinder2.describe import KEYS
from firmware_protocols.minifinder2.frames import HEAD, MOST_BODY, WANTS_ANSWER, Decoder, Frame
from firmware_protocols.minifinder2.items import (
    CONFIG,
    DATA,
    RESPONSE,
    SERVICES,
    Item,
    items_of,
    records_of,
)
from firmware_protocols.minifinder2.records import READERS
from firmware_protocols.minifinder2.reports import reports_of
from firmware_protocols.minifinder2.surroundings import SURROUNDINGS, Beacon
from firmware_protocols.tracking import FixSource, Heard, Order
from tests.firmware_protocols.streams import bytes_of, split
from tests.firmware_protocols.tracker_vectors import load
from tests.firmware_protocols.vectors import readme_table

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
IMEI = Item(0x01, b"352000000000017")
VECTORS = load("minifinder2", "minifinder2.json", "minifinder2-own.json")


def frame_of(command: int, *items: Item, serial: int = 7, properties: int = WANTS_ANSWER) -> Frame:
    return Frame(command, serial, b"".join(one.to_bytes() for one in items), properties)


def found_in(*chunks: bytes, flush: bool = True) -> list[Frame | Discarded]:
    decoder = Decoder()
    found = [one for chunk in chunks for one in decoder.feed(chunk)]
    return [*found, *decoder.flush()] if flush else found


def frames_in(*chunks: bytes, flush: bool = True) -> list[bytes]:
    return [one.to_bytes() for one in found_in(*chunks, flush=flush) if isinstance(one, Frame)]


def heard(talk: Minifinder2Conversation, *frames: Frame) -> list[Heard]:
    found = talk.feed(b"".join(one.to_bytes() for one in frames), NOW)
    return [one for one in found if isinstance(one, Heard)]


# -- frames ---------------------------------------------------------------------------------------------


@given(st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(max_size=300), st.integers(0, 255))
def test_a_frame_comes_back_as_it_went(command: int, serial: int, items: bytes, properties: int) -> None:
    sent = Frame(command, serial, items, properties)
    again = Frame.from_bytes(sent.to_bytes())
    assert replace(again, crc=None) == sent
    assert again.sound


@given(st.lists(st.sampled_from([one.data for one in VECTORS]) | st.binary(max_size=30)), st.data())
def test_no_byte_is_lost_in_any_cut(pieces: list[bytes], draws: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = draws.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    found = found_in(*split(stream, cuts))
    assert bytes_of(found) == stream
    assert [one for one in found if isinstance(one, Frame)] == [
        one for one in found_in(stream) if isinstance(one, Frame)
    ]


@pytest.mark.parametrize("cut", range(1, 36))
def test_a_cut_frame_takes_none_of_the_next_with_it(cut: int) -> None:
    """Without a silence as soon as the length that it claimed has come, else at the silence."""
    good = frame_of(DATA, IMEI, Item(0x24, bytes(8))).to_bytes()
    assert frames_in(good[:cut], good, good) == [good, good]
    assert frames_in(good[:cut], *[good] * 3, flush=False)[:2] == [good, good]
    decoder = Decoder()
    list(decoder.feed(good[:cut]))
    assert bytes_of(list(decoder.flush())) == good[:cut]
    assert [one for one in decoder.feed(good) if isinstance(one, Frame)] == [Frame.from_bytes(good)]


def test_a_frame_inside_a_wrong_one_is_found() -> None:
    inner = frame_of(RESPONSE, Item(0))
    outer = replace(frame_of(DATA, Item(0x10, inner.to_bytes())), crc=0).to_bytes()
    assert frames_in(outer) == [inner.to_bytes()]


def test_a_frame_inside_a_sound_one_is_content() -> None:
    outer = frame_of(DATA, Item(0x10, frame_of(RESPONSE, Item(0)).to_bytes())).to_bytes()
    for chunks in ([outer], [bytes([one]) for one in outer]):
        assert frames_in(*chunks) == [outer]


def test_a_length_that_lies_does_not_fill_the_memory() -> None:
    decoder = Decoder()
    for _ in range(40):
        list(decoder.feed(b"\xab\x10\xff\x0f" + b"x" * 3000))
        assert len(decoder._buffer) <= HEAD + MOST_BODY
        assert len(decoder._crc._values) <= len(decoder._buffer) + 1


@pytest.mark.parametrize("length", [0, MOST_BODY + 1, 0xFFFF])
def test_a_length_that_no_frame_has_is_noise_at_once(length: int) -> None:
    head = b"\xab\x10" + length.to_bytes(2, "little") + bytes(4)
    assert [type(one) for one in found_in(head, flush=False)] == [Discarded]


def test_the_longest_frame_is_heard_and_a_longer_one_not_built() -> None:
    longest = Frame(DATA, 1, bytes(MOST_BODY - 1)).to_bytes()
    assert frames_in(longest, flush=False) == [longest]
    with pytest.raises(LocalProtocolError):
        Frame(DATA, 1, bytes(MOST_BODY)).to_bytes()


def test_a_wrong_crc_is_shown_to_a_person_and_heard_by_nobody() -> None:
    wrong = replace(frame_of(DATA, IMEI), crc=1).to_bytes()
    (found,) = Minifinder2Conversation().feed(wrong, NOW)
    assert isinstance(found, Discarded)
    assert found.reason == "checksum"
    told: Any = describer("minifinder2").decode(wrong, None)
    assert (told["device_id"], told["frame"]["checksum_ok"]) == ("352000000000017", False)
    assert describer("minifinder2").explain(wrong, None)[0].wrong


# -- records --------------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_any_body_is_read_to_its_end_or_says_how_much_is_left(data: bytes) -> None:
    items, behind = items_of(data)
    assert b"".join(one.to_bytes() for one in items) + data[len(data) - behind :] == data
    assert [item for record in records_of(items) for item in record] == list(items)
    assert reports_of(Frame(DATA, 1, data))
    assert reports_of(Frame(CONFIG, 1, data))


def test_beacons_begin_no_record_and_everything_else_does() -> None:
    status, beacon, named = Item(0x24), Item(0x28), Item(0x2C)
    records = list(records_of([IMEI, status, beacon, beacon, named, named, status, beacon]))
    assert records == [(IMEI, status, beacon, beacon, named, named), (status, beacon)]


def test_every_record_belongs_to_whom_the_frame_names() -> None:
    status = Item(0x24, bytes(8))
    (told,) = heard(Minifinder2Conversation(), frame_of(DATA, status, status, IMEI))
    assert [one.device_id for one in told.reports] == ["352000000000017"] * 2


def test_where_a_beacon_hangs_is_the_newest_word() -> None:
    here = Item(0x20, bytes.fromhex("e6c03b1ef367420400000000aa026d00c90e000010"))
    tag = Item(0x28, b"\x80" + bytes(8) + (10_000_000).to_bytes(4, "little") * 2)
    for items, source in (((here, tag), FixSource.BEACON), ((tag, here), FixSource.SATELLITES)):
        (report,) = reports_of(frame_of(DATA, IMEI, *items))
        assert report.fix is not None
        assert report.fix.source is source


@pytest.mark.parametrize("lat", [2**31 - 1, -(2**31)])
def test_a_place_that_is_nowhere_is_not_vouched_for(lat: int) -> None:
    place = lat.to_bytes(4, "little", signed=True) + bytes(4)
    for item in (Item(0x20, place + bytes(6) + b"\1" + bytes(6)), Item(0x28, b"\x80" + bytes(8) + place)):
        (report,) = reports_of(frame_of(DATA, item))
        assert report.fix is not None
        assert not report.fix.valid


def test_surroundings_of_two_keys_are_put_together() -> None:
    named, plain = Item(0x19, b"\xc4" + bytes(6) + b"\1a"), Item(0x22, b"\xc0" + bytes(6))
    (report,) = reports_of(frame_of(DATA, IMEI, named, plain))
    assert [one["rssi"] for one in report.raw["wifi"]] == [-60, -64]  # type: ignore[attr-defined]


def test_the_table_of_the_keys_is_that_of_the_code() -> None:
    rows = readme_table("Keys of minifinder2")
    assert {int(key, 16) for row in rows for key in row["Key"].split(", ")} == set(READERS) | set(
        SURROUNDINGS
    )
    assert set(READERS) | set(SURROUNDINGS) <= set(KEYS)


def test_no_person_is_in_a_repr() -> None:
    beacon = Item(0x28, b"\xc0" + bytes(8) + (366683100).to_bytes(4, "little") * 2 + b"Ward 3")
    frame = frame_of(DATA, IMEI, beacon)
    for shown in (frame, items_of(frame.items), Beacon.from_item(beacon), found_in(frame.to_bytes()[:-1])):
        assert "352000000000017" not in repr(shown)
        assert "36.66" not in repr(shown)
        assert "Ward" not in repr(shown)


# -- conversation ---------------------------------------------------------------------------------------


def test_who_it_is_holds_for_the_line() -> None:
    talk = Minifinder2Conversation()
    before, data, after = heard(
        talk, frame_of(RESPONSE, Item(0)), frame_of(DATA, IMEI), frame_of(CONFIG, Item(0x1A, b"V1"))
    )
    ids = [one.reports[0].device_id for one in (before, data, after)]
    assert ids == [None, "352000000000017", "352000000000017"]


def test_only_what_asks_is_answered_by_its_own_serial() -> None:
    asked, quiet = heard(
        Minifinder2Conversation(), frame_of(DATA, IMEI, serial=0x1234), frame_of(DATA, IMEI, properties=0x0F)
    )
    assert asked.answer == Frame(RESPONSE, 0x1234, b"\1\0").to_bytes()
    assert quiet.answer == b""


def test_the_time_is_told_in_utc_and_no_place_is_made_up() -> None:
    (told,) = heard(Minifinder2Conversation(), frame_of(SERVICES, IMEI, Item(0x11), Item(0x12)))
    answer = Frame.from_bytes(told.answer)
    assert (answer.command, answer.serial, answer.sound) == (SERVICES, 7, True)
    place, clock = items_of(answer.items)[0]
    assert place == Item(0x11, bytes(9))
    assert clock == Item(0x12, int(NOW.timestamp()).to_bytes(4, "little"))


def test_a_question_for_the_time_that_is_heard_late_is_answered_without_it() -> None:
    talk = Minifinder2Conversation()
    question = frame_of(SERVICES, IMEI, Item(0x12)).to_bytes()
    list(talk.feed(b"\xab\x10\xff\x0f" + question, NOW))
    (told,) = [one for one in talk.flush() if isinstance(one, Heard)]
    assert told.answer == Frame(RESPONSE, 7, b"\1\0").to_bytes()


def test_no_order_is_made_up() -> None:
    talk = Minifinder2Conversation()
    for code in ("not_known", "unsupported"):
        with pytest.raises(LocalProtocolError) as refused:
            talk.order(Order.LOCATE, None, NOW)
        assert refused.value.code == code
        heard(talk, frame_of(DATA, IMEI))


@pytest.mark.parametrize(
    ("url", "code"), [("", "range"), ("h" * 255, "range"), ("http://固件", "form"), ("a b", "form")]
)
def test_the_address_of_firmware_is_plain_text(url: str, code: str) -> None:
    with pytest.raises(LocalProtocolError) as refused:
        firmware_update(url)
    assert refused.value.code == code
