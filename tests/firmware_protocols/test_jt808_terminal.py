"""The terminal's half of JT/T 808 against the platform's: what one writes, the other hears."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.jt808.bodies import fields_of
from firmware_protocols.jt808.conversation import Jt808Conversation
from firmware_protocols.jt808.frames import Frame
from firmware_protocols.jt808.location import Item, Location
from firmware_protocols.jt808.terminal import WIDTHS_2011, Authentication, Registration, Terminal
from firmware_protocols.tracking import Heard, Order
from tests.firmware_protocols.tracker_vectors import TrackerVector, load

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
ABOUT = Registration(
    manufacturer="MAKER", model="BAND-1", terminal_id="0000007", province=37, city=100, plate="鲁A"
)
HERE = Location(
    alarm=0, status=0b10, lat=36.66831, lon=117.020844, altitude_m=52, speed_kmh=4.5, course=270,
    time_bcd="261127120000",
)  # fmt: skip


def heard(talk: Jt808Conversation, frames: list[Frame]) -> list[Heard]:
    found = talk.feed(b"".join(one.to_bytes() for one in frames), NOW)
    return [one for one in found if isinstance(one, Heard)]


@pytest.mark.parametrize("new", [False, True])
def test_a_terminal_comes_in_with_the_code_it_was_given(new: bool) -> None:  # noqa: FBT001 - an edition
    talk, terminal = Jt808Conversation(), Terminal("13812345678", new=new)
    (welcome,) = heard(talk, terminal.register(ABOUT))
    raw = dict(welcome.reports[0].raw)
    wanted: dict[str, object] = {
        "manufacturer": "MAKER",
        "model": "BAND-1",
        "terminal_id": "0000007",
        "plate": "鲁A",
    }
    assert raw | wanted == raw
    code = str(fields_of(Frame.from_bytes(welcome.answer))["auth_code"])
    (known,) = heard(talk, terminal.authenticate(Authentication(code=code, imei="1" * 15, software="2.1")))
    assert known.reports[0].raw["auth_code"] == code
    assert Frame.from_bytes(known.answer).body.hex() == "0001010200"
    assert talk.device_id == "13812345678"


def test_the_shortest_registration_is_of_2011() -> None:
    frame = Frame(0x0100, "0" * 12, 1, replace(ABOUT, plate="").to_bytes(WIDTHS_2011))
    assert fields_of(frame)["terminal_id"] == "0000007"


@pytest.mark.parametrize("new", [False, True])
def test_a_long_upload_leaves_in_packages_and_arrives_whole(new: bool) -> None:  # noqa: FBT001 - an edition
    talk, terminal = Jt808Conversation(), Terminal("1", new=new, serial=0xFFFE)
    track = [replace(HERE, course=at, items=[Item(0xD4, b"\x50")]) for at in range(200)]
    frames = terminal.bulk(track, stored=True)
    assert [one.package for one in frames] == [(len(frames), at) for at in range(1, len(frames) + 1)]
    assert [one.serial for one in frames][:3] == [0xFFFE, 0xFFFF, 0]
    *_, last = heard(talk, frames)
    assert [one.fix.course for one in last.reports if one.fix] == list(range(200))
    assert all(one.fix and one.fix.archived and one.battery_pct == 80 for one in last.reports)


def test_what_is_asked_is_answered() -> None:
    talk, terminal = Jt808Conversation(), Terminal("1")
    heard(talk, terminal.heartbeat())
    asked = Frame.from_bytes(talk.order(Order.LOCATE, None, NOW))
    (told,) = heard(talk, terminal.located(asked, HERE))
    assert told.reports[0].raw["ack_serial"] == asked.serial
    assert told.reports[0].fix is not None
    (done,) = heard(talk, terminal.reply(asked))
    assert (done.reports[0].raw["ack_id"], done.answer) == ("0x8201", b"")


REGISTERED = [one for one in load("jt808", "jt808.json") if "0x0100" in repr(one)]


@pytest.mark.parametrize("vector", REGISTERED, ids=repr)
def test_a_published_registration_is_written_as_it_is_read(vector: TrackerVector) -> None:
    frame = Frame.from_bytes(vector.data)
    raw = fields_of(frame)
    told = {name: raw[name] for name in Registration.__dataclass_fields__}
    terminal = Terminal(frame.phone.lstrip("0"), new=frame.version is not None, serial=frame.serial)
    (again,) = terminal.register(Registration(**told))  # type: ignore[arg-type]
    assert fields_of(again) == raw
    assert (again.serial, again.phone) == (frame.serial, frame.phone)


@pytest.mark.parametrize("phone", ["", "x", "1" * 13, "１"])
def test_a_phone_that_is_none_is_ours_to_mend(phone: str) -> None:
    with pytest.raises(LocalProtocolError) as told:
        Terminal(phone)
    assert told.value.code == "phone"


def test_a_text_too_long_for_its_field_is_ours_to_mend() -> None:
    with pytest.raises(LocalProtocolError) as told:
        Terminal("1").register(replace(ABOUT, manufacturer="TOO LONG"))
    assert told.value.code == "range"
    with pytest.raises(LocalProtocolError):
        Terminal("1", new=True).authenticate(Authentication(code="x" * 256))


def test_who_it_is_stands_in_no_repr() -> None:
    assert "0000007" not in repr(ABOUT)
    assert "secret" not in repr(Authentication(code="secret", imei="1" * 15))
