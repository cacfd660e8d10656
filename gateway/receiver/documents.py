"""What a gateway says of itself: `info`, signed and believed; `status`, unsigned and only looked at."""

from dataclasses import dataclass, field

from gateway.clock import parse_iso_ms
from gateway.contract import messages
from gateway.contract.shapes import Object
from gateway.errors import ContractError
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role, TrustStore
from gateway.receiver import data_rules
from gateway.receiver.data_rules import Claim
from gateway.receiver.topics import Topic

MAX_EPOCHS = 64  # lines of lineage that are read from one `info`


@dataclass(frozen=True, slots=True)
class Info:
    """A birth document whose signature holds."""

    session: str
    at_ms: int
    epochs: tuple[Claim, ...]
    wire: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Status:
    """State and high-water mark, as the broker handed it over."""

    state: str
    session: str
    at_ms: int
    epoch: str
    last_seq: int
    acked: int
    backlog: int
    ack_mode: str
    text: str


def read_info(topic: Topic, wire: bytes, trust: TrustStore) -> Info:
    """Verify and parse; raises `ContractError` (not_jcs, unsigned, signature, unknown_kid, foreign, data, ...)."""
    message, _, _ = jws.open_message(wire, trust.find(Role.GATEWAY, gateway=topic.gateway))
    if (message.get("org"), message.get("gw")) != (topic.org, topic.gateway):
        raise ContractError("foreign", "topic and document name different gateways")
    checked(messages.INFO, message)
    epochs = message["epochs"]
    listed = epochs[-MAX_EPOCHS:] if isinstance(epochs, list) else []
    claims = [data_rules.claim(entry, "epochs") for entry in listed]
    return Info(str(message["session"]), parse_iso_ms(str(message["ts"])), tuple(claims), wire)


def read_status(payload: bytes) -> Status:
    """Parse; raises `ContractError` (not_json, data, ...)."""
    message = checked(messages.STATUS, canonical.parse(payload))
    return Status(
        state=str(message["state"]),
        session=str(message["session"]),
        at_ms=parse_iso_ms(str(message["ts"])),
        epoch=str(message["epoch"]),
        last_seq=data_rules.seq(message["last_seq"], "last_seq"),
        acked=data_rules.seq(message["acked"], "acked"),
        backlog=data_rules.seq(message["backlog"], "backlog"),
        ack_mode=str(message["ack_mode"]),
        text=canonical.encode(message).decode(),
    )


def checked(shape: Object, message: dict[str, Json]) -> dict[str, Json]:
    """The message; raises `ContractError` (code `data`) where it breaks a rule of the contract."""
    fault = shape.fault(message, "")
    if fault is not None:
        raise ContractError("data", fault)
    return message
