"""The text block of a card, in four layouts."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.idcard_sam.messages import parse_record
from firmware_protocols.idcard_sam.text_block import (
    FLAG_AT,
    LAYOUTS,
    TEXT_SIZE,
    CardLayout,
    Foreigner2017Text,
    Foreigner2023Text,
    HmtText,
    ResidentText,
    TextBlock,
    decode_text,
    encode_text,
)
from tests.firmware_protocols.idcard_strategies import texts
from tests.firmware_protocols.vectors import FRAMES, Vector, readme_table

RECORDS = [vector for vector in FRAMES if "card_type" in vector.decoded]
SPACES = " ".encode("utf-16-le") * (TEXT_SIZE // 2)


def block_of(vector: Vector) -> bytes:
    """The text of a record vector, cut out by the documented offsets."""
    head = 6 if "fingerprint_len" in vector.decoded else 4
    return vector.data[10 + head : 10 + head + TEXT_SIZE]


@pytest.mark.parametrize("kind", LAYOUTS.values(), ids=lambda kind: kind.__name__)
def test_slots_and_type_flag_cover_every_byte_once(kind: type[TextBlock]) -> None:
    spans = sorted([(FLAG_AT, 2), *(span for slot in kind.slots for span in slot.spans)])
    assert [start for start, _ in spans] == [0, *(start + length for start, length in spans[:-1])]
    assert sum(length for _, length in spans) == TEXT_SIZE


def test_layouts_are_those_of_the_documentation() -> None:
    flags = {"resident": " ", "J": "J", "I": "I", "Y": "Y"}
    documented = {
        (flags[row["Layout"]], row["Field"], int(row["Offset"]), int(row["Length"]))
        for row in readme_table("Text block")
    }
    assert documented == {
        (str(layout), slot.name, start, length)
        for layout, kind in LAYOUTS.items()
        for slot in kind.slots
        for start, length in slot.spans
    }


@pytest.mark.parametrize("vector", RECORDS, ids=repr)
def test_a_vector_has_the_text_that_it_says(vector: Vector) -> None:
    text = decode_text(block_of(vector))
    fields_of_vector = vector.decoded["fields"]
    assert isinstance(fields_of_vector, dict)
    expected = {
        name: value for name, value in fields_of_vector.items() if name != "new_address"
    }  # not in the block
    assert {name: getattr(text, name) for name in expected} == expected
    assert (text.layout == vector.decoded["card_type"], text.repaired) == (
        True,
        vector.decoded.get("repaired", False),
    )


@pytest.mark.parametrize("vector", RECORDS, ids=repr)
def test_a_vector_encodes_to_the_block_it_came_from(vector: Vector) -> None:
    block = block_of(vector)
    text = decode_text(block)
    padded = block.replace(b"\0\0", b" \0")  # some readers pad with NUL, we never do
    if text.repaired:
        assert encode_text(text) != block
    else:
        assert encode_text(text) == padded


def test_every_layout_has_a_vector() -> None:
    assert {decode_text(block_of(vector)).layout for vector in RECORDS} == set(CardLayout)


@given(texts)
def test_every_text_survives_its_block(text: TextBlock) -> None:
    block = encode_text(text)
    assert len(block) == TEXT_SIZE
    assert decode_text(block) == text
    assert encode_text(decode_text(block)) == block


@given(st.binary(min_size=TEXT_SIZE, max_size=TEXT_SIZE), st.sampled_from(" JIY"))
def test_any_bytes_under_a_known_flag_become_well_formed_text(block: bytes, flag: str) -> None:
    text = decode_text(block[:FLAG_AT] + flag.encode("utf-16-le") + block[FLAG_AT + 2 :])
    for slot in text.slots:
        getattr(text, slot.name).encode("utf-8")


def test_a_full_address_has_no_end_mark_and_inner_spaces_stay() -> None:
    address = "山东省 测试市 " + "路" * 27
    text = decode_text(encode_text(ResidentText(address=address, id_number="370102188001010016")))
    assert isinstance(text, ResidentText)
    assert (text.address, text.id_number) == (address, "370102188001010016")


def test_the_english_name_of_2023_is_one_text_over_two_spans() -> None:
    name = "ABCDEFGHIJKLMNOPQRSTUVWXYZ, ALPHA B" + " CDEFGHIJKL"
    block = encode_text(Foreigner2023Text(name_en=name))
    assert block[52:122].decode("utf-16-le") == name[:35]
    assert block[220:242].decode("utf-16-le") == name[35:]
    assert decode_text(block) == Foreigner2023Text(name_en=name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ResidentText(name="测试"), "测试"),
        (HmtText(name="测试"), "测试"),
        (Foreigner2017Text(name_cn="测试", name_en="SAMPLE"), "测试"),
        (Foreigner2017Text(name_en="SAMPLE"), "SAMPLE"),
        (Foreigner2023Text(name_cn="测试", name_en="SAMPLE"), "测试"),
        (Foreigner2023Text(name_en="SAMPLE"), "SAMPLE"),
    ],
)
def test_the_name_to_show_is_the_chinese_one_where_there_is_one(text: TextBlock, name: str) -> None:
    assert text.display_name == name


@pytest.mark.parametrize("size", [0, 2, TEXT_SIZE - 2, TEXT_SIZE + 2, 1024])
def test_a_block_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError, match="256 expected") as caught:
        decode_text(bytes(size))
    assert caught.value.code == "text_length"


@pytest.mark.parametrize("flag", [0, 0x4A20, ord("j"), ord("Q"), 0xD800, 0xFFFF])
def test_an_unknown_type_flag_is_refused_and_named(flag: int) -> None:
    block = SPACES[:FLAG_AT] + flag.to_bytes(2, "little") + SPACES[FLAG_AT + 2 :]
    with pytest.raises(RemoteProtocolError, match=f"U\\+{flag:04X}") as caught:
        decode_text(block)
    assert caught.value.code == "card_type"


def test_a_text_that_does_not_fit_its_slot_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError, match="issuer: 16 UTF-16 units, room for 15"):
        encode_text(ResidentText(issuer="局" * 16))


@pytest.mark.parametrize("kind", LAYOUTS.values(), ids=lambda kind: kind.__name__)
def test_no_field_of_a_card_is_in_repr(kind: type[TextBlock]) -> None:
    assert [item.name for item in fields(kind) if item.repr] == ["repaired"]
    assert repr(kind()) == f"{kind.__name__}(repaired=False)"
    record = parse_record(RECORDS[0].data[10:-1])
    assert repr(record) == "CardRecord()"
