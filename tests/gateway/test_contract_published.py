"""What is published of the contract is what this code keeps to, and others can read it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from gateway.contract import examples
from gateway.contract.__main__ import files
from gateway.contract.event_data import DATA
from gateway.contract.example_events import EPOCH, EVENTS, GATEWAY, ORG
from gateway.contract.messages import CHANNELS
from gateway.event_types import TYPE_PREFIX, TYPES, event_class
from gateway.evidence import jws
from gateway.evidence.keys import Role, TrustStore
from gateway.receiver.verdict import Chain, Outcome
from gateway.uplink.acks import open_ack
from gateway.uplink.command_message import read_command, verified
from tests.e2e.independent import judge
from tests.gateway.receiver_fixtures import receiving

HERE = Path(__file__)
PUBLISHED = HERE.parents[2] / "docs" / "contract"
CLOUDEVENTS = json.loads((HERE.parents[1] / "vectors/cloudevents/cloudevents.json").read_text())
ROOT = f"cc/v1/{ORG}/{GATEWAY}/"
READ_BY_THE_RECEIVER = {"info", "status", "req_ack", "req_rejected", "req_time"}
TRUST = TrustStore(examples.TRUSTED)


def schema(name: str) -> Any:
    return json.loads((PUBLISHED / "schemas" / f"{name}.json").read_text())


def events() -> list[bytes]:
    return (PUBLISHED / "examples/events.jsonl").read_bytes().splitlines()


def type_of(wire: bytes) -> str:
    return str(json.loads(wire)["type"]).removeprefix(TYPE_PREFIX)


def test_what_is_committed_is_what_the_code_says() -> None:
    committed = {
        path.relative_to(PUBLISHED).as_posix(): path.read_text(encoding="utf-8")
        for path in PUBLISHED.rglob("*.json*")
    }
    made = files()
    assert sorted(committed) == sorted(made)
    wrong = [name for name, text in made.items() if committed[name] != text]
    assert not wrong, (
        "the contract changed: run `python -m gateway.contract docs/contract`, look at the difference"
    )


def test_every_type_has_rules_an_example_and_a_schema() -> None:
    assert set(DATA) == set(EVENTS) == set(TYPES) == set(map(type_of, events()))
    assert {path.stem for path in (PUBLISHED / "schemas").iterdir()} == set(TYPES) | set(CHANNELS)


@pytest.mark.parametrize("name", [*TYPES, *CHANNELS])
def test_a_schema_is_valid_and_its_example_passes(name: str) -> None:
    published = schema(name)
    assert jsonschema_rs.meta.is_valid(published)
    jsonschema_rs.Draft202012Validator(published).validate(published["examples"][0])


@pytest.mark.parametrize("name", DATA)
def test_an_example_holds_what_every_gateway_sends_and_nothing_unknown(name: str) -> None:
    data = EVENTS[name][2]
    assert DATA[name].missing(data) == []
    assert not DATA[name].is_new(data)


async def test_the_receiver_takes_the_examples_as_they_stand(tmp_path: Path) -> None:
    async with receiving(tmp_path / "center.db", trust=TRUST) as receiver:
        wires = events()
        verdicts = await asyncio.gather(
            *(receiver.accept(f"{ROOT}evt/{event_class(type_of(wire))}", wire) for wire in wires)
        )
        for wire, verdict in zip(wires, verdicts, strict=True):
            assert verdict.outcome is Outcome.ACCEPTED, type_of(wire)
            assert verdict.chain is Chain.OK, type_of(wire)
            assert verdict.event is not None
            assert verdict.event.understood, type_of(wire)
        said = (PUBLISHED / "examples/messages.jsonl").read_text().splitlines()
        for one in map(json.loads, said):
            if one["channel"] in READ_BY_THE_RECEIVER:
                topic = one["topic"].replace("{org}", ORG).replace("{gw}", GATEWAY)
                verdict = await receiver.accept(topic, one["wire"].encode())
                assert verdict.outcome is Outcome.NOTED, one["channel"]


def test_the_gateway_believes_the_center_of_the_examples() -> None:
    wires = examples.messages()
    acked = open_ack(wires["ack"], GATEWAY, lambda _kid: examples.ACK_KEY.public)
    assert acked.epochs[0].epoch == EPOCH
    assert acked.epochs[0].upto == len(TYPES)
    keys = {Role.ACK: examples.ACK_KEY, Role.OPERATIONS: examples.OPS_KEY}
    for channel, name in (("cmd_ping", "ping"), ("cmd_resend", "resend"), ("cmd", "log-pull")):
        content, cmdid = verified(wires[channel], GATEWAY, name, lambda role: lambda _kid: keys[role].public)
        assert read_command(content, name, cmdid).name == name
    for channel in ("res_rejected", "res_time"):
        jws.open_message(wires[channel], lambda _kid: examples.ACK_KEY.public)


def test_a_verifier_that_is_not_ours_finds_the_chain_of_examples_whole() -> None:
    trusted = json.loads((PUBLISHED / "examples/trust.json").read_text())["keys"]
    keys = {one["kid"]: bytes.fromhex(one["public"]) for one in trusted}
    assert judge(events(), [], keys) == {EPOCH: len(TYPES)}


@pytest.mark.parametrize("wire", events(), ids=type_of)
def test_an_event_is_one_to_the_official_sdk_and_its_schema(wire: bytes) -> None:
    validator = jsonschema_rs.Draft7Validator(CLOUDEVENTS, validate_formats=True)
    validator.validate(json.loads(wire))
    message = HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=wire)
    parsed = from_structured_event(message)
    assert parsed.get_type() == json.loads(wire)["type"]
    assert parsed.get_data() == json.loads(wire)["data"]
    assert parsed.get_extension("sequence") == json.loads(wire)["sequence"]


@pytest.mark.parametrize("spoilt", [{"specversion": 1}, {"id": ""}, {"source": None}, {"datacontenttype": 7}])
def test_the_schema_of_cloudevents_refuses_what_is_none(spoilt: dict[str, object]) -> None:
    broken = json.loads(events()[0]) | spoilt
    assert not jsonschema_rs.Draft7Validator(CLOUDEVENTS).is_valid(
        {k: v for k, v in broken.items() if v is not None}
    )
