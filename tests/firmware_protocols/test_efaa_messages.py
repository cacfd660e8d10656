"""What commands, replies and notes of a face module mean, both ways, and every table of the documentation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.efaa_xor16.commands import (
    Command,
    DemoMode,
    Enroll,
    EnrollItg,
    GetAllUserIds,
    InitEncryption,
    ItgOrder,
    OtherCommand,
    Plain,
    SetKey,
    Verify,
    parse_command,
)
from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import LABELS_ZH, MsgId, name_of
from firmware_protocols.efaa_xor16.notes import (
    NOTE_MEANINGS,
    FaceNote,
    ImageChunk,
    Note,
    NoteId,
    OtherNote,
    parse_note,
)
from firmware_protocols.efaa_xor16.notes import to_frame as note_frame
from firmware_protocols.efaa_xor16.replies import (
    NOBODY,
    EnrolledInfo,
    Nothing,
    Opaque,
    Reply,
    SerialNumber,
    StatusInfo,
    UserIds,
    Verified,
    Version,
)
from firmware_protocols.efaa_xor16.results import ADVICE, RESULTS, Action, result_of
from firmware_protocols.efaa_xor16.states import COMPLETE, FACE_STATES, FIVE, state_of
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from tests.firmware_protocols.efaa_strategies import commands, itg, notes, replies
from tests.firmware_protocols.vectors import EFAA_FRAMES, Vector, readme_table

NAME = "测试甲"


@given(commands)
def test_every_command_survives_the_wire(command: Command) -> None:
    assert parse_command(Frame.from_bytes(command.to_frame().to_bytes())) == command


@given(replies)
def test_every_reply_survives_the_wire(reply: Reply) -> None:
    assert Reply.from_frame(Frame.from_bytes(reply.to_frame().to_bytes())) == reply


@given(notes)
def test_every_note_survives_the_wire(note: Note) -> None:
    assert parse_note(Frame.from_bytes(note_frame(note).to_bytes())) == note


@given(st.binary(max_size=64))
def test_a_chunk_of_an_image_is_carried_and_not_shown(data: bytes) -> None:
    assert note_frame(ImageChunk(data)) == Frame(MsgId.IMAGE, data)
    assert repr(ImageChunk(b"face")) == "ImageChunk()"


@pytest.mark.parametrize("vector", EFAA_FRAMES, ids=repr)
def test_a_vector_is_rebuilt_from_what_it_says(vector: Vector) -> None:
    frame = Frame.from_bytes(vector.data)
    match frame.msg_id:
        case MsgId.REPLY:
            assert Reply.from_frame(frame).to_frame() == frame
        case MsgId.NOTE:
            assert note_frame(parse_note(frame)) == frame
        case MsgId.IMAGE:
            assert note_frame(ImageChunk(frame.data)) == frame
        case _:
            assert parse_command(frame).to_frame() == frame


@pytest.mark.parametrize(
    ("command", "data"),
    [
        (Verify(10), "000a"),
        (Enroll(timeout_s=10, direction=1), "00" + "00" * 32 + "010a"),
        (Enroll(timeout_s=10, direction=4, member_id=258), "00" + "00" * 32 + "0401020a"),
        (EnrollItg(timeout_s=10, direction=8, enroll_type=0), "00" + "00" * 32 + "0800000a000000"),
        (EnrollItg(timeout_s=10, direction=8, enroll_type=1, reserved=b""), "00" + "00" * 32 + "0801000a"),
        (
            EnrollItg(timeout_s=10, direction=8, enroll_type=0, order=ItgOrder.TYPE_FIRST),
            "00" + "00" * 32 + "0008000a000000",
        ),
        (GetAllUserIds(), ""),
        (GetAllUserIds(0), "00"),
        (InitEncryption(bytes(4), 1, 7), "000000000100000007"),
        (InitEncryption(bytes(4), 1, 7, bytes(3)), "000000000100000007000000"),
        (DemoMode(1), "01"),
        (Plain(MsgId.RESET), ""),
    ],
)
def test_a_command_has_these_bytes(command: Command, data: str) -> None:
    assert command.to_frame().data.hex() == data
    assert parse_command(command.to_frame()) == command


@given(itg)
def test_the_other_order_is_recognised_where_the_bytes_tell(command: EnrollItg) -> None:
    data = command.to_frame().data
    other = Frame(MsgId.ENROLL_ITG, data[:33] + data[34:35] + data[33:34] + data[35:])
    read = parse_command(other)
    assert isinstance(read, EnrollItg)
    if command.direction > 1:
        assert (read.direction, read.enroll_type, read.order) == (
            command.direction,
            command.enroll_type,
            ItgOrder.TYPE_FIRST,
        )
    assert read.to_frame() == other


def test_a_name_is_text_up_to_its_end_mark_and_never_shown() -> None:
    frame = Enroll(timeout_s=1, direction=0, name=NAME).to_frame()
    read = parse_command(Frame(frame.msg_id, frame.data[:20] + b"left over\0\0\0\0" + frame.data[33:]))
    assert isinstance(read, Enroll)
    assert read.name == NAME
    verified = Verified(7, NAME, 0, 200)
    for shown in (
        repr(read),
        repr(verified),
        repr(Reply(0x12, 0, verified)),
        repr(EnrollItg(timeout_s=1, direction=0, enroll_type=1, name=NAME)),
    ):
        assert NAME not in shown
    damaged = parse_command(
        Frame(frame.msg_id, frame.data[:1] + b"\xff\xfe".ljust(32, b"\0") + frame.data[33:])
    )
    assert isinstance(damaged, Enroll)
    assert damaged.name == "\ufffd\ufffd"


@pytest.mark.parametrize("name", ["x" * 33, "甲" * 11, "a\0b", "\ud800"])
def test_a_name_that_does_not_fit_is_our_fault_and_not_repeated(name: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Enroll(timeout_s=1, direction=0, name=name).to_frame()
    assert name not in str(caught.value)


@pytest.mark.parametrize("broken", [Verify(256), Verify(-1), SetKey(bytes(15)), InitEncryption(bytes(3))])
def test_a_command_that_cannot_be_carried_is_our_fault(broken: Command) -> None:
    with pytest.raises(LocalProtocolError):
        broken.to_frame()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(256, 0),
        Reply(0, 300),
        Reply(0x11, 0, StatusInfo(-1)),
        Reply(0x12, 0, Verified(70000)),
        Reply(0x30, 0, Version("x" * 33)),
    ],
)
def test_a_reply_that_cannot_be_carried_is_our_fault(reply: Reply) -> None:
    with pytest.raises(LocalProtocolError):
        reply.to_frame()


@pytest.mark.parametrize("note", [FaceNote(40000), OtherNote(300)])
def test_a_note_that_cannot_be_carried_is_our_fault(note: Note) -> None:
    with pytest.raises(LocalProtocolError):
        note_frame(note)


@pytest.mark.parametrize(
    ("msg_id", "size"),
    [(0x10, 1), (0x12, 1), (0x12, 3), (0x13, 34), (0x13, 36), (0x1D, 38), (0x26, 38), (0x20, 1), (0x24, 2),
     (0x50, 8), (0x53, 15), (0xFE, 0)],
)  # fmt: skip
def test_a_command_of_a_wrong_size_is_refused(msg_id: int, size: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_command(Frame(msg_id, bytes(size)))
    assert caught.value.code == "command_length"


@pytest.mark.parametrize("msg_id", [0, 1, 2, 0x0F])
def test_the_modules_messages_are_no_commands(msg_id: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_command(Frame(msg_id, b"\1\2"))
    assert caught.value.code == "direction"
    if msg_id:
        with pytest.raises(RemoteProtocolError):
            Reply.from_frame(Frame(msg_id, b"\1\2"))
    if msg_id != 1:
        with pytest.raises(RemoteProtocolError):
            parse_note(Frame(msg_id, b"\1\2"))


def test_what_is_out_of_scope_is_carried_as_it_is() -> None:
    assert parse_command(Frame(0x44, b"packet")) == OtherCommand(0x44, b"packet")
    assert name_of(0x77) == "UNKNOWN_77"


@pytest.mark.parametrize("payload", ["", "ffff" + "00" * 34])
@pytest.mark.parametrize("result", [1, 8, 12, 13])
def test_a_failed_verify_comes_in_two_shapes(payload: str, result: int) -> None:
    reply = Reply.from_frame(Frame(0, bytes([0x12, result]) + bytes.fromhex(payload)))
    assert reply.result == result
    assert reply.info == (Verified(NOBODY, "", 0, 0) if payload else Nothing())


@pytest.mark.parametrize(
    ("data", "info"),
    [
        ("110000", StatusInfo(0)), ("110003", StatusInfo(3)),
        ("12000007", Verified(7)), ("1300ffff01", EnrolledInfo(NOBODY, 1)), ("1d0000091f", EnrolledInfo(9, COMPLETE)),
        ("240000", UserIds(())), ("2400020001000a", UserIds((1, 10))), ("240001000900000000", UserIds((9,), 4)),
        ("1100", None), ("12000007" + "00" * 5, None), ("1300ff", None), ("24000300010002", None), ("2400", None),
        ("170000", None), ("2200" + "00" * 34, None), ("5000" + "00" * 19, None),
        ("1108aabb", Opaque(b"\xaa\xbb")), ("100001", Opaque(b"\1")), ("7701", Nothing()),
    ],
)  # fmt: skip
def test_a_reply_says(data: str, info: object) -> None:
    frame = Frame(0, bytes.fromhex(data))
    if info is None:
        with pytest.raises(RemoteProtocolError) as caught:
            Reply.from_frame(frame)
        assert caught.value.code == "reply_length"
    else:
        assert Reply.from_frame(frame).info == info


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"FM225001".ljust(32, b"\0"), "FM225001"),
        (b"FM225001" + b"\xfe\x80\xff" * 8, "FM225001"),
        (b"AB12".ljust(32, b"\0"), "AB12"),
        (bytes.fromhex("80112233445566FF") + bytes(24), "80112233445566ff"),
        (bytes(32), ""),
        (b"\xff" * 32, ""),
        (b"", ""),
        (b" " * 32, ""),
    ],
)
def test_a_serial_number_is_eight_bytes_of_text_or_hex(raw: bytes, text: str) -> None:
    assert SerialNumber(raw).text == text


@pytest.mark.parametrize("size", [0, 15])
def test_a_short_face_state_is_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_note(Frame(1, b"\1" + bytes(size)))
    assert caught.value.code == "note_length"


def test_face_state_is_little_endian_and_signed() -> None:
    note = parse_note(Frame(1, b"\1" + bytes.fromhex("0600e4009c00c201ba01f6ff0a00feff")))
    assert note == FaceNote(6, 228, 156, 450, 442, -10, 10, -2)


def test_the_tables_are_those_of_the_documentation() -> None:
    assert {
        int(row["Result"]): (row["Name"], row["Meaning"], row["Action"])
        for row in readme_table("Results of efaa-xor16")
    } == {code: (result.name, result.meaning, str(result.action)) for code, result in RESULTS.items()}
    assert {int(row["State"]): (row["Name"], row["Meaning"]) for row in readme_table("Face states")} == {
        code: (state.name, state.meaning) for code, state in FACE_STATES.items()
    }
    documented = {
        int(row["MsgID"], 16): row["Name"]
        for heading in ("Messages of the host", "Messages of the module")
        for row in readme_table(heading)
    }
    assert documented.items() <= {int(one): one.name for one in MsgId}.items()
    assert {int(one) for one in MsgId} - set(documented) == {
        *range(0x40, 0x45),
        0x60,
        0x61,
        0xB0,
        0xB1,
        0xF6,
        0xF7,
    }
    assert set(NOTE_MEANINGS) == set(NoteId)
    assert set(LABELS_ZH) == set(MsgId)


@pytest.mark.parametrize("code", range(256))
def test_every_result_says_what_to_do(code: int) -> None:
    result = result_of(code)
    assert result.code == code
    assert result.meaning
    assert result.meaning_zh
    assert result.advice
    assert (result.action is Action.OK) == (code == 0)
    assert (result.name == "unknown") == (code not in RESULTS)
    assert bool(result.to_person) == (result.action is Action.PERSON)
    assert set(ADVICE) == set(Action)


@pytest.mark.parametrize("code", [-1, *range(30), 128])
def test_every_state_has_a_name_and_both_languages(code: int) -> None:
    state = state_of(code)
    assert state.code == code
    assert state.name
    assert state.meaning
    assert state.meaning_zh


def test_the_five_directions_make_the_whole_mask() -> None:
    assert sum(FIVE) == COMPLETE
    assert len(FIVE) == 5
