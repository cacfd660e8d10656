"""Events as the contract writes them."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import envelope
from gateway.clock import ClockQuality, ManualClock, Stamp, iso_ms, parse_iso_ms
from gateway.envelope import Draft, Place
from gateway.errors import ContractError
from gateway.event_types import TYPES
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from tests.gateway.store_fixtures import GATEWAY, ORG
from tests.gateway.store_fixtures import draft as ready_draft

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/contract/contract.json").read_text())
EVENTS = [v for v in VECTORS["vectors"] if v["id"].startswith("event")]
SIGNER = Signer(
    "gw-370102-01#1", Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["keys"][0]["seed"]))
)


@pytest.mark.parametrize("vector", EVENTS, ids=lambda v: str(v["id"]))
def test_contract_events_are_reproduced_byte_for_byte(vector: dict[str, Any]) -> None:
    event = dict(vector["object"])
    quality, error = ClockQuality(str(event["clockq"])), event["clockerrms"]
    at = Stamp(
        parse_iso_ms(str(event["time"])), int(str(event["monoms"])), str(event["bootid"]), quality, error
    )
    recorded = Stamp(parse_iso_ms(str(event["recordedtime"])), 0, at.boot_id, quality, error)
    draft = Draft(
        id=str(event["id"]),
        type=str(event["type"]).removeprefix("cn.zhijiao."),
        subject=str(event["subject"]),
        device=str(event["deviceid"]),
        at=at,
        data=event["data"],
        unit=None if "unit" not in event else str(event["unit"]),
        restricted="dataclassification" in event,
    )
    place = Place(
        "370102",
        "gw-370102-01",
        "5f0c2a91",
        int(str(event["sequence"])),
        bytes.fromhex(str(event["prevhash"])),
    )
    sealed = envelope.seal(draft, place, recorded, SIGNER)
    assert json.loads(sealed.wire) == event
    assert sealed.hash.hex() == vector["hash"]
    assert hashlib.sha256(bytes.fromhex(str(vector["signed_bytes_hex"]))).digest() == sealed.hash


def test_an_event_is_a_valid_cloudevent_for_an_unrelated_reader() -> None:
    draft = Draft(
        id="x", type="system.started", subject="gateway/gw", device="gateway", at=ManualClock().now(), data={}
    )
    sealed = envelope.seal(
        draft, Place("370102", "gw-370102-01", "00000000", 1, envelope.GENESIS), draft.at, SIGNER
    )
    message = HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=sealed.wire)
    event = from_structured_event(message)
    assert event.get_type() == "cn.zhijiao.system.started"
    assert event.get_extension("sequence") == "0000000000000001"


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        ("identity.unheard_of", {}, "unknown_type"),
        ("system.started", {"text": "x" * 70_000}, "too_large"),
        ("system.started", {"text": "\udc00"}, "not_representable"),
        ("system.started", {"n": 2**60}, "not_representable"),
    ],
)
def test_what_cannot_be_an_event_is_refused_before_it_gets_a_sequence(
    kind: str, data: dict[str, Json], code: str
) -> None:
    draft = Draft(id="x", type=kind, subject="s", device="d", at=ManualClock().now(), data=data)
    with pytest.raises(ContractError) as caught:
        envelope.check(draft)
    assert caught.value.code == code


ANY_TEXT = st.text(max_size=12) | st.text(
    st.characters(codec=None), max_size=12
)  # the latter: surrogates too
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def any_draft(pick: st.DrawFn) -> Draft:
    wall_ms = st.integers(-62_135_596_800_000, 253_402_300_799_999)  # the years 1 to 9999
    mono_ms, error_ms = st.integers(0, 2**62), st.none() | st.integers(0, 2**54)
    at = st.builds(Stamp, wall_ms, mono_ms, ANY_TEXT, st.sampled_from(ClockQuality), error_ms)
    return Draft(
        id=pick(ANY_TEXT),
        type=pick(st.sampled_from(sorted(TYPES))),
        subject=pick(ANY_TEXT),
        device=pick(ANY_TEXT),
        at=pick(at),
        data=pick(st.dictionaries(st.text(max_size=6), ANY_JSON, max_size=4)),
        unit=pick(st.none() | ANY_TEXT),
        restricted=pick(st.booleans()),
        reissue_of=pick(st.none() | ANY_TEXT),
    )


def members_of(draft: Draft, place: Place, recorded: Stamp) -> dict[str, Json]:
    """The contract's members of an event, one by one, in no order."""
    optional: dict[str, Json] = {
        "clockerrms": draft.at.error_ms,
        "unit": draft.unit,
        "dataclassification": "restricted" if draft.restricted else None,
        "reissueof": draft.reissue_of,
    }
    members: dict[str, Json] = {
        "specversion": "1.0",
        "id": draft.id,
        "source": f"/cc/{place.org}/{place.gateway}/e/{place.epoch}",
        "type": f"cn.zhijiao.{draft.type}",
        "subject": draft.subject,
        "time": iso_ms(draft.at.wall_ms),
        "datacontenttype": "application/json",
        "dataschema": f"urn:zhijiao:schema:{draft.type}:{TYPES[draft.type]}",
        "sequence": f"{place.seq:016d}",
        "prevhash": place.previous.hex(),
        "recordedtime": iso_ms(recorded.wall_ms),
        "bootid": draft.at.boot_id,
        "monoms": str(draft.at.mono_ms),
        "clockq": draft.at.quality.value,
        "deviceid": draft.device,
        "data": draft.data,
    }
    members.update((name, value) for name, value in optional.items() if value is not None)
    return members


