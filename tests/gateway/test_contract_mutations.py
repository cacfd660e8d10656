"""What the rules refuse the published schema refuses, and the other way round: every example, every member, spoilt.

What a schema cannot say is listed by the rule's own words; anything else that the two see differently fails.
"""

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest

from gateway.contract import examples
from gateway.contract.event_data import DATA
from gateway.contract.example_events import GATEWAY, ORG
from gateway.contract.messages import CHANNELS
from gateway.contract.schemas import event_schema, message_schema
from gateway.errors import ContractError
from gateway.event_types import TYPE_PREFIX, event_class
from gateway.evidence import canonical
from gateway.evidence.keys import Role, TrustStore
from gateway.receiver import documents, requests, resends
from gateway.receiver.roster_parts import read_part
from gateway.receiver.topics import Topic
from gateway.receiver.verify import Event, verify
from gateway.uplink.acks import open_ack
from gateway.uplink.command_message import Refusal, read_command, verified

EXAMPLES = {
    str(json.loads(one.wire)["type"]).removeprefix(TYPE_PREFIX): json.loads(one.wire)
    for one in examples.chain()
}
MESSAGES = {channel: json.loads(wire) for channel, wire in examples.messages().items()}
BEYOND = (  # what a schema cannot say
    "topic and source name different gateways",  # it knows no topic
    "subject is another gateway",
    "document name different gateways",
    "is for another gateway",
    "came on the topic of another",
    "holds the number of an ID card",
    "is not a time of the form",  # it knows no calendar
    "month must be", "day is out of range", "day must be", "hour must be", "minute must be", "second must be",
    "is base64url with spare bits",
    "is not base64url",
    "cannot be printed",
    "is behind data.to",
    "a range runs backwards",
    "proof is not the new key's",  # it verifies nothing
    "data.old is not the key that signed",
    "or names one key twice",
    "had handed over before this place",  # it knows no other event
    "request is of another gateway",
)  # fmt: skip
LEFT_OUT = {"jws", "type", "dataschema"}  # the signature is made anew; another type has other rules
LONG = "x" * 300
Judge = Callable[[dict[str, Any]], str | None]  # what is wrong with a message


def trust() -> TrustStore:
    """Fresh each time: a key that hands over is remembered."""
    return TrustStore(examples.TRUSTED)


def spoilt(value: Any) -> Iterator[Any]:
    """Other values for the one that stands there: of another type, just beside it, much too large."""
    yield from (
        None,
        True,
        False,
        0,
        -1,
        1,
        2**53 - 1,
        "",
        "0",
        "x",
        " ",
        "\n",
        "位",
        LONG,
        [],
        {},
        ["x"],
        {"x": 1},
    )
    if isinstance(value, str):
        yield from (
            value + "x",
            value + "\n",
            " " + value,
            value[1:],
            value[:-1],
            value.upper(),
            value.swapcase(),
        )
        yield from (
            value[:cut] + char + value[cut + 1 :]
            for cut in (0, len(value) // 2, len(value) - 1)
            for char in "0z٣-"
        )
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, -value, str(value), f"{max(value, 0):016d}")
    elif isinstance(value, list):
        yield from (value + value, [*value, None], [value], value[:-1], value * 300)
    elif isinstance(value, dict):
        yield list(value)
        yield value | {"unheard_of": 1}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, member in members:
        yield from places(member, (*path, name))


