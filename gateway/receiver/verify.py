"""From (topic, wire bytes) to an event whose signature holds, or to the reason why it takes no place.

What the signature does not cover decides nothing: the topic is the broker's word. So a genuine event on
another gateway's topic is quarantined, which takes no sequence; its own copy on the right topic still
counts. On the topic of another class it is taken for what its signed type says, with an alarm (`judge`):
set aside it would be sent for ever, and refused it would be lost by what the broker alone decides.
Only what the gateway signed can make an event rejected.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.clock import parse_iso_ms
from gateway.contract import attributes, event_data
from gateway.contract.forms import EVENT_ID, HASH
from gateway.envelope import GENESIS
from gateway.errors import ContractError
from gateway.event_types import SCHEMA_PREFIX, TYPE_PREFIX
from gateway.evidence import jws
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role, TrustStore
from gateway.evidence.succession import KEY_ROTATED, rotation
from gateway.receiver.topics import GATEWAY_FORM, ORG_FORM, Topic

_SOURCE = re.compile(rf"/cc/({ORG_FORM})/({GATEWAY_FORM})/e/([0-9a-f]{{8}})", re.ASCII)
_SEQUENCE = re.compile(r"[0-9]{16}", re.ASCII)
_TYPE = re.compile(rf"{re.escape(TYPE_PREFIX)}[a-z]+\.[a-z][a-z0-9_]*", re.ASCII)
MAX_TYPE = 128  # characters; longer ones are kept in the wire bytes only


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a stored event is refused for its content. The text names the rule, never a value."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Event:
    """A signed event in its place. `message` is without its signature and out of repr: it may speak of a person."""

    org: str
    gateway: str
    epoch: str
    seq: int
    hash: bytes  # SHA-256 of the signed bytes
    previous: bytes | None  # hash of the event before; None where the attribute is malformed
    id: str | None
    type: str  # without prefix
    time_ms: int | None
    recorded_ms: int | None
    kid: str
    known: bool  # type and major are this center's, and `data` passed their rules: it may be acted upon
    understood: bool
    rejection: Rejection | None
    wire: bytes = field(repr=False)
    message: Mapping[str, Json] = field(repr=False)

    @property
    def data(self) -> Mapping[str, Json]:
        """`data` of an event that was not rejected for lacking one."""
        data = self.message.get("data")
        return data if isinstance(data, dict) else {}


class Standing(StrEnum):
    """What becomes of a message that is no event."""

    QUARANTINED = "quarantined"
    PARKED = "parked"  # the key may still become known


@dataclass(frozen=True, slots=True)
class NoEvent:
    """A message that takes no sequence. Gateway and place are what the message says, proven by nothing."""

    standing: Standing
    code: str
    message: str
    epoch: str | None = None
    seq: int | None = None
    kid: str | None = None


def verify(topic: Topic, wire: bytes, trust: TrustStore) -> Event | NoEvent:
    """Judge one message of `evt/{class}`. Never raises for anything that a peer can send."""
    try:
        message, signature, payload = jws.parts(wire)
        epoch = _epoch(message, topic)
    except ContractError as exc:
        return NoEvent(Standing.QUARANTINED, exc.code, str(exc))
    seq = _seq(message)
    try:
        kid = jws.verify(payload, signature, trust.find(Role.GATEWAY, gateway=topic.gateway))
    except ContractError as exc:
        if exc.code == "unknown_kid" and seq is not None:
            named = jws.key_id(signature)
            return NoEvent(
                Standing.PARKED, exc.code, "signed with a key that is not trusted here", epoch, seq, named
            )
        return NoEvent(Standing.QUARANTINED, exc.code, str(exc), epoch, seq)
    if seq is None:
        return NoEvent(Standing.QUARANTINED, "sequence", "sequence is not 16 digits from 1 on", epoch)
    try:
        trust.handed_over.succession.check_place(topic.gateway, kid, epoch, seq)
    except ContractError as exc:
        return NoEvent(Standing.QUARANTINED, exc.code, str(exc), epoch, seq)
    name = _type(message)
    event = _event(topic, epoch, seq, name, kid, payload, wire, message)
    if event.type == KEY_ROTATED and event.rejection is None:
        return _learned(event, trust)
    return event


def _learned(event: Event, trust: TrustStore) -> Event | NoEvent:
    """A key has handed over: on disk before the event is, so that a center never stores what it then cannot follow."""
    found = rotation(event.data, gateway=event.gateway, kid=event.kid, epoch=event.epoch, seq=event.seq)
    try:
        trust.handed_over.keep(found, event.wire)
    except OSError:
        why = "the rotation of a key could not be kept"
        return NoEvent(Standing.PARKED, "unknown_kid", why, event.epoch, event.seq, event.kid)
    return event


def _event(
    topic: Topic,
    epoch: str,
    seq: int,
    name: str | None,
    kid: str,
    payload: bytes,
    wire: bytes,
    message: dict[str, Json],
) -> Event:
    known, understood, rejection = _judge(topic, seq, name, kid, message)
    return Event(
        org=topic.org,
        gateway=topic.gateway,
        epoch=epoch,
        seq=seq,
        hash=hashlib.sha256(payload).digest(),
        previous=_hex(message.get("prevhash")),
        id=_id(message.get("id")),
        type=(name or "")[:MAX_TYPE],
        time_ms=_ms(message.get("time")),
        recorded_ms=_ms(message.get("recordedtime")),
        kid=kid,
        known=known,
        understood=understood,
        rejection=rejection,
        wire=wire,
        message=message,
    )


def _judge(
    topic: Topic, seq: int, name: str | None, kid: str, message: dict[str, Json]
) -> tuple[bool, bool, Rejection | None]:
    """(known, understood, why it is rejected)."""
    try:
        known, understood = _check(topic, seq, name, message)
        if name == KEY_ROTATED and known:
            rotation(_object(message["data"]), gateway=topic.gateway, kid=kid, epoch="", seq=seq)
        return known, understood, None
    except ContractError as exc:
        return False, False, Rejection(exc.code, str(exc))


def _check(topic: Topic, seq: int, name: str | None, message: dict[str, Json]) -> tuple[bool, bool]:
    """(known, understood); raises `ContractError` for a broken rule."""
    if name is None:
        raise ContractError("attribute", f"type is not of the form {TYPE_PREFIX}<class>.<verb>")
    fault = attributes.fault_of(message)
    if fault is not None:
        raise ContractError("attribute", fault)
    schema, _, major = str(message["dataschema"]).removeprefix(SCHEMA_PREFIX).rpartition(":")
    if schema != name:
        raise ContractError("attribute", "dataschema is of another type")
    subject = str(message["subject"])
    if subject.startswith("gateway/") and subject != f"gateway/{topic.gateway}":
        raise ContractError("attribute", "subject is another gateway")
    first = seq == 1
    if first != (name == event_data.EPOCH_OPENED) or first != (message["prevhash"] == GENESIS.hex()):
        raise ContractError(
            "genesis", "an epoch opens with epoch_opened and an empty prevhash at sequence 1, and only there"
        )
    data = message["data"]
    if not event_data.is_known(name, int(major)) or not isinstance(data, dict):
        return False, False
    event_data.check(name, data)
    return True, attributes.all_known(message) and event_data.understood(name, data)


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _epoch(message: Mapping[str, Json], topic: Topic) -> str:
    source = message.get("source")
    match = _SOURCE.fullmatch(source) if isinstance(source, str) else None
    if match is None:
        raise ContractError("source", "source is not of the form /cc/{org}/{gw}/e/{epoch}")
    if (match[1], match[2]) != (topic.org, topic.gateway):
        raise ContractError("foreign", "topic and source name different gateways")
    return match[3]


def _seq(message: Mapping[str, Json]) -> int | None:
    text = message.get("sequence")
    if not (isinstance(text, str) and _SEQUENCE.fullmatch(text)):
        return None
    return int(text) or None


def _type(message: Mapping[str, Json]) -> str | None:
    text = message.get("type")
    if isinstance(text, str) and _TYPE.fullmatch(text):
        return text.removeprefix(TYPE_PREFIX)
    return None


def _hex(value: Json) -> bytes | None:
    return None if HASH.fault(value, "") else bytes.fromhex(str(value))


def _id(value: Json) -> str | None:
    return None if EVENT_ID.fault(value, "") else str(value)


def _ms(value: Json) -> int | None:
    try:
        return parse_iso_ms(value) if isinstance(value, str) else None
    except ValueError:
        return None
