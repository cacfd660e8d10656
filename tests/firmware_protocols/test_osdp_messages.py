"""What OSDP frames say: every code of the tables both ways, told by key, explained to the last byte."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.describing import Field
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.osdp import biometrics as bio
from firmware_protocols.osdp import commands as c
from firmware_protocols.osdp import files
from firmware_protocols.osdp import replies as r
from firmware_protocols.osdp.catalogue import COMMANDS, REPLIES, Other, parse_command, parse_reply
from firmware_protocols.osdp.codes import NAKS, Command, Reply, name_of
from firmware_protocols.osdp.frames import EVERYBODY, Frame
from firmware_protocols.osdp.layout import Message
from firmware_protocols.osdp.security_block import SecurityBlock
from tests.firmware_protocols.vectors import OSDP, Vector, readme_table

FAMILY = describer("osdp")
NEED_KEYS = {"plaintext", "test_state"}  # what only who has the keys can tell
SAID: list[Message] = [
    *(c.Bare(code) for code in sorted(c.BARE)),
    c.Identify(),
    c.AskCapabilities(),
    c.SetOutputs((c.Output(0, 3, 100), c.Output(1, 6, 0xFFFF))),
    c.Light(0, 1, 2, 3, 4, c.Colour.GREEN, c.Colour.OFF, 300, 1, 5, 6, c.Colour.BLUE, c.Colour.RED),
    c.Buzz(0, 2, 2, 2, 1),
    c.ShowText(0, 1, 5, 1, 1, b"welcome"),
    c.SetCommunication(1, 9600),
    bio.ReadBiometrics(0, 7, 2, 4),
    bio.MatchBiometrics(0, 7, 2, 4, b"template"),
    c.SetKey(bytes(range(16))),
    c.Challenge(bytes(8)),
    c.ServerCryptogram(bytes(16)),
    files.ReceiveSize(1440),
    files.FilePiece(1, 1000, 500, b"piece"),
    c.ToMaker(b"\1\2\3", b"anything"),
    c.KeepActive(5000),
]
ANSWERED: list[Message] = [
    r.ACK,
    r.BUSY,
    *(r.Nak(number) for number in NAKS),
    r.Nak(3, b"\x6b"),
    r.Identity(b"\x33\x22\x11", 2, 1, 0x01020304, b"\1\2\3"),
    r.Capabilities((r.Capability(9, 1, 0), r.Capability(4, 4, 2))),
    r.LocalStatus(1, 0),
    *(r.States(code, (0, 1, 1)) for code in sorted(r.STATES)),
    r.CardBits.of_bits(0, "1" * 13 + "0" * 13),
    r.CardText(0, 1, b"12345"),
    r.Keys(0, b"159\r"),
    r.Communication(1, 115200),
    bio.BiometricsRead(0, 0, 7, 3, b"template"),
    bio.BiometricsMatched(0, 0, 200),
    r.ClientCryptogram(bytes(8), bytes(range(8)), bytes(16)),
    r.FirstMac(bytes(16)),
    files.FileStatus(1, 20, 0, 1024),
    r.FromMaker(b"\1\2\3", b"anything"),
]
EITHER = [*((one, False) for one in SAID), *((one, True) for one in ANSWERED)]


def framed(message: Message, *, reply: bool) -> Frame:
    return Frame(5, 1, message.code, message.to_data(), reply=reply, mark=True)


def parser(*, reply: bool) -> Callable[[int, bytes], Message]:
    return parse_reply if reply else parse_command


def covered(fields: list[Field], size: int) -> bool:
    ends = [0]
    for field in fields:
        if field.offset != ends[-1]:
            return False
        ends.append(field.offset + field.length)
    return ends[-1] == size


@pytest.mark.parametrize("vector", OSDP, ids=repr)
def test_a_vector_decodes_to_what_it_says(vector: Vector) -> None:
    decoded = FAMILY.decode(vector.data, vector.direction)
    expected = {key: value for key, value in vector.expected().items() if key not in NEED_KEYS}
    assert {key: decoded.get(key, "missing") for key in expected} == expected
    if vector.direction.startswith(("cp", "pd")):
        assert (decoded["name"], FAMILY.decode(vector.data, None)) == (vector.decoded["name"], decoded)


def test_the_name_and_meaning_of_a_refusal_are_those_of_the_vector() -> None:
    [vector] = [one for one in OSDP if "meaning" in one.decoded]
    assert FAMILY.decode(vector.data, None)["meaning"] == vector.decoded["meaning"]


@pytest.mark.parametrize("vector", OSDP, ids=repr)
def test_a_vector_is_explained_to_its_last_byte(vector: Vector) -> None:
    fields = FAMILY.explain(vector.data, vector.direction)
    assert covered(fields, len(vector.data))
    assert not any(field.wrong for field in fields)


def test_every_code_of_the_tables_is_tried_here() -> None:
    assert {one.code for one in SAID} == set(Command)
    assert {one.code for one in ANSWERED} == set(Reply)
    assert set(COMMANDS) | c.BARE == set(Command)
    assert set(REPLIES) | r.BARE_REPLIES | r.STATES == set(Reply)


@pytest.mark.parametrize(("message", "reply"), EITHER, ids=repr)
def test_every_message_survives_the_wire(message: Message, reply: bool) -> None:  # noqa: FBT001
    frame = Frame.from_bytes(framed(message, reply=reply).to_bytes())
    assert parser(reply=reply)(frame.code, frame.data) == message


@pytest.mark.parametrize(("message", "reply"), EITHER, ids=repr)
def test_every_message_is_told_and_explained(message: Message, reply: bool) -> None:  # noqa: FBT001
    raw = framed(message, reply=reply).to_bytes()
    for direction in (None, "pd>cp" if reply else "cp>pd"):
        fields = FAMILY.explain(raw, direction)
        assert covered(fields, len(raw))
        assert not any(field.wrong for field in fields)
        assert FAMILY.decode(raw, direction)["name"] == name_of(message.code, reply=reply)


@pytest.mark.parametrize(("message", "reply"), EITHER, ids=repr)
def test_no_other_size_is_taken_for_the_message(message: Message, reply: bool) -> None:  # noqa: FBT001
    data = message.to_data()
    for wrong in (data[:-1], data + b"\0"):
        assert _code_or_data(message.code, wrong, reply=reply) in {"data_length", wrong}


def _code_or_data(code: int, data: bytes, *, reply: bool) -> str | bytes:
    try:
        return parser(reply=reply)(code, data).to_data()
    except RemoteProtocolError as exc:
        return exc.code


@given(st.integers(0, 255), st.binary(max_size=50), st.booleans())
def test_any_data_parse_or_are_refused(code: int, data: bytes, reply: bool) -> None:  # noqa: FBT001
    try:
        message = parser(reply=reply)(code, data)
    except RemoteProtocolError:
        return
    assert message.to_data() == data


def test_a_code_that_nobody_knows_is_carried() -> None:
    assert parse_command(0x6F, b"\1") == Other(0x6F, b"\1")
    assert FAMILY.decode(Frame(0, 0, 0x6F, b"\1").to_bytes(), None)["name"] == "UNKNOWN"


@pytest.mark.parametrize(
    "message",
    [
        c.Buzz(256, 0, 0, 0, 0),
        c.Challenge(bytes(7)),
        c.SetKey(bytes(15)),
        c.SetCommunication(0, -1),
        c.ShowText(0, 0, 0, 0, 0, bytes(256)),
        r.CardBits(0, 0, 26, bytes(3)),
        r.Identity(b"12", 0, 0, 0, b"123"),
    ],
    ids=repr,
)
def test_what_has_no_place_is_our_mistake(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        message.to_data()


@given(st.text("01", max_size=80))
def test_the_bits_of_a_card_are_the_bits_of_the_card(bits: str) -> None:
    assert r.CardBits.from_data(r.CardBits.of_bits(0, bits).to_data()).bits == bits


def test_the_address_of_everybody_is_said() -> None:
    assert FAMILY.decode(Frame(EVERYBODY, 0, 0x6E, b"\0\x80\x25\0\0").to_bytes(), None)["address_byte"] == (
        "7F (broadcast/config)"
    )


def test_a_frame_that_goes_the_other_way_is_said() -> None:
    raw = framed(r.ACK, reply=True).to_bytes()
    with pytest.raises(RemoteProtocolError) as caught:
        FAMILY.decode(raw, "cp>pd")
    assert caught.value.code == "direction"
    assert any(field.wrong for field in FAMILY.explain(raw, "cp>pd"))
    for work in (FAMILY.decode, FAMILY.explain):
        with pytest.raises(LocalProtocolError) as local:
            work(raw, "sideways")
        assert local.value.code == "direction"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("00070204", "BIOREAD (73)"), ("000702040200AABB", "BIOMATCH (74)"), ("000007040200AABB", "BIOREADR (57)"),
        ("0000C8", "BIOMATCHR (58)"),
    ],
)  # fmt: skip
def test_biometric_data_are_told_by_their_size_and_never_shown(data: str, name: str) -> None:
    decoded = FAMILY.decode(bytes.fromhex(data), "data")
    assert name in (decoded.get("command"), decoded.get("reply"))
    assert "aabb" not in repr(decoded).lower()


@pytest.mark.parametrize(
    "message", [bio.MatchBiometrics(0, 7, 2, 4, b"\xaa\xbb" * 4), c.SetKey(b"\xaa\xbb" * 8)], ids=repr
)
def test_templates_and_keys_are_shown_nowhere(message: Message) -> None:
    raw = framed(message, reply=False).to_bytes()
    assert "aabb" not in repr(FAMILY.decode(raw, None))
    fields = FAMILY.explain(raw, None)
    assert [field.name for field in fields if field.opaque] == ["data"]
    assert "aabb" not in repr(fields)
    assert "\\xaa" not in repr(message)


@pytest.mark.parametrize(
    "message", [r.Keys(0, b"1870"), r.CardText(0, 0, b"1870"), r.CardBits(0, 0, 32, b"1870")]
)
def test_what_belongs_to_a_person_is_personal_and_in_no_repr(message: Message) -> None:
    fields = FAMILY.explain(framed(message, reply=True).to_bytes(), None)
    assert [field.name for field in fields if field.personal] == ["data"]
    assert "1870" not in repr(message)


def test_what_is_sealed_stays_closed() -> None:
    raw = Frame(0, 1, 0x69, bytes(16), security=SecurityBlock(0x17), mac=bytes(4)).to_bytes()
    assert FAMILY.decode(raw, None)["scb"] == "0217"
    assert "led" not in FAMILY.decode(raw, None)
    assert any(field.opaque for field in FAMILY.explain(raw, None))


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([v.data for v in OSDP]), max_size=4).map(b"".join),
    st.sampled_from(["cp>pd", "pd>cp", "value", "data", "session", None]),
)
def test_any_bytes_are_explained_to_the_last_and_decoded_or_refused(
    data: bytes, direction: str | None
) -> None:
    assert covered(FAMILY.explain(data, direction), len(data))
    try:
        FAMILY.decode(data, direction)
    except RemoteProtocolError:
        return


def test_the_documentation_lists_the_same_codes() -> None:
    for number, codes in ((0, Command), (1, Reply)):
        rows = readme_table("Commands and replies of osdp", number)
        assert {(row["Code"], row["Name"]) for row in rows} == {(f"{one:02X}", one.name) for one in codes}


def test_the_documentation_lists_the_same_refusals() -> None:
    rows = readme_table("Refusals of osdp")
    assert {int(row["NAK"]): row["Meaning"] for row in rows} == dict(NAKS)