def mutations(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in places(message):
        if path[0] in LEFT_OUT:
            continue
        *above, name = path
        for other in (..., *spoilt(_at(message, path))):
            changed = copy.deepcopy(message)
            holder = _at(changed, above)
            if other is ...:
                del holder[name]
            else:
                holder[name] = other
            yield changed


def _at(value: Any, path: Any) -> Any:
    for name in path:
        value = value[name]
    return value


def compare(
    name: str, schema: dict[str, Any], message: dict[str, Any], judge: Judge, *, both: bool = True
) -> Counter[str]:
    """Judge every mutation by both. `both`: the schema may not be the stricter one either."""
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert validator.is_valid(message)
    assert judge(message) is None
    seen: Counter[str] = Counter()
    for changed in mutations(message):
        fault, valid = judge(changed), validator.is_valid(changed)
        if fault is None:
            assert valid or not both, (
                f"{name}: the schema refuses what the rules take: {_difference(message, changed)}"
            )
            seen["both take it" if valid else "only the schema refuses"] += 1
        elif valid:
            assert any(words in fault for words in BEYOND), (
                f"{name}: only the rules refuse, {fault}: {_difference(message, changed)}"
            )
            seen["beyond a schema"] += 1
        else:
            seen["both refuse"] += 1
    return seen


def _difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    return next(
        f"{name}: {after.get(name)!r}"[:300] for name in before if before[name] != after.get(name, ...)
    )


def event_fault(message: dict[str, Any]) -> str | None:
    name = str(message["type"]).removeprefix(TYPE_PREFIX)
    unsigned = {member: value for member, value in message.items() if member != "jws"}
    try:
        wire = examples.EVENT_KEY.sign_object(unsigned)
    except ContractError as exc:
        pytest.fail(f"not a mutation: {exc}")
    judged = verify(Topic(ORG, GATEWAY, "evt", event_class(name)), wire, trust())
    if not isinstance(judged, Event):
        return judged.message
    return None if judged.rejection is None else judged.rejection.message


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_event_is_refused_by_both_or_by_none(name: str) -> None:
    seen = compare(name, event_schema(name), EXAMPLES[name], event_fault)
    assert min(seen["both refuse"], seen["both take it"]) > 20, seen


def by_receiver(channel: str, message: dict[str, Any]) -> str | None:
    unsigned = {member: value for member, value in message.items() if member != "jws"}
    try:
        match channel:
            case "info":
                wire = examples.EVENT_KEY.sign_object(unsigned)
                documents.read_info(Topic(ORG, GATEWAY, "info", ""), wire, trust())
            case "req_roster_part":
                wire = examples.EVENT_KEY.sign_object(unsigned)
                read_part(wire, GATEWAY, trust().find(Role.GATEWAY, gateway=GATEWAY))
            case "status":
                documents.read_status(canonical.encode(unsigned))
            case "req_rejected":
                requests.read_rejected(canonical.encode(unsigned))
            case "req_time":
                requests.read_time(canonical.encode(unsigned))
            case _:
                resends.read_answer(canonical.encode(unsigned))
    except ContractError as exc:
        return str(exc)
    return None


def by_gateway(channel: str, message: dict[str, Any]) -> str | None:
    unsigned = {member: value for member, value in message.items() if member != "jws"}
    signer = examples.OPS_KEY if channel == "cmd" else examples.ACK_KEY
    wire = signer.sign_object(unsigned)
    name = {"cmd_ping": "ping", "cmd_resend": "resend", "cmd": "log-pull"}.get(channel, "")
    try:
        if channel == "ack":
            open_ack(wire, GATEWAY, lambda _kid: examples.ACK_KEY.public)
        else:
            content, cmdid = verified(wire, GATEWAY, name, lambda _role: lambda _kid: signer.public)
            read_command(content, name, cmdid)
    except (ContractError, Refusal) as exc:
        return str(exc)
    return None


@pytest.mark.parametrize(
    "channel", ["info", "status", "req_rejected", "req_time", "rsp_resend", "req_roster_part"]
)
def test_what_a_gateway_says_is_refused_by_both_or_by_none(channel: str) -> None:
    seen = compare(
        channel, message_schema(channel), MESSAGES[channel], lambda message: by_receiver(channel, message)
    )
    assert seen["both refuse"] > 20, seen


@pytest.mark.parametrize("channel", ["ack", "cmd_ping", "cmd_resend", "cmd"])
def test_what_the_gateway_does_not_believe_the_schema_refuses(channel: str) -> None:
    """The gateway is milder than the contract where nothing hangs on it."""
    seen = compare(
        channel,
        message_schema(channel),
        MESSAGES[channel],
        lambda message: by_gateway(channel, message),
        both=False,
    )
    assert seen["both refuse"] > 20, seen


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_shape_and_its_schema_see_the_same(channel: str) -> None:
    shape = CHANNELS[channel].published
    compare(channel, message_schema(channel), MESSAGES[channel], lambda message: shape.fault(message, ""))


@pytest.mark.parametrize("name", DATA)
def test_a_member_that_nobody_knows_is_kept_and_not_understood(name: str) -> None:
    message = EXAMPLES[name]
    message = {**message, "data": {**message["data"], "unheard_of": 1}}
    del message["jws"]
    judged = verify(
        Topic(ORG, GATEWAY, "evt", event_class(name)), examples.EVENT_KEY.sign_object(message), trust()
    )
    assert isinstance(judged, Event)
    assert (judged.rejection, judged.known, judged.understood) == (None, True, False)
    assert jsonschema_rs.Draft202012Validator(event_schema(name)).is_valid(
        message | {"jws": EXAMPLES[name]["jws"]}
    )


def test_a_rule_that_the_schema_lacks_is_found() -> None:
    """Negative control: a schema without its patterns is seen to differ."""
    lax = json.loads(json.dumps(event_schema("clock.synced")).replace('"pattern"', '"x-pattern"'))
    with pytest.raises(AssertionError, match="only the rules refuse"):
        compare("clock.synced", lax, EXAMPLES["clock.synced"], event_fault)
    strict = event_schema("clock.synced") | {"additionalProperties": False}
    strict["properties"]["data"] |= {"additionalProperties": False}  # type: ignore[index,operator,call-overload]
    with pytest.raises(AssertionError, match="the schema refuses what the rules take"):
        compare("clock.synced", strict, EXAMPLES["clock.synced"], event_fault)