def outcome(make: Callable[[], bytes]) -> bytes | str:
    try:
        return make()
    except ContractError as exc:
        return exc.code


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    draft=any_draft(),
    org=ANY_TEXT,
    seq=st.integers(1, 10**17),
    same_clock=st.booleans(),
    checked_before=st.booleans(),
)
def test_an_event_is_what_canonical_encoding_makes_of_its_members(
    *, draft: Draft, org: str, seq: int, same_clock: bool, checked_before: bool
) -> None:
    place = Place(org, GATEWAY, "0a0b0c0d", seq, hashlib.sha256(org.encode(errors="replace")).digest())
    recorded = draft.at if same_clock else replace(draft.at, wall_ms=1_795_309_322_004)
    if checked_before:
        with suppress(ContractError):
            envelope.check(draft)

    def written_at_once() -> bytes:
        members = members_of(draft, place, recorded)
        signature = SIGNER.sign(canonical.encode(members))
        return canonical.encode({**members, "jws": signature})

    wire = outcome(lambda: envelope.seal(draft, place, recorded, SIGNER).wire)
    assert wire == outcome(written_at_once)
    if isinstance(wire, bytes):
        sealed = envelope.seal(draft, place, recorded, SIGNER)
        assert sealed.hash == hashlib.sha256(canonical.encode(members_of(draft, place, recorded))).digest()


@given(any_draft())
def test_a_check_refuses_what_cannot_be_written_and_nothing_else(draft: Draft) -> None:
    written = outcome(
        lambda: canonical.encode({"id": draft.id, "subject": draft.subject, "data": draft.data})
    )
    try:
        envelope.check(draft)
        assert isinstance(written, bytes)
    except ContractError as exc:
        assert exc.code == written  # noqa: PT017 - either outcome is right, by what is expected


@pytest.mark.parametrize("text", ["x", "某", '"', "\x1f"])
def test_the_size_that_is_checked_is_that_of_the_written_bytes(text: str) -> None:
    """To the byte: the largest event that passes, and one byte more."""
    most = canonical.MAX_BYTES - envelope.ENVELOPE_MARGIN
    plain = replace(ready_draft(ManualClock().now(), "system.started"), subject=text)
    room = most - len(canonical.encode({"id": plain.id, "subject": text, "data": {"t": text, "x": ""}}))
    envelope.check(replace(plain, data={"t": text, "x": "x" * room}))
    with pytest.raises(ContractError, match=f"with {most + 1} bytes"):
        envelope.check(replace(plain, data={"t": text, "x": "x" * (room + 1)}))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # beside other work
@given(
    st.dictionaries(st.sampled_from(["monoms", "jws", "text", "a"]), st.text(max_size=40) | st.none()),
    st.sampled_from([None, ',"monoms":"', "3701020101"]),
)
def test_the_signature_is_put_in_where_canonical_order_wants_it(
    data: dict[str, Json], unit: str | None
) -> None:
    data["text"] = ',"monoms":"1","jws":"x'
    stamp = ManualClock().now()
    made = replace(ready_draft(stamp), data=data, unit=unit)
    sealed = envelope.seal(made, Place(ORG, GATEWAY, "0a0b0c0d", 7, bytes(32)), stamp, SIGNER)
    message = canonical.decode(sealed.wire)  # raises unless these are the canonical bytes
    assert message["data"] == data
    jws = message.pop("jws")
    assert jws == SIGNER.sign(canonical.encode(message))
