"""Identification numbers, against the specimens of the standard and an independent validator."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from id_validator import validator

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gb11643.codes import ETHNICITIES, SEX_LABELS, Sex, ethnicity_label, sex_label
from firmware_protocols.gb11643.number import NumberKind, check_character, check_digit_ok, parse

SPECIMENS = {
    "11010519491231002X": (NumberKind.RESIDENT, date(1949, 12, 31), Sex.FEMALE),  # printed in GB 11643-1999
    "440524188001010014": (NumberKind.RESIDENT, date(1880, 1, 1), Sex.MALE),  # printed in GB 11643-1999
    "810000199408230021": (NumberKind.HONG_KONG, date(1994, 8, 23), Sex.FEMALE),  # official specimen card
    "911124198108030024": (NumberKind.FOREIGNER, date(1981, 8, 3), Sex.FEMALE),  # official specimen card
}

REGIONS = ("110105", "370102", "440524", "650102", "810000", "820000", "830000")
births = st.dates(date(1870, 1, 1), date(1899, 12, 31))
numbers = st.builds(
    lambda region, birth, sequence: f"{region}{birth:%Y%m%d}{sequence:03d}",
    st.sampled_from(REGIONS),
    births,
    st.integers(0, 999),
).map(lambda first17: first17 + check_character(first17))


@pytest.mark.parametrize("text", SPECIMENS)
def test_specimens_are_numbers(text: str) -> None:
    number = parse(text)
    assert (number.kind, number.birth, number.sex) == SPECIMENS[text]
    assert number.text == text


@settings(max_examples=30, deadline=None)  # the other validator takes 0.04 s a number
@given(numbers)
def test_an_independent_validator_agrees_on_good_numbers(text: str) -> None:
    assert parse(text).text == text
    assert validator.is_valid(text)


@settings(max_examples=30, deadline=None)
@given(numbers, st.integers(0, 17), st.sampled_from("0123456789"))
def test_an_independent_validator_agrees_on_changed_numbers(text: str, place: int, character: str) -> None:
    changed = text[:place] + character + text[place + 1 :]
    try:
        parse(changed)
    except RemoteProtocolError:
        assert not validator.is_valid(changed)
    else:
        assert changed == text  # one digit more or less always breaks the check digit


@pytest.mark.parametrize("first17", ["37010218850228102", "81000018990823001", "44052418800101001"])
def test_an_independent_validator_agrees_on_every_check_character(first17: str) -> None:
    for check in "0123456789X":
        assert check_digit_ok(first17 + check) == bool(validator.is_valid(first17 + check))


def test_a_small_x_is_taken_and_a_capital_given() -> None:
    assert parse("11010519491231002x").text == "11010519491231002X"
    assert check_digit_ok("11010519491231002x")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "size"),
        ("11010519491231002", "size"),
        ("11010519491231002XX", "size"),
        ("CAN110081010112", "size"),
        ("1101051949123100２X", "characters"),
        ("11010519491231002Y", "characters"),
        ("1101051949123100AX", "characters"),
        ("X1010519491231002X", "characters"),
        ("01010519491231002X", "region"),
        ("110105188902290021", "birth"),
        ("110105188913010021", "birth"),
        ("110105000001010021", "birth"),
        ("110105179912310021", "birth"),
        ("110105194912310021", "check_digit"),
    ],
)
def test_what_is_no_number_says_why_and_not_what(text: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(text)
    assert caught.value.code == code
    assert not any(part in str(caught.value) for part in ("1949", "1880", "110105", "002X"))


def test_every_swap_of_neighbours_is_noticed() -> None:
    text = "11010519491231002X"
    for place in range(16):
        if text[place] == text[place + 1]:
            continue
        swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        assert not check_digit_ok(swapped)


def test_forms_without_a_check_digit_are_neither_right_nor_wrong() -> None:
    assert check_digit_ok("CAN110081010112") is None
    assert check_digit_ok("") is None
    assert check_digit_ok("ABCDEFGHIJKLMNOPQR") is False


def test_nothing_of_a_number_is_in_its_repr() -> None:
    assert repr(parse("440524188001010014")) == "IdNumber()"


def test_ethnicities_are_the_fifty_six_and_two_more() -> None:
    assert list(ETHNICITIES) == [f"{code:02d}" for code in range(1, 57)] + ["97", "98"]
    assert len(set(ETHNICITIES.values())) == 58
    assert (ethnicity_label("01"), ethnicity_label("56"), ethnicity_label("98")) == (
        "汉",
        "基诺",
        "外国血统中国籍人士",
    )


@pytest.mark.parametrize("code", ["", "00", "57", "99", "1", "汉", "\ufffd"])
def test_unknown_codes_never_raise(code: str) -> None:
    assert ethnicity_label(code) == "其他"
    assert sex_label(code) in SEX_LABELS.values()


def test_sexes_are_those_of_the_standard() -> None:
    assert {str(sex): label for sex, label in SEX_LABELS.items()} == {
        "0": "未知",
        "1": "男",
        "2": "女",
        "9": "未说明",
    }
