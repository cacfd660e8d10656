"""Slots of UTF-16LE text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.utf16_text import decode_slot, encode_slot

slot_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=15).filter(
    lambda text: len(text.encode("utf-16-le")) <= 30 and text == text.rstrip(" \0")
)


@given(slot_texts)
def test_text_survives_its_slot(text: str) -> None:
    raw = encode_slot(text, 30, "name")
    assert len(raw) == 30
    found = decode_slot(raw)
    assert (found.text, found.repaired) == (text, False)


@given(st.binary(max_size=40).filter(lambda raw: len(raw) % 2 == 0))
def test_any_bytes_become_well_formed_text(raw: bytes) -> None:
    decode_slot(raw).text.encode("utf-8")


@pytest.mark.parametrize(
    ("raw", "text", "repaired"),
    [
        ("4B6D D58B 2000 0000", "测试", False),
        ("2000 4B6D 2000 D58B", " 测 试", False),  # only what trails is padding
        ("42D8 B7DF", "\U00020bb7", False),  # a pair is one character
        ("42D8 4B6D", "\ufffd测", True),  # half a character, in front
        ("4B6D B7DF", "测\ufffd", True),
        ("42D8", "\ufffd", True),  # cut off at the end of the slot
        ("B7DF 42D8", "\ufffd\ufffd", True),  # the halves in the wrong order
        ("FDFF", "\ufffd", False),  # the card itself says so
    ],
)
def test_lone_surrogates_are_replaced_and_reported(raw: str, text: str, *, repaired: bool) -> None:
    found = decode_slot(bytes.fromhex(raw))
    assert (found.text, found.repaired) == (text, repaired)


def test_text_that_does_not_fit_is_our_fault_and_not_repeated_in_the_error() -> None:
    with pytest.raises(LocalProtocolError, match=r"name: 16 UTF-16 units, room for 15") as caught:
        encode_slot("测" * 16, 30, "name")
    assert "测" not in str(caught.value)
    with pytest.raises(LocalProtocolError, match="lone surrogate"):
        encode_slot("\ud800", 30, "name")
    with pytest.raises(LocalProtocolError, match="3 bytes"):
        decode_slot(b"abc")


def test_text_stays_out_of_repr() -> None:
    assert "测" not in repr(decode_slot("测".encode("utf-16-le")))
