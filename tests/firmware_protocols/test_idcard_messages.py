"""Commands, replies and status codes, against the documentation and the vectors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.idcard_sam.commands import (
    BAUD_RATES,
    COMMANDS,
    Command,
    identify,
    request_for,
    set_baud,
    set_rf_frame,
)
from firmware_protocols.idcard_sam.envelope import PREAMBLE
from firmware_protocols.idcard_sam.fingerprint import FINGERS, Finger, fingers
from firmware_protocols.idcard_sam.frames import Reply, Request
from firmware_protocols.idcard_sam.messages import (
    CardFound,
    CardRecord,
    CardSelected,
    ChipNumber,
    Message,
    NewAddress,
    Ok,
    Refusal,
    SamId,
    parse_reply,
    to_reply,
)
from firmware_protocols.idcard_sam.recognise import READER_TO_HOST, answered_command
from firmware_protocols.idcard_sam.status import ADVICE, STATUSES, Action, status_of
from firmware_protocols.idcard_sam.text_block import ResidentText
from tests.firmware_protocols.idcard_strategies import messages
from tests.firmware_protocols.vectors import FRAMES, Vector, readme_table

ANSWERS: dict[Command, Message] = {
    Command.RESET_SAM: Ok(),
    Command.SAM_STATUS: Ok(),
    Command.SAM_ID: SamId("05.01-20130315-0000123456-4012345678"),
    Command.FIND_CARD: CardFound(),
    Command.SELECT_CARD: CardSelected(),
    Command.READ_CARD: CardRecord(ResidentText(name="测试"), b"photo"),
    Command.READ_CARD_WITH_FINGERPRINT: CardRecord(ResidentText(name="测试"), b"photo", bytes(1024)),
    Command.READ_NEW_ADDRESS: NewAddress(("测试路1号", "测试路2号")),
    Command.READ_CHIP_NUMBER: ChipNumber(bytes(range(28))),
    Command.SET_BAUD: Ok(),
    Command.SET_RF_FRAME: Ok(),
}
VALUES = {Command.SET_BAUD: set_baud(9600), Command.SET_RF_FRAME: set_rf_frame(0x58)}


def example(command: Command) -> Request:
    return VALUES.get(command) or request_for(command)


def test_commands_are_those_of_the_documentation() -> None:
    documented = [(row["CMD PARA"].split(), row["Meaning"]) for row in readme_table("Commands")]
    assert documented == [
        ([f"{spec.cmd:02X}", "nn" if spec.para is None else f"{spec.para:02X}"], command.value)
        for command, spec in COMMANDS.items()
    ]
    assert set(COMMANDS) == set(Command) == set(ANSWERS)


def test_status_codes_are_those_of_the_documentation() -> None:
    documented = [tuple(row.values()) for row in readme_table("Status SW3 [C]")]
    assert documented == [
        (f"{code:02X}", status.name, status.meaning, status.action) for code, status in STATUSES.items()
    ]


def test_every_action_has_advice_and_a_use() -> None:
    assert set(ADVICE) == set(Action) == {status.action for status in STATUSES.values()}
    assert all(status.advice and status.meaning_zh for status in STATUSES.values())
    assert len({status.name for status in STATUSES.values()}) == len(STATUSES) == 18


def test_an_unknown_status_says_so_and_asks_for_a_report() -> None:
    status = status_of(0x55)
    assert (status.code, status.name, status.action) == (0x55, "unknown", Action.REPORT)
    assert "55" in status.meaning


def test_fingers_are_those_of_the_documentation() -> None:
    documented = {
        int(row["Byte 5"], 16): row["Finger"] for row in readme_table("Photo [C] and fingerprint [S]")
    }
    assert documented == {code: label for code, (label, _) in FINGERS.items()}
    assert (Finger(0x0B).label, Finger(0x0B).label_zh) == ("right thumb", "右手拇指")
    assert (Finger(0x77).label, Finger(0x77).label_zh) == ("unknown position 77", "未知指位")


def test_each_feature_names_its_finger() -> None:
    feature = bytearray(512)
    feature[5] = 0x10
    assert fingers(b"") == ()
    assert [finger.label for finger in fingers(bytes(feature) * 2)] == ["left thumb"] * 2
    with pytest.raises(RemoteProtocolError, match="no multiple of 512"):
        fingers(bytes(511))


@pytest.mark.parametrize("command", Command)
def test_every_command_is_recognised_and_answered(command: Command) -> None:
    request = Request.from_bytes(example(command).to_bytes())
    assert identify(request) is command
    reply = Reply.from_bytes(to_reply(ANSWERS[command]).to_bytes())
    assert parse_reply(request, reply) == ANSWERS[command]


@pytest.mark.parametrize("command", Command)
@pytest.mark.parametrize("sw3", [code for code, status in STATUSES.items() if status.action is not Action.OK])
def test_every_command_can_be_refused(command: Command, sw3: int) -> None:
    message = parse_reply(example(command), to_reply(Refusal(sw3)))
    assert message == Refusal(sw3)
    assert isinstance(message, Refusal)
    assert message.status is STATUSES[sw3]


@settings(deadline=None)
@given(messages)
def test_every_message_survives_the_wire(message: Message) -> None:
    reply = Reply.from_bytes(to_reply(message).to_bytes())
    assert to_reply(parse_reply(request_for(command_of(message)), reply)) == reply
    assert parse_reply(request_for(command_of(message)), reply) == message


def command_of(message: Message) -> Command:
    return next((c for c, answer in ANSWERS.items() if type(answer) is type(message)), Command.SAM_STATUS)


# What a reader pads with NUL is written with spaces, and what was damaged stays repaired.
LOSSY = {"own-idcard-sam-03", "own-idcard-sam-04"}
REPLIES = [v for v in FRAMES if v.direction == READER_TO_HOST and v.id not in LOSSY]


@pytest.mark.parametrize("vector", REPLIES, ids=repr)
def test_a_vector_is_the_same_frame_after_typing(vector: Vector) -> None:
    reply = Reply.from_bytes(vector.data[vector.data.find(PREAMBLE) :])
    message = parse_reply(request_for(answered_command(reply)), reply)
    assert vector.data.endswith(to_reply(message).to_bytes())


CODES = {"reply_length", "record_length", "text_length", "card_type", "status_mismatch"}


def outcome(command: Command, reply: Reply) -> str | type[Message]:
    try:
        return type(parse_reply(example(command), reply))
    except RemoteProtocolError as exc:
        return exc.code


@pytest.mark.parametrize("command", Command)
@given(data=st.binary(max_size=40))
def test_any_data_is_an_answer_or_a_protocol_error(command: Command, data: bytes) -> None:
    for sw3 in (0x90, 0x9F):
        assert outcome(command, Reply(0, 0, sw3, data)) in {*CODES, type(ANSWERS[command])}


@pytest.mark.parametrize(("sw1", "sw2"), [(1, 0), (0, 1), (0x6F, 0x90)])
def test_other_status_words_are_refused(sw1: int, sw2: int) -> None:
    for sw3 in (0x90, 0x80):
        with pytest.raises(RemoteProtocolError, match="00 00") as caught:
            parse_reply(request_for(Command.SAM_STATUS), Reply(sw1, sw2, sw3))
        assert caught.value.code == "status_word"


def test_found_is_said_in_answer_to_find_and_to_nothing_else() -> None:
    for command, reply in (
        (Command.FIND_CARD, Reply(0, 0, 0x90, bytes(4))),
        (Command.SAM_STATUS, Reply(0, 0, 0x9F)),
    ):
        with pytest.raises(RemoteProtocolError, match="in answer to") as caught:
            parse_reply(request_for(command), reply)
        assert caught.value.code == "status_mismatch"


def test_a_good_answer_to_a_command_not_in_the_table_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError, match="20 07"):
        parse_reply(Request(0x20, 0x07), Reply(0, 0, 0x90))
    assert parse_reply(Request(0x20, 0x07), Reply(0, 0, 0x21)) == Refusal(0x21)


@pytest.mark.parametrize(
    "request_", [Request(0x20, 1, b"\0"), Request(0x61, 0xFF), Request(0x60, 1, b"x"), Request(0, 0x81)]
)
def test_what_is_no_known_command_is_not_taken_for_one(request_: Request) -> None:
    assert identify(request_) is None


def test_speeds_are_offered_in_the_order_of_their_search() -> None:
    assert list(BAUD_RATES.items()) == [(0, 115200), (1, 57600), (2, 38400), (3, 19200), (4, 9600)]
    for para, baud in BAUD_RATES.items():
        assert set_baud(baud) == Request(0x60, para)


def test_what_a_command_cannot_carry_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError, match="1200 baud"):
        set_baud(1200)
    with pytest.raises(LocalProtocolError, match="256 bytes"):
        set_rf_frame(256)
    with pytest.raises(LocalProtocolError, match="its own function"):
        request_for(Command.SET_BAUD)


@pytest.mark.parametrize(
    "message",
    [
        CardFound(bytes(3)),
        CardSelected(bytes(9)),
        ChipNumber(b""),
        NewAddress(()),
        NewAddress(("a",) * 5),
        NewAddress(("a" * 36,)),
        SamId("05.01"),
        SamId("70000.01-20130315-0000123456-4012345678"),
        SamId("05.01-20130315-0000123456-9999999999"),
    ],
)
def test_what_no_reader_can_say_is_our_fault(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        to_reply(message)


def test_what_identifies_a_person_or_a_card_is_not_in_repr() -> None:
    told = [
        CardSelected(b"SECRET12"),
        ChipNumber(b"SECRET"),
        NewAddress(("SECRET",)),
        CardRecord(ResidentText(), b"SECRET"),
    ]
    assert not any("SECRET" in repr(message) for message in told)
