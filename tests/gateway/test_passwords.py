"""Which passwords are taken, what names and addresses become, and that hashes are what they should be."""

import re

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.errors import AccessError
from gateway.access.hashing import is_hash, make_hash, needs_anew
from gateway.access.names import account_name, lies_in, network, new_name, source_of
from gateway.access.pace import Pace
from gateway.access.passwords import generated, new_password


def code(password: str, account: str = "desk-1") -> str | None:
    try:
        new_password(password, account)
    except AccessError as exc:
        return exc.code if len(password) < 12 or password not in str(exc) else f"{exc.code} tells it"
    return None


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("eleven char", "password_short"),
        ("twelve chars", None),
        ("十二个汉字组成的一句口令", None),
        ("a" * 12, "password_common"),
        ("ababababababab", "password_common"),
        ("123456789012", "password_common"),
        ("210987654321", "password_common"),
        ("qwertyuiopasdf", "password_common"),
        ("password1234", "password_common"),
        ("PassWord@2026", "password_common"),
        ("Ｐａｓｓｗｏｒｄ1234", "password_common"),
        ("woaini5201314", "password_common"),
        ("sifaju123456", "password_common"),
        ("adminadminadmin", "password_common"),
        ("correcthorsebatterystaple", "password_common"),
        ("horse battery staple tin", None),
        ("desk-1desk-1", "password_name"),
        ("desk-1 123456", "password_name"),
        ("the desk-1 is not mine", None),
        ("x" * 50 + "y" * 79, "password_form"),
        ("with a\ttab and more", "password_form"),
    ],
)
def test_a_password_is_long_and_not_the_first_to_be_tried(password: str, expected: str | None) -> None:
    assert code(password) == expected


def test_a_made_password_is_always_taken() -> None:
    for _ in range(200):
        made = generated()
        assert re.fullmatch(r"([a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}", made)
        assert code(made) is None


@given(st.text(max_size=200))
def test_any_text_is_taken_or_refused_with_a_code(text: str) -> None:
    assert code(text) in {None, "password_short", "password_common", "password_name", "password_form"}
    name = account_name(text)
    assert name is None or new_name(name) == name
    assert re.fullmatch(r"[0-9a-f.:/]+|other", source_of(text))


def test_addresses_have_one_form() -> None:
    assert source_of("192.168.1.7") == source_of("::ffff:192.168.1.7") == "192.168.1.7"
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1%eth0") == "2001:db8::/64"
    assert source_of("::1") == "::1"
    assert source_of("testclient") == "other"
    assert network("192.168.1.0/24") == "192.168.1.0/24"
    assert network("192.168.1.7") == "192.168.1.7/32"
    for wrong in ("192.168.1.7/24", "here", ""):
        with pytest.raises(AccessError, match="not a network"):
            network(wrong)
    assert lies_in("fe80::1%eth0", "fe80::/10")
    assert not lies_in("192.168.1.7", "fe80::/10")


def test_our_hash_is_what_the_library_says_it_is() -> None:
    made = make_hash("four unrelated words")
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert is_hash(made)
    assert not needs_anew(made)
    assert argon2.PasswordHasher().verify(made, "four unrelated words")
    assert make_hash("four unrelated words") != made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=19456,t=100,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
    ],
)
def test_a_hash_that_would_cost_too_much_is_none(text: str) -> None:
    assert not is_hash(text)


@given(st.lists(st.integers(0, 500), max_size=60), st.integers(1, 5), st.integers(1, 100))
def test_a_pace_is_kept(gaps: list[int], burst: int, step: int) -> None:
    pace, clear, now = Pace(burst, step), 0, 0
    happened: list[int] = []
    for gap in gaps:
        now += gap
        if pace.wait_ms(clear, now) == 0:
            clear = pace.after(clear, now)
            happened.append(now)
    for first in range(len(happened)):
        for last in range(first, len(happened)):
            assert last - first <= burst + (happened[last] - happened[first]) // step
