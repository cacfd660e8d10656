"""The signed roster: the vectors, whose word it is, and that every page is the one that was meant."""

import base64
import hashlib
import json
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.checkin import signed_file
from gateway.checkin.reading import MOST_PAGES
from gateway.checkin.roster import MOST_PERSONS, DayOff, Method, Repeat
from gateway.checkin.signed_file import MAX_FILE, open_roster, reopen_roster, sign_roster
from gateway.errors import ContractError
from gateway.evidence.canonical import MAX_BYTES
from gateway.evidence.keys import Role, TrustStore
from tests.gateway import rosters
from tests.gateway.rosters import GATEWAY, ORG, TRUST, VECTORS, opened, person, signed

FILE = (VECTORS / "roster.jsonl").read_bytes()
ABOUT = json.loads((VECTORS / "roster.json").read_text())


def code_of(data: bytes) -> str:
    with pytest.raises(ContractError) as caught:
        opened(data)
    return caught.value.code


def edited(data: bytes, line: int, change: Any) -> bytes:
    """The file with one line changed, its signature and hashes left as they were."""
    lines = data.splitlines()
    lines[line] = change(lines[line])
    return b"".join(one + b"\n" for one in lines)


def test_the_vector_is_what_its_note_says() -> None:
    assert ABOUT["id_hmac_key"] == rosters.HMAC_KEY.hex()
    roster = opened(FILE)
    assert roster.digest.hex() == ABOUT["digest"]
    assert (roster.head.version, len(roster.persons), roster.left_out) == (7, 4, 0)
    for number, one in zip(ABOUT["numbers"], roster.persons, strict=True):
        found = roster.of_number(bytes.fromhex(rosters.number_hmac(number)))
        assert found is one, "the hash of a card's number finds its holder"
    first, second, third, fourth = roster.persons
    assert roster.of_slot("ZFM-00A1B2", 17) is first
    assert roster.of_slot("ZFM-00A1B2", 18) is None
    assert roster.of_ref("p-370102-0003") is third
    assert third.protected
    assert third.methods == {Method.STAFF}
    assert third.schedule is not None
    assert (third.schedule.repeat, third.schedule.day_off) == (Repeat.MONTHLY, DayOff.PREVIOUS)
    assert third.schedule.windows[0].close is None
    assert second.category == "strict"
    assert fourth.schedule is None
    assert fourth.responsible != GATEWAY


def test_the_vector_is_written_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    head_line, *pages = FILE.splitlines()
    head = json.loads(head_line)
    for name in ("v", "minor", "kind", "count", "pages", "jws"):
        del head[name]
    persons = [one for page in pages for one in json.loads(page)["persons"]]
    assert len(pages) == 2
    assert opened(sign_roster(head, persons, rosters.OPS)).persons == opened(FILE).persons
    monkeypatch.setattr(signed_file, "PAGE_ROOM", len(pages[0]))  # as small as the vector's
    assert sign_roster(head, persons, rosters.OPS) == FILE


def test_an_unrelated_library_verifies_what_we_sign() -> None:
    lines = signed([person(n) for n in range(200)]).splitlines()
    head = json.loads(lines[0])
    protected, _, signature = head.pop("jws").split(".")
    body = base64.urlsafe_b64encode(rfc8785.dumps(head)).rstrip(b"=")
    key = Ed25519PublicKey.from_public_bytes(rosters.OPS.public.public_bytes_raw())
    key.verify(base64.urlsafe_b64decode(signature + "=="), protected.encode() + b"." + body)
    for mark, page in zip(head["pages"], lines[1:], strict=True):
        assert hashlib.sha256(rfc8785.dumps(json.loads(page))).hexdigest() == mark["sha256"]


def test_only_the_operations_key_may_sign_a_roster() -> None:
    assert code_of(signed(by=rosters.signer("center-ack#1"))) == "wrong_role"
    assert code_of(signed(by=rosters.signer("gw-370102-01#1"))) == "wrong_role"
    with pytest.raises(ContractError, match="not trusted"):
        open_roster(
            FILE, org=ORG, gateway=GATEWAY, find_key=TrustStore([]).find(Role.OPERATIONS), number_key=""
        )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (edited(FILE, 0, lambda line: line.replace(b'"version":7', b'"version":8')), "signature"),
        (edited(FILE, 0, lambda line: line.replace(b'"v":1', b'"v": 1')), "not_jcs"),
        (edited(FILE, 1, lambda line: line.replace(b"p-370102-0001", b"p-370102-0009")), "roster_page"),
        (FILE.splitlines()[0] + b"\n", "roster_page"),
        (FILE + FILE.splitlines()[2] + b"\n", "roster_page"),
        (b"\n".join([FILE.splitlines()[n] for n in (0, 2, 1)]) + b"\n", "roster_page"),
        (FILE[:-1], "roster_form"),
        (b"", "roster_form"),
        (b"\n", "not_json"),
        (b"x" * (MAX_FILE + 1), "roster_too_large"),
        (b"\n" * (MOST_PAGES + 2), "roster_too_large"),
        (signed(gw="gw-370102-02"), "roster_foreign"),
        (signed(org="370103"), "roster_foreign"),
        (signed(number_key="0" * 16), "roster_number_key"),
        (signed(v=2), "roster_major"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_centers_roster_for_us_is_refused(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_five_thousand_persons_fit_and_one_more_does_not() -> None:
    roster = opened(signed([person(n) for n in range(MOST_PERSONS)]))
    assert len(roster.persons) == MOST_PERSONS
    assert roster.of_ref("p-4999") is roster.persons[-1]
    schedules = {id(one.schedule) for one in roster.persons}
    assert len(schedules) == 1, "equal schedules are kept once"
    assert code_of(signed([person(n) for n in range(MOST_PERSONS + 1)])) == "roster_value"


def test_an_empty_roster_is_a_roster() -> None:
    assert opened(signed([])).persons == ()


def test_every_line_is_small_enough_for_a_message() -> None:
    lines = signed([person(n) for n in range(1000)]).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= MAX_BYTES


def test_what_was_kept_is_read_without_asking_for_the_key() -> None:
    key = rosters.head()["number_key"]
    assert reopen_roster(FILE, org=ORG, gateway=GATEWAY, number_key=key).digest == opened(FILE).digest


@given(data=st.binary(max_size=300), at=st.integers(0, len(FILE) - 1))
def test_any_bytes_give_a_roster_or_an_error_of_the_contract(data: bytes, at: int) -> None:
    for candidate in (data, data + b"\n", FILE[:at] + data + FILE[at:], FILE[:at] + data):
        try:
            roster = opened(candidate)
        except ContractError:
            continue
        assert candidate == FILE
        assert len(roster.persons) == 4


def test_a_roster_shows_no_person() -> None:
    roster = opened(FILE)
    shown = repr(roster) + repr(roster.persons)
    for one in roster.persons:
        assert one.name not in shown
        assert one.number_hmac.hex() not in shown
        assert repr(one.number_hmac) not in shown
    assert "windows" not in shown
    assert TRUST is not None
