"""Families by name: what `zhijiao decode` is built on."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import firmware_protocols.ble.describe_adv
import firmware_protocols.ble.describe_gatt
import firmware_protocols.colmi.describe
import firmware_protocols.efaa_sum32.describe
import firmware_protocols.efaa_xor16.describe
import firmware_protocols.efaa_xor16.describe_encrypted
import firmware_protocols.gb11643.describe
import firmware_protocols.gt06.describe
import firmware_protocols.h02.describe
import firmware_protocols.idcard_sam.describe
import firmware_protocols.jt808.describe
import firmware_protocols.laipac.describe
import firmware_protocols.minifinder2.describe
import firmware_protocols.osdp.describe
import firmware_protocols.osdp.describe_channel
import firmware_protocols.osdp.describe_session
import firmware_protocols.pt60.describe
import firmware_protocols.r16h.describe
import firmware_protocols.topin.describe
import firmware_protocols.trv.describe
import firmware_protocols.watch.describe
import firmware_protocols.wiegand.describe
import firmware_protocols.wristband_yx.describe
import firmware_protocols.xexun2.describe
import firmware_protocols.zfm.describe
import firmware_protocols.zk_adms.describe
from firmware_protocols.describing import Describer, Field
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import FAMILIES, describer
from firmware_protocols.gb11643.number import IdNumber
from firmware_protocols.idcard_sam.exchanges import CardRefusedByReader
from firmware_protocols.idcard_sam.frames import Reply, ReplyDecoder, Request
from firmware_protocols.idcard_sam.messages import CardFound, CardRecord, ChipNumber, NewAddress, to_reply
from firmware_protocols.idcard_sam.status import Status
from firmware_protocols.idcard_sam.text_block import LAYOUTS, ResidentText, Slot
from tests.firmware_protocols.idcard_strategies import records
from tests.firmware_protocols.vectors import EFAA, EFAA_SUM, GB11643, IDCARD, ZFM, Vector

DESCRIBERS: dict[str, Describer] = {
    "ble-adv": firmware_protocols.ble.describe_adv,
    "ble-gatt": firmware_protocols.ble.describe_gatt.UNTOLD,
    "colmi": firmware_protocols.colmi.describe,
    "efaa-sum32": firmware_protocols.efaa_sum32.describe,
    "efaa-xor16": firmware_protocols.efaa_xor16.describe,
    "efaa-xor16-aes": firmware_protocols.efaa_xor16.describe_encrypted,
    "gb11643": firmware_protocols.gb11643.describe,
    "h02": firmware_protocols.h02.describe,
    "idcard-sam": firmware_protocols.idcard_sam.describe,
    "gt06": firmware_protocols.gt06.describe,
    "jt808": firmware_protocols.jt808.describe,
    "minifinder2": firmware_protocols.minifinder2.describe,
    "laipac": firmware_protocols.laipac.describe,
    "osdp": firmware_protocols.osdp.describe,
    "osdp-sc": firmware_protocols.osdp.describe_channel,
    "osdp-session": firmware_protocols.osdp.describe_session,
    "pt60": firmware_protocols.pt60.describe,
    "r16h": firmware_protocols.r16h.describe,
    "topin": firmware_protocols.topin.describe,
    "trv": firmware_protocols.trv.describe,
    "watch": firmware_protocols.watch.describe,
    "wiegand": firmware_protocols.wiegand.describe,
    "xexun2": firmware_protocols.xexun2.describe,
    "wristband-yx": firmware_protocols.wristband_yx.describe,
    "zfm": firmware_protocols.zfm.describe.BOTH,
    "zfm-grow": firmware_protocols.zfm.describe.GROW,
    "zfm-synochip": firmware_protocols.zfm.describe.SYNOCHIP,
    "zk-adms": firmware_protocols.zk_adms.describe,
}
ALL = [*IDCARD, *GB11643, *EFAA, *EFAA_SUM, *ZFM]
GOOD = [vector for vector in ALL if vector.valid]
BAD = [vector for vector in ALL if not vector.valid]


def decode(vector: Vector, *, direction: bool = True) -> dict[str, object]:
    return describer(vector.family).decode(vector.data, vector.direction if direction else None)


def covered(fields: list[Field], size: int) -> bool:
    """Whether the fields stand one behind the other and leave no byte out."""
    ends = [0]
    for field in fields:
        if field.offset != ends[-1]:
            return False
        ends.append(field.offset + field.length)
    return ends[-1] == size


def test_every_family_is_found_by_its_name() -> None:
    assert {name: describer(name) for name in FAMILIES} == DESCRIBERS


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(LocalProtocolError, match="did you mean idcard-sam") as caught:
        describer("idcard_sam")
    assert caught.value.code == "family"
    with pytest.raises(LocalProtocolError, match=rf"known are {', '.join(sorted(FAMILIES))}$"):
        describer("zzz")


@pytest.mark.parametrize("direction", [True, False], ids=["told", "recognised"])
@pytest.mark.parametrize("vector", GOOD, ids=repr)
def test_a_vector_decodes_to_what_it_says(vector: Vector, *, direction: bool) -> None:
    decoded = decode(vector, direction=direction)
    expected = vector.expected()
    assert {key: decoded.get(key, "missing") for key in expected} == expected


@pytest.mark.parametrize("direction", [True, False], ids=["told", "recognised"])
@pytest.mark.parametrize("vector", BAD, ids=repr)
def test_an_invalid_vector_is_refused_with_its_code(vector: Vector, *, direction: bool) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(vector, direction=direction)
    assert caught.value.code == vector.decoded["error"]


@pytest.mark.parametrize("vector", ALL, ids=repr)
def test_an_explanation_covers_every_byte_and_agrees_with_decode(vector: Vector) -> None:
    fields = describer(vector.family).explain(vector.data, vector.direction)
    assert covered(fields, len(vector.data))
    assert any(field.wrong for field in fields) != vector.valid or not vector.data or vector.id in TWO_FRAMES


TWO_FRAMES = {"own-idcard-sam-bad-two"}  # wrong as one frame, fine as a dump


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([v.data for v in IDCARD]), max_size=4).map(b"".join),
    st.sampled_from(["host>reader", "reader>host", None]),
)
def test_any_bytes_are_explained_to_the_last(data: bytes, direction: str | None) -> None:
    assert covered(describer("idcard-sam").explain(data, direction), len(data))


@given(st.binary(max_size=40) | st.sampled_from([v.data for v in GB11643]))
def test_any_bytes_are_a_number_or_none(data: bytes) -> None:
    assert covered(describer("gb11643").explain(data, None), len(data))


def test_mutants_are_decoded_or_refused_and_nothing_else() -> None:
    rng = random.Random(30_01)
    refused = 0
    for number in range(2500):
        vector = ALL[number % len(ALL)]
        mutant = bytearray(vector.data or b"\0")
        for _ in range(rng.randint(1, 3)):
            mutant[rng.randrange(len(mutant))] ^= 1 << rng.randrange(8)
        try:
            describer(vector.family).decode(bytes(mutant), rng.choice([vector.direction, None]))
        except RemoteProtocolError:
            refused += 1
    assert 2000 < refused < 2500


def test_a_direction_that_does_not_exist_is_said() -> None:
    for work in (describer("idcard-sam").decode, describer("idcard-sam").explain):
        with pytest.raises(LocalProtocolError, match="host>reader and reader>host") as caught:
            work(IDCARD[0].data, "sideways")
        assert caught.value.code == "direction"


@settings(deadline=None, max_examples=40)
@given(records)
def test_notes_and_advice_hold_nothing_of_a_person(record: CardRecord) -> None:
    secret = {slot.name: f"@{number}" for number, slot in enumerate(record.text.slots) if slot.size >= 6}
    told = type(record.text)(**secret)  # type: ignore[arg-type]  # every slot is text
    frame = to_reply(CardRecord(told, record.photo, record.fingerprint)).to_bytes()
    for field in describer("idcard-sam").explain(frame, None):
        assert "@" not in field.note + field.advice + field.name
        assert "@" not in field.value or field.personal


def test_every_layout_slot_and_biometric_counts_as_personal() -> None:
    for vector in IDCARD:
        if "card_type" not in vector.decoded or not vector.valid:
            continue
        fields = describer("idcard-sam").explain(vector.data, vector.direction)
        kind = LAYOUTS[next(layout for layout in LAYOUTS if layout == vector.decoded["card_type"])]
        personal = {field.name for field in fields if field.personal}
        assert personal == {slot.name for slot in kind.slots} | {"photo"} | ({"fingerprint"} & personal)
        assert {field.name for field in fields if field.opaque} == {"photo", "fingerprint"} & personal


def test_an_address_is_personal_and_shown_one_by_one() -> None:
    frame = to_reply(NewAddress(("测试路1号", "测试路2号"))).to_bytes()
    fields = [field for field in describer("idcard-sam").explain(frame, None) if field.name == "address"]
    assert [(field.value, field.personal) for field in fields] == [("测试路1号", True), ("测试路2号", True)]
    assert [field.note.split(",")[0] for field in fields] == [
        "additional address 1 of 2",
        "additional address 2 of 2",
    ]


def explained(frame: str, name: str) -> Field:
    return next(
        field for field in describer("idcard-sam").explain(bytes.fromhex(frame), None) if field.name == name
    )


@pytest.mark.parametrize(
    ("frame", "name", "value"),
    [
        ("aaaaaa9669000461ff58c2", "data", "88 bytes"),
        ("aaaaaa966900052007010221", "data", "01 02"),
        ("aaaaaa966900052007010221", "command", "unknown command"),
        ("aaaaaa96690003600360", "speed", "19200 baud"),
        ("aaaaaa9669000300817c", "command", "find card"),
        ("aaaaaa9669000300817c", "check", "fits the CVR-100AU dialect"),
        ("aaaaaa9669000400815526", "data", ""),
    ],
)
def test_a_request_is_told_in_words(frame: str, name: str, value: str) -> None:
    [field] = [
        f for f in describer("idcard-sam").explain(bytes.fromhex(frame), "host>reader") if f.name == name
    ]
    assert field.value == value
    assert not field.wrong


def test_the_dialect_says_what_the_standard_check_byte_would_be() -> None:
    assert "would have 82" in explained("aaaaaa9669000300817c", "check").note


def test_the_dialect_is_taken_apart() -> None:
    decoded = describer("idcard-sam").decode(bytes.fromhex("aaaaaa9669000400815526"), "host>reader")
    assert (decoded["cmd"], decoded["para"], decoded["data"], decoded["dialect"]) == (
        "00",
        "81",
        "55",
        "CVR-100AU",
    )


def test_a_fingerprint_of_a_wrong_size_is_not_shown_either() -> None:
    vector = next(v for v in IDCARD if v.id == "own-idcard-sam-bad-fp-size")
    [field] = [f for f in describer("idcard-sam").explain(vector.data, None) if f.name == "fingerprint"]
    assert (field.opaque, field.personal, field.wrong) == (True, True, True)


def test_values_of_the_codecs_cannot_be_changed() -> None:
    for kind in (
        Field,
        Reply,
        Request,
        CardRecord,
        ResidentText,
        IdNumber,
        Status,
        Slot,
        CardRefusedByReader,
    ):
        assert vars(kind)["__dataclass_params__"].frozen, kind
        assert "__slots__" in vars(kind), kind


def test_a_frame_that_holds_a_frame_is_one_frame() -> None:
    inner = to_reply(CardFound()).to_bytes()
    frame = to_reply(ChipNumber(inner + bytes(28 - len(inner)))).to_bytes()
    assert [field.name for field in describer("idcard-sam").explain(frame, None)].count("preamble") == 1
    [found] = ReplyDecoder().feed(frame)
    assert isinstance(found, Reply)
    assert found.to_bytes() == frame


def test_a_status_says_what_to_do() -> None:
    fields = describer("idcard-sam").explain(bytes.fromhex("aaaaaa9669000400006064"), None)
    [status] = [field for field in fields if field.name == "SW3 status"]
    assert "self-test" in status.value
    assert status.advice.startswith("fault: ")


def test_decoded_keys_never_carry_photo_or_fingerprint() -> None:
    vector = next(v for v in IDCARD if v.id == "own-idcard-sam-02")
    text = repr(decode(vector))
    assert "574c66007e" not in text
    assert vector.data[-40:-1].hex() not in text
