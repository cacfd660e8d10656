"""Events as the contract writes them."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import envelope
from gateway.clock import ClockQuality, ManualClock, Stamp, parse_iso_ms
from gateway.envelope import Draft, Place
from gateway.errors import ContractError
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
