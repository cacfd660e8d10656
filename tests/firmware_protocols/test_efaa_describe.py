"""Frames of a face module explained for a person and decoded for a program."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.describing import Field
from firmware_protocols.efaa_xor16.commands import (
    Command,
    ConfigBaudRate,
    DemoMode,
    Enroll,
    EnrollItg,
    InitEncryption,
    ItgOrder,
    OtherCommand,
    SetKey,
    SetThresholdLevel,
    SnapImage,
    UploadImage,
)
from firmware_protocols.efaa_xor16.frames import EncryptedFrame, Frame
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from firmware_protocols.efaa_xor16.notes import FaceNote, ImageChunk, Note, OtherNote, to_frame
from firmware_protocols.efaa_xor16.replies import (
    NOBODY,
    EnrolledInfo,
    ImageSize,
    Reply,
    SerialNumber,
    StatusInfo,
    UserIds,
    UserInfo,
    Verified,
    Version,
)
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from tests.firmware_protocols.efaa_strategies import commands, notes, replies
from tests.firmware_protocols.vectors import EFAA_ENCRYPTED, EFAA_FRAMES, Vector

NAME = "测试甲"
FAMILY = "efaa-xor16"


def covered(fields: list[Field], size: int) -> bool:
    ends = [0]
    for field in fields:
        if field.offset != ends[-1]:
            return False
        ends.append(field.offset + field.length)
    return ends[-1] == size


def decoded(frame: Frame) -> dict[str, object]:
    return describer(FAMILY).decode(frame.to_bytes(), None)


def bytes_of(field: Field, frame: Frame) -> bytes:
    return frame.to_bytes()[field.offset : field.offset + field.length]


def explained(frame: Frame) -> list[Field]:
    return describer(FAMILY).explain(frame.to_bytes(), None)


@settings(deadline=None)
@given(
    st.lists(
        st.binary(max_size=20) | st.sampled_from([v.data for v in EFAA_FRAMES + EFAA_ENCRYPTED]), max_size=4
    ).map(b"".join),
    st.sampled_from(["host>module", "module>host", None]),
    st.sampled_from([FAMILY, "efaa-xor16-aes"]),
)
def test_any_bytes_are_explained_to_the_last(data: bytes, direction: str | None, family: str) -> None:
    assert covered(describer(family).explain(data, direction), len(data))
    with suppress(RemoteProtocolError):
        describer(family).decode(data, direction)


@given(commands.map(lambda c: c.to_frame()) | replies.map(lambda r: r.to_frame()) | notes.map(to_frame))
def test_every_good_frame_is_explained_and_decoded(frame: Frame) -> None:
    fields = explained(frame)
    assert covered(fields, len(frame.to_bytes()))
    assert decoded(frame)["size"] == len(frame.data)


def test_nothing_of_a_person_is_shown_unasked() -> None:
    personal = [
        Enroll(timeout_s=1, direction=1, name=NAME).to_frame(),
        EnrollItg(timeout_s=1, direction=1, enroll_type=1, name=NAME).to_frame(),
        Reply(0x12, 0, Verified(7, NAME, 0, 200)).to_frame(),
        Reply(0x22, 0, UserInfo(7, NAME, 0)).to_frame(),
    ]
    for frame in personal:
        [field] = [field for field in explained(frame) if field.name == "name"]
        assert (field.value, field.personal) == (NAME, True)
        assert all(NAME not in one.note + one.advice for one in explained(frame))
        assert decoded(frame)["user_name"] == NAME


@pytest.mark.parametrize(
    "frame",
    [
        to_frame(ImageChunk(b"picture")),
        Reply(0x13, 0, EnrolledInfo(7, 31, b"picture")).to_frame(),
        Reply(0x12, 0, Verified(7, "", 0, 200, b"picture")).to_frame(),
        SetKey(b"picture..picture").to_frame(),
        OtherCommand(MsgId.ENROLL_WITH_PHOTO, b"picture").to_frame(),
    ],
)
def test_pictures_features_and_keys_are_never_shown(frame: Frame) -> None:
    assert [field.opaque for field in explained(frame) if b"picture" in bytes_of(field, frame)] == [True]
    assert all("picture" not in field.value for field in explained(frame))


def test_a_picture_is_measured_and_left_out() -> None:
    for frame in (to_frame(ImageChunk(b"picture")), Frame(MsgId.ENROLL_WITH_PHOTO, b"picture")):
        keys = decoded(frame)
        assert (keys["image_bytes"], "data" in keys) == (7, False)


@pytest.mark.parametrize(
    ("frame", "name", "value"),
    [
        (Reply(0x11, 0, StatusInfo(1)).to_frame(), "status", "works 忙"),
        (Reply(0x11, 0, StatusInfo(9)).to_frame(), "status", "unknown 9"),
        (Reply(0x24, 0, UserIds((1, 258), 4)).to_frame(), "user ids", "1 258"),
        (Reply(0x24, 0, UserIds(())).to_frame(), "count", "0"),
        (Reply(0x30, 0, Version("V1.2")).to_frame(), "version", "V1.2"),
        (Reply(0x93, 0, SerialNumber(b"FM225001" + bytes(24))).to_frame(), "serial number", "FM225001"),
        (Reply(0x17, 0, ImageSize(256)).to_frame(), "payload", "00 00 01 00"),
        (Reply(0x13, 0, EnrolledInfo(NOBODY, 0x05)).to_frame(), "directions taken", "middle left"),
        (Reply(0x13, 0, EnrolledInfo(NOBODY, 0x41)).to_frame(), "directions taken", "middle 40"),
        (Reply(0x13, 0, EnrolledInfo(NOBODY)).to_frame(), "user id", "nobody"),
        (to_frame(OtherNote(77, b"\1")), "note", "4D"),
        (to_frame(FaceNote(0, yaw=-12)), "yaw", "-12"),
        (ConfigBaudRate(3).to_frame(), "speed", "460800 baud"),
        (InitEncryption(b"\1\2\3\4", 1, 9, bytes(3)).to_frame(), "mode", "AES"),
        (InitEncryption(b"\1\2\3\4", 9, 9).to_frame(), "mode", "unknown 9"),
        (Enroll(timeout_s=9, direction=4, member_id=5).to_frame(), "member id", "5"),
        (EnrollItg(timeout_s=9, direction=8, enroll_type=1).to_frame(), "type", "single"),
    ],
)
def test_a_frame_is_told_in_words(frame: Frame, name: str, value: str) -> None:
    [field] = [field for field in explained(frame) if field.name == name]
    assert field.value == value
    assert not field.wrong


def test_a_payload_that_does_not_fit_is_marked_and_hidden() -> None:
    for frame in (Frame(0, b"\x12\0\0\7\1"), Frame(0x13, bytes(36)), Frame(1, b"\1\1")):
        [field] = [field for field in explained(frame) if field.wrong]
        assert (field.name, field.personal) == ("data", True)
    [field] = [field for field in explained(ConfigBaudRate(9).to_frame()) if field.wrong]
    assert field.value == "no known speed"


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (DemoMode(0), {"enable": 0, "name": "DEMO_MODE"}),
        (ConfigBaudRate(4), {"baud": 1500000}),
        (ConfigBaudRate(9), {"baud": None}),
        (InitEncryption(b"\1\2\3\4", 1, 9), {"seed": "01020304", "mode": 1, "time": 9}),
        (SetKey(bytes(range(16))), {"key_sequence": bytes(range(16)).hex()}),
        (SetThresholdLevel(2, 3), {"verify_level": 2, "liveness_level": 3}),
        (SnapImage(1, 2), {"count": 1, "start": 2}),
        (UploadImage(4000, 96), {"offset": 4000, "upload_size": 96}),
        (
            Enroll(timeout_s=9, direction=4, admin=1, member_id=5),
            {"member_id": 5, "direction": 4, "admin": 1},
        ),
        (
            EnrollItg(timeout_s=9, direction=8, enroll_type=0, order=ItgOrder.TYPE_FIRST),
            {"direction": 8, "enroll_type": 0, "order": "type, direction", "timeout_s": 9},
        ),
    ],
)
def test_a_command_is_decoded(command: Command, keys: dict[str, object]) -> None:
    assert decoded(command.to_frame()).items() >= keys.items()


@pytest.mark.parametrize(
    ("frame", "keys"),
    [
        (Reply(0x12, 0, Verified(258, "SAMPLE", 1, 204)), {"user_id": 258, "admin": 1, "unlock_status": 204}),
        (Reply(0x24, 0, UserIds((1, 2), 95)), {"count": 2, "user_ids": [1, 2]}),
        (Reply(0x93, 0, SerialNumber(b"FM225001" + bytes(24))), {"serial": "FM225001"}),
        (
            Reply(0x13, 0, EnrolledInfo(0xFFFF, 3)),
            {"user_id": 0xFFFF, "direction": 3, "result_name": "SUCCESS"},
        ),
    ],
)
def test_a_reply_is_decoded(frame: Reply, keys: dict[str, object]) -> None:
    assert decoded(frame.to_frame()).items() >= keys.items()


@pytest.mark.parametrize(
    ("note", "keys"),
    [
        (OtherNote(4, b"\1"), {"nid": 4, "meaning": "EYE_STATE", "eye_state": 1}),
        (OtherNote(77), {"nid": 77, "meaning": "UNKNOWN"}),
        (FaceNote(6, -1), {"state_name": "TOO_FAR", "left": -1}),
        (FaceNote(99), {"state_name": "UNKNOWN_99"}),
    ],
)
def test_a_note_is_decoded(note: Note, keys: dict[str, object]) -> None:
    assert decoded(to_frame(note)).items() >= keys.items()


def test_demo_mode_is_warned_of() -> None:
    assert "before the module is used" in "".join(field.advice for field in explained(DemoMode(1).to_frame()))
    assert not any(field.advice for field in explained(DemoMode(0).to_frame()))


def test_what_a_result_and_a_state_ask_for_is_said() -> None:
    [result] = [field for field in explained(Reply(0x12, 12).to_frame()) if field.name == "result"]
    assert result.advice.startswith("person: stand still")
    [state] = [field for field in explained(to_frame(FaceNote(6))) if field.name == "state"]
    assert state.advice == "tell the person: come closer"


def test_a_frame_told_to_go_the_other_way_is_refused() -> None:
    for vector in EFAA_FRAMES:
        other = "module>host" if vector.direction == "host>module" else "host>module"
        with pytest.raises(RemoteProtocolError):
            describer(FAMILY).decode(vector.data, other)
        assert any(field.wrong for field in describer(FAMILY).explain(vector.data, other))


@pytest.mark.parametrize("family", [FAMILY, "efaa-xor16-aes"])
def test_a_direction_that_does_not_exist_is_said(family: str) -> None:
    for work in (describer(family).decode, describer(family).explain):
        with pytest.raises(LocalProtocolError, match="host>module and module>host") as caught:
            work(EFAA_FRAMES[0].data, "host>reader")
        assert caught.value.code == "direction"


@pytest.mark.parametrize("vector", EFAA_ENCRYPTED, ids=repr)
def test_an_encrypted_frame_is_named_and_stays_closed(vector: Vector) -> None:
    keys = describer(vector.family).decode(b"\0" + vector.data, vector.direction)
    assert (
        keys.items()
        >= {"outer": vector.decoded["outer"], "mode": vector.decoded["mode"], "skipped": 1}.items()
    )
    fields = describer(vector.family).explain(vector.data, None)
    assert covered(fields, len(vector.data))
    assert [field.value for field in fields if field.opaque] == ["not opened"]
    assert not any(field.wrong for field in fields)


def test_a_damaged_encrypted_frame_is_marked() -> None:
    frame = bytearray(EncryptedFrame(bytes(16)).to_bytes())
    frame[-1] ^= 1
    fields = describer("efaa-xor16-aes").explain(bytes(frame), None)
    assert [field.name for field in fields if field.wrong] == ["parity"]
