"""What a gateway says of itself: `info`, signed and believed; `status`, unsigned and only looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.clock import parse_iso_ms
from gateway.errors import ContractError
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role, TrustStore
from gateway.receiver import data_rules
from gateway.receiver.data_rules import Claim
from gateway.receiver.topics import Topic

MAX_EPOCHS = 64  # lines of lineage that are read from one `info`
MAX_TEXT = 128  # characters of a session
STATES = frozenset({"online", "offline", "lost"})


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
    _version(message)
    epochs = message.get("epochs")
    if not isinstance(epochs, list):
        raise ContractError("data", "epochs is not a list")
    claims = [data_rules.claim(entry, "epochs.") for entry in epochs[-MAX_EPOCHS:] if isinstance(entry, dict)]
    return Info(_session(message), _ts(message), tuple(claims), wire)


def read_status(payload: bytes) -> Status:
    """Parse; raises `ContractError` (not_json, data, ...)."""
    message = canonical.parse(payload)
    _version(message)
    state, backlog, ack_mode = message.get("state"), message.get("backlog"), message.get("ack_mode")
    if not (isinstance(state, str) and state in STATES):
        raise ContractError("data", "state is not online, offline or lost")
    if not isinstance(backlog, int) or isinstance(backlog, bool) or backlog < 0:
        raise ContractError("data", "backlog is not a count")
    if not isinstance(ack_mode, str):
        raise ContractError("data", "ack_mode is missing")
    return Status(
        state=state,
        session=_session(message),
        at_ms=_ts(message),
        epoch=data_rules.epoch(message.get("epoch"), "epoch"),
        last_seq=data_rules.seq(message.get("last_seq"), "last_seq"),
        acked=data_rules.seq(message.get("acked"), "acked"),
        backlog=backlog,
        ack_mode=ack_mode,
        text=canonical.encode(message).decode(),
    )


def _version(message: Mapping[str, Json]) -> None:
    if message.get("v") != 1 or isinstance(message.get("v"), bool):
        raise ContractError("data", "not a document of version 1")


def _session(message: Mapping[str, Json]) -> str:
    session = message.get("session")
    if isinstance(session, str) and 0 < len(session) <= MAX_TEXT and session.isprintable():
        return session
    raise ContractError("data", "session is not a name")


def _ts(message: Mapping[str, Json]) -> int:
    ts = message.get("ts")
    try:
        return parse_iso_ms(ts if isinstance(ts, str) else "")
    except ValueError as exc:
        raise ContractError("data", f"ts is {exc}") from exc
