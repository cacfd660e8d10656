"""Canonical bytes: equal to an independent RFC 8785 implementation, and strict in what they accept."""

import json
from contextlib import suppress
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ContractError
from gateway.evidence import canonical

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAME = st.text(st.characters(max_codepoint=127), max_size=12)
INTEGER = st.integers(-(2**53) + 1, 2**53 - 1)
VALUE = st.recursive(
    st.none() | st.booleans() | INTEGER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAME, inner, max_size=4),
    max_leaves=20,
)
OBJECT = st.dictionaries(NAME, VALUE, max_size=6)


@given(OBJECT)
def test_equals_an_independent_implementation(value: dict[str, canonical.Json]) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(OBJECT)
def test_decode_is_the_inverse(value: dict[str, canonical.Json]) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(OBJECT, st.integers(1, 4))
def test_other_spellings_of_the_same_object_do_not_verify(
    value: dict[str, canonical.Json], indent: int
) -> None:
    other = json.dumps(value, indent=indent).encode()
    if other != canonical.encode(value):
        with pytest.raises(ContractError, match="RFC 8785"):
            canonical.decode(other)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a":1,"a":1}', "not_jcs"),
        (b'{"b":1,"a":1}', "not_jcs"),
        (b'{"a":1} ', "not_jcs"),
        (b'{"a":"\\u0041"}', "not_jcs"),
        (b'{"a":1.0}', "not_representable"),
        (b'{"a":1e3}', "not_representable"),
        (b'{"a":NaN}', "not_representable"),
        (b'{"a":-Infinity}', "not_representable"),
        (b'{"a":9007199254740992}', "not_representable"),
        (b'{"a":' + b"9" * 5000 + b"}", "not_representable"),
        (b'{"a":"\\ud800"}', "not_representable"),
        (b'{"\xc3\xa9":1}', "not_representable"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "not_representable"),
        (b'{"a":' + b"[" * 30000 + b"]" * 30000 + b"}", "not_representable"),
        (b"[1]", "not_json"),
        (b"", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"a":', "not_json"),
        (b'{"a":"' + b"x" * 65536 + b'"}', "too_large"),
    ],
)
def test_refuses_with_a_code(data: bytes, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        canonical.decode(data)
    assert caught.value.code == code


def test_the_error_names_the_place_and_not_the_value() -> None:
    with pytest.raises(ContractError) as caught:
        canonical.encode({"data": {"list": [1, "\ud800秘密"]}})
    assert "$.data.list[1]" in str(caught.value)
    assert "秘密" not in str(caught.value)


def test_vectors_are_reproduced_byte_for_byte() -> None:
    path = Path(__file__).parents[1] / "vectors/contract/contract.json"
    for vector in json.loads(path.read_text())["vectors"]:
        message = {k: v for k, v in vector["object"].items() if k != "jws"}
        assert canonical.encode(message).hex() == vector["signed_bytes_hex"], vector["id"]


# -- the common case is decided in another way than the rest: both must say the same ----------------------

AWKWARD_TEXT = st.text(max_size=6) | st.sampled_from(["\ud800", "a\udfff", '"jws":"x"', "\\", "é", "\x00"])
AWKWARD_NUMBER = st.integers(2**53 - 2, 2**53 + 1) | st.integers(-(2**53) - 1, -(2**53) + 2) | st.floats()
AWKWARD_NAME = st.one_of(NAME, AWKWARD_TEXT, st.integers(0, 2), st.none(), st.booleans())


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


AWKWARD = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGER, TEXT, AWKWARD_TEXT, AWKWARD_NUMBER)
    | st.sampled_from([Colour.RED, Size.BIG, b"bytes", {1, 2}, object()]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(AWKWARD_NAME, inner, max_size=3)
    ),
    max_leaves=8,
)


def same_on_both_ways(value: dict[str, Any]) -> None:
    try:
        canonical.check(value)
    except ContractError as exc:
        refused = exc
    else:
        assert canonical.encode(value) == rfc8785.dumps(value)
        return
    with pytest.raises(ContractError) as caught:
        canonical.encode(value)
    assert (caught.value.code, str(caught.value)) == (refused.code, str(refused))


@given(st.dictionaries(NAME, AWKWARD, max_size=3) | st.dictionaries(AWKWARD_NAME, AWKWARD, max_size=3))
def test_encode_refuses_exactly_what_the_check_refuses_and_says_the_same(value: dict[str, Any]) -> None:
    same_on_both_ways(value)


LIMIT = 2**53 - 1
EDGES = (
    *(LIMIT, -LIMIT, LIMIT + 1, -LIMIT - 1, 1.0, -0.0, float("inf"), float("nan"), True, None, "", "\ud800"),
    *(b"", object(), (), (1,), (1.5,), [LIMIT + 1], {1: 2}, {None: 1}, {True: 1}, {"é": 1}, {"a": 1.5}),
    *(Colour.RED, Size.BIG, {Colour.RED: Size.BIG}, {"a": ("\udfff",)}, [[["a", 1, {"b": set()}]]]),
)


@pytest.mark.parametrize("edge", EDGES, ids=[f"edge-{at}" for at in range(len(EDGES))])
def test_every_edge_of_the_subset_is_the_same_on_both_ways(edge: Any) -> None:
    for value in ({"a": edge}, {"a": [edge]}, {"a": [1, {"b": edge}]}, {"a": (edge,), "b": 1}):
        same_on_both_ways(value)


@pytest.mark.parametrize("inner", [[], {}, [1], {"a": "b"}, "text", 0, None])
@pytest.mark.parametrize("levels", [30, 31, 32, 33, 34])
def test_the_limit_of_depth_is_the_same_on_both_ways(levels: int, inner: Any) -> None:
    value = inner
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    value = {"a": value}
    try:
        canonical.check(value)
    except ContractError:
        with pytest.raises(ContractError, match="nested deeper"):
            canonical.encode(value)
        with pytest.raises(ContractError, match="nested"):
            canonical.decode(json.dumps(value, separators=(",", ":")).encode())
    else:
        assert canonical.decode(canonical.encode(value)) == value


PIECES = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b'"',
        b'"a"',
        b'"b"',
        b"1",
        b"-0",
        b"0",
        b"1.0",
        b"1e2",
        b"NaN",
    ),
    *(
        b"true",
        b"null",
        b"9007199254740992",
        b'"\\u0041"',
        b'"\\ud800"',
        b'"\xc3\xa9"',
        b"\xff",
        b"\xed\xa0\x80",
    ),
)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join) | st.binary(max_size=20))
def test_decode_accepts_exactly_what_it_writes_itself(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except ContractError:
        with suppress(ContractError):
            assert canonical.encode(canonical.parse(data)) != data
    else:
        assert rfc8785.dumps(value) == data
        assert json.loads(data) == value


SPELLING = st.sampled_from(["x", "", '"', "\\", "é", '"jws":"x"', 'jws":"x', ',"jws":"x"'])


@given(OBJECT, SPELLING | TEXT)
def test_cutting_a_member_out_equals_writing_the_rest_anew(rest: dict[str, Any], text: str) -> None:
    rest.pop("jws", None)
    twins = {**rest, "data": {"jws": text}, "zebra": [{"jws": text}]}
    for others in (rest, twins):
        wire = canonical.encode({**others, "jws": text})
        assert canonical.without_text(wire, "jws", text) == canonical.encode(others)
