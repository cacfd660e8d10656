"""Canonical bytes: equal to an independent RFC 8785 implementation, and strict in what they accept."""

import json
from pathlib import Path

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
