"""Face modules of the HLK-TX510 kind: frames in any stream, messages both ways, nothing else for any bytes."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.describing import Field
from firmware_protocols.efaa_sum32.commands import (
    BARE,
    BAUD_RATES,
    LABELS_ZH,
    SWITCHES,
    AnyCommand,
    Bare,
    Command,
    DeleteUser,
    OtherCommand,
    SetBaudRate,
    Switch,
    name_of,
    parse_command,
)
from firmware_protocols.efaa_sum32.frames import HEADER_SIZE, MAX_DATA, Frame, HostDecoder, ModuleDecoder
from firmware_protocols.efaa_sum32.replies import (
    RESULTS,
    Info,
    Nothing,
    Opaque,
    Reply,
    User,
    Users,
    Version,
    result_of,
)
from firmware_protocols.efaa_xor16.envelope import SYNC
from firmware_protocols.efaa_xor16.frames import Frame as XorFrame
from firmware_protocols.efaa_xor16.recognise import HOST_TO_MODULE
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded
from tests.firmware_protocols.streams import bytes_of, split
from tests.firmware_protocols.vectors import EFAA_SUM, Vector, readme_table

FAMILY = describer("efaa-sum32")
COMMANDS: list[AnyCommand] = [
    *(Bare(command) for command in sorted(BARE)),
    *(Switch(command, on) for command in sorted(SWITCHES) for on in (0, 1)),
    *(SetBaudRate(index) for index in BAUD_RATES),
    DeleteUser(0),
    DeleteUser(0xFFFF),
    OtherCommand(Command.READ_TEMPLATE, b"\0\1"),
    OtherCommand(0x77, b"\1"),
]
REPLIES: list[tuple[int, Info]] = [
    (Command.IDENTIFY, User(0)),
    (Command.REGISTER, User(300)),
    (Command.LIST_USERS, Users(())),
    (Command.LIST_USERS, Users((0, 1, 0x1234))),
    (Command.VERSION, Version("TX510 1.0", 16)),
    (Command.DELETE_ALL, Nothing()),
    (Command.READ_TEMPLATE, Opaque(bytes(1026))),
]


def decoder_for(vector: Vector) -> HostDecoder | ModuleDecoder:
    return HostDecoder() if vector.direction == HOST_TO_MODULE else ModuleDecoder()


def decode_all(decoder: HostDecoder | ModuleDecoder, chunks: Iterable[bytes]) -> list[Frame | Discarded]:
    found = [item for chunk in chunks for item in decoder.feed(chunk)]
    return [*found, *decoder.flush()]


def frames_in(found: Iterable[Frame | Discarded]) -> list[Frame]:
    return [item for item in found if isinstance(item, Frame)]


def covered(fields: list[Field], size: int) -> bool:
    ends = [0]
    for field in fields:
        if field.offset != ends[-1]:
            return False
        ends.append(field.offset + field.length)
    return ends[-1] == size


@pytest.mark.parametrize("vector", EFAA_SUM, ids=repr)
def test_a_vector_survives_both_halves_of_the_codec(vector: Vector) -> None:
    frame = Frame.from_bytes(vector.data)
    assert frame.to_bytes() == vector.data
    message = Reply.from_frame(frame) if frame.msg_id == 0 else parse_command(frame)
    assert message.to_frame() == frame


@pytest.mark.parametrize("vector", EFAA_SUM, ids=repr)
def test_a_vector_is_called_what_the_manual_calls_it(vector: Vector) -> None:
    if "name" in vector.decoded:
        assert FAMILY.decode(vector.data, None)["name"] == vector.decoded["name"]


@pytest.mark.parametrize("vector", EFAA_SUM, ids=repr)
def test_a_vector_is_found_whole_and_byte_by_byte_and_twice_in_one_read(vector: Vector) -> None:
    frame = Frame.from_bytes(vector.data)
    assert decode_all(decoder_for(vector), [vector.data]) == [frame]
    assert decode_all(decoder_for(vector), [bytes([byte]) for byte in vector.data]) == [frame]
    assert decode_all(decoder_for(vector), [vector.data * 2]) == [frame, frame]


@pytest.mark.parametrize("noise", ["00", "EF", "EFEF", "AA", "EFAB", "FF" * 40, "EFAA", "EFAA00", "EFAA12FF"])
@pytest.mark.parametrize("vector", EFAA_SUM, ids=repr)
def test_a_vector_is_found_between_noise(vector: Vector, noise: str) -> None:
    stream = (bytes.fromhex(noise) + vector.data) * 2 + bytes.fromhex(noise)
    for chunks in ([stream], [bytes([byte]) for byte in stream]):
        found = decode_all(decoder_for(vector), chunks)
        assert frames_in(found) == [Frame.from_bytes(vector.data)] * 2
        assert bytes_of(found) == stream


@pytest.mark.parametrize("vector", EFAA_SUM, ids=repr)
def test_no_prefix_of_a_vector_is_a_frame(vector: Vector) -> None:
    for end in range(len(vector.data)):
        assert frames_in(decode_all(decoder_for(vector), [vector.data[:end]])) == []
        with pytest.raises(RemoteProtocolError) as caught:
            Frame.from_bytes(vector.data[:end])
        assert caught.value.code == "truncated"


@pytest.mark.parametrize("vector", EFAA_SUM, ids=repr)
def test_every_single_changed_bit_is_noticed(vector: Vector) -> None:
    for bit in range(8 * len(vector.data)):
        changed = bytearray(vector.data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            Frame.from_bytes(bytes(changed))


@pytest.mark.parametrize("vector", EFAA_SUM, ids=repr)
def test_the_family_with_the_same_first_bytes_does_not_take_a_vector(vector: Vector) -> None:
    with pytest.raises(RemoteProtocolError):
        XorFrame.from_bytes(vector.data)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "truncated"), ("EFAA12000000", "truncated"), ("EFAB120000000012", "sync"),
        ("EFAA120000000013", "checksum"), ("EFAA12000000001200", "trailing"),
        ("EFAA12FFFFFFFF12", "length"), ("EFAA000000000100", "length"), ("EFAA010000000201", "msg_id"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused_with_its_code(frame: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Frame.from_bytes(bytes.fromhex(frame))
    assert caught.value.code == code


def test_a_good_frame_inside_a_cut_one_is_found() -> None:
    good = Reply(Command.DELETE_ALL, 0).to_frame()
    cut = Reply(Command.VERSION, 0, Version("x", 30)).to_frame().to_bytes()[:20]
    assert list(ModuleDecoder().feed(cut + good.to_bytes() * 6)) == [
        Discarded("checksum", 20, cut), *[good] * 6,
    ]  # fmt: skip


def test_memory_is_bounded_by_the_longest_frame() -> None:
    rng = random.Random(510)
    claim = SYNC + b"\0" + MAX_DATA.to_bytes(4, "big")
    for stream in (
        b"\0" * 50_000,
        SYNC * 20_000,
        claim * 9_000,
        SYNC + b"\0\xff" * 9_000,
        rng.randbytes(50_000),
    ):
        for decoder in (ModuleDecoder(), HostDecoder()):
            for start in range(0, len(stream), 1000):
                list(decoder.feed(stream[start : start + 1000]))
                assert len(decoder._buffer) <= HEADER_SIZE + MAX_DATA + 1


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*(vector.data for vector in EFAA_SUM), SYNC, SYNC[:1], SYNC + b"\0\0\0\0\x10"])
        | st.binary(max_size=12),
        max_size=10,
    ).map(b"".join),
    st.lists(st.integers(0, 400), max_size=10),
)
def test_chunking_never_changes_the_frames_and_no_byte_is_lost(stream: bytes, cuts: list[int]) -> None:
    for kind in (HostDecoder, ModuleDecoder):
        whole, chunked = decode_all(kind(), [stream]), decode_all(kind(), split(stream, cuts))
        assert frames_in(whole) == frames_in(chunked)
        assert bytes_of(whole) == bytes_of(chunked) == stream


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
def test_every_command_survives_the_wire(command: AnyCommand) -> None:
    [frame] = HostDecoder().feed(command.to_frame().to_bytes())
    assert isinstance(frame, Frame)
    assert parse_command(frame) == command


@pytest.mark.parametrize(("mid", "info"), REPLIES, ids=repr)
def test_every_reply_survives_the_wire(mid: int, info: Info) -> None:
    [frame] = ModuleDecoder().feed(Reply(mid, 0, info).to_frame().to_bytes())
    assert isinstance(frame, Frame)
    assert Reply.from_frame(frame) == Reply(mid, 0, info)


def test_the_payload_of_a_failure_is_not_what_counts() -> None:
    assert Reply.from_frame(Frame(0, b"\x12\x08\0")) == Reply(Command.IDENTIFY, 8, Opaque(b"\0"))
    with pytest.raises(RemoteProtocolError, match="identify: 1 bytes") as caught:
        Reply.from_frame(Frame(0, b"\x12\0\0"))
    assert caught.value.code == "reply_length"


@given(st.integers(0, 255), st.binary(max_size=50))
def test_any_frame_parses_or_is_refused(msg_id: int, data: bytes) -> None:
    frame = Frame(msg_id, data)
    try:
        message = Reply.from_frame(frame) if msg_id == 0 else parse_command(frame)
    except RemoteProtocolError:
        return
    if not isinstance(message, Reply) or not isinstance(message.info, Version):  # its padding may be anything
        assert message.to_frame() == frame


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([v.data for v in EFAA_SUM]), max_size=4).map(b"".join),
    st.sampled_from(["host>module", "module>host", None]),
)
def test_any_bytes_are_explained_to_the_last(data: bytes, direction: str | None) -> None:
    assert covered(FAMILY.explain(data, direction), len(data))


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
def test_every_command_is_explained_to_the_last_byte(command: AnyCommand) -> None:
    raw = command.to_frame().to_bytes()
    fields = FAMILY.explain(raw, None)
    assert covered(fields, len(raw))
    assert not any(field.wrong for field in fields)
    assert FAMILY.decode(raw, None)["name"] == name_of(command.to_frame().msg_id)


@pytest.mark.parametrize(("mid", "info"), REPLIES, ids=repr)
def test_every_reply_is_explained_to_the_last_byte(mid: int, info: Info) -> None:
    raw = Reply(mid, 0, info).to_frame().to_bytes()
    fields = FAMILY.explain(raw, None)
    assert covered(fields, len(raw))
    assert not any(field.wrong for field in fields)
    assert FAMILY.decode(raw, None)["mid_name"] == name_of(mid)


def test_a_list_names_its_users() -> None:
    decoded = FAMILY.decode(Reply(Command.LIST_USERS, 0, Users((0, 5))).to_frame().to_bytes(), None)
    assert (decoded["count"], decoded["user_ids"]) == (2, [0, 5])


@pytest.mark.parametrize(
    "frame", [Frame(Command.WRITE_TEMPLATE, b"SECRETS!"), Reply(0xC6, 0, Opaque(b"SECRETS!")).to_frame()]
)
def test_a_template_is_measured_and_never_shown(frame: Frame) -> None:
    raw = frame.to_bytes()
    decoded = FAMILY.decode(raw, None)
    assert "data" not in decoded
    assert decoded["template_bytes"] == len(frame.data)
    hidden = [field for field in FAMILY.explain(raw, None) if field.opaque]
    assert [field.length for field in hidden] == [8]
    assert "SECRETS" not in repr(frame) + repr(parse_command(Frame(0xC5, b"SECRETS!")))


@pytest.mark.parametrize(
    "message",
    [
        DeleteUser(0x10000), DeleteUser(-1), SetBaudRate(256), Switch(Command.DISPLAY, 256),
        Switch(Command.IDENTIFY, 1), Bare(Command.DISPLAY), OtherCommand(1), Reply(256, 0), Reply(0x12, -1),
        Reply(0x12, 0, User(0x10000)), Reply(0xC4, 0, Users((-1,))), Reply(0x30, 0, Version("long", 2)),
    ],
)  # fmt: skip
def test_what_the_wire_cannot_carry_is_our_fault(message: AnyCommand | Reply) -> None:
    with pytest.raises(LocalProtocolError):
        message.to_frame()


@pytest.mark.parametrize("frame", [Frame(256), Frame(-1), Frame(0x12, bytes(MAX_DATA + 1))])
def test_a_frame_that_the_wire_cannot_carry_is_our_fault(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.to_bytes()


def test_tables_are_those_of_the_documentation() -> None:
    documented = {int(row["MsgID"], 16): row["Name"] for row in readme_table("Messages of efaa-sum32")}
    assert documented == {command: name_of(command) for command in LABELS_ZH}
    results = {int(row["Result"]): row["Name"] for row in readme_table("Results of efaa-sum32")}
    assert results == {code: result.name for code, result in RESULTS.items()}
    assert result_of(200).name == "unknown"
