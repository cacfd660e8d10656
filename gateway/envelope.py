"""One event: from what happened (`Draft`) to its place in the chain and its wire bytes (`Sealed`).

Wire form: CloudEvents 1.0 structured JSON in canonical form (contract, 2). Pure: the clock's reading,
the id and the place are handed in.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from gateway.clock import ClockQuality, Stamp, iso_ms, parse_iso_ms
from gateway.errors import ContractError
from gateway.event_types import SCHEMA_PREFIX, TYPE_PREFIX, TYPES
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer

GENESIS = bytes(32)  # `prevhash` of the first event of an epoch
GATEWAY_DEVICE = "gateway"  # `deviceid` of what the gateway says of itself
# What place and signature add at most to a draft: checked before a sequence is given.
ENVELOPE_MARGIN = 2048  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Something that happened, not yet placed. Immutable: a retry stores the same fact."""

    id: str  # UUIDv7, or UUIDv8 for a record from a device's own memory
    type: str  # without prefix, a key of `event_types.TYPES`
    subject: str  # person/{ref} | device/{dev} | gateway/{gw}
    device: str
    at: Stamp  # the clocks when it happened
    data: dict[str, Json]
    unit: str | None = None  # 司法所 / 中队
    restricted: bool = False  # speaks of a person
    reissue_of: str | None = None  # epoch/sequence of the same fact in a chain that the center does not share


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands: after `previous` in its epoch."""

    org: str
    gateway: str
    epoch: str
    seq: int
    previous: bytes  # hash of the event before; GENESIS at sequence 1


@dataclass(frozen=True, slots=True)
class Sealed:
    """A placed, signed event."""

    seq: int
    hash: bytes  # SHA-256 of the signed bytes
    wire: bytes


def check(draft: Draft) -> None:
    """Raise `ContractError` (not_representable, too_large, unknown_type) when `draft` cannot be an event."""
    if draft.type not in TYPES:
        raise ContractError("unknown_type", f"event type {draft.type} is not in the table of types")
    size = len(canonical.encode({"id": draft.id, "subject": draft.subject, "data": draft.data}))
    if size > canonical.MAX_BYTES - ENVELOPE_MARGIN:
        raise ContractError("too_large", f"{draft.type} with {size} bytes of data")


def seal(draft: Draft, place: Place, recorded: Stamp, signer: Signer) -> Sealed:
    """Place, chain and sign; `draft` has passed `check`."""
    event: dict[str, Json] = {
        "specversion": "1.0",
        "id": draft.id,
        "source": source(place.org, place.gateway, place.epoch),
        "type": TYPE_PREFIX + draft.type,
        "subject": draft.subject,
        "time": iso_ms(draft.at.wall_ms),
        "datacontenttype": "application/json",
        "dataschema": f"{SCHEMA_PREFIX}{draft.type}:{TYPES[draft.type]}",
        "sequence": sequence(place.seq),
        "prevhash": place.previous.hex(),
        "recordedtime": iso_ms(recorded.wall_ms),
        "bootid": draft.at.boot_id,
        "monoms": str(draft.at.mono_ms),
        "clockq": draft.at.quality.value,
        "deviceid": draft.device,
        "data": draft.data,
    }
    if draft.at.error_ms is not None:
        event["clockerrms"] = draft.at.error_ms
    if draft.unit is not None:
        event["unit"] = draft.unit
    if draft.restricted:
        event["dataclassification"] = "restricted"
    if draft.reissue_of is not None:
        event["reissueof"] = draft.reissue_of
    payload = canonical.encode(event)
    return Sealed(place.seq, hashlib.sha256(payload).digest(), _with_jws(payload, signer.sign(payload)))


# The member that follows `jws` in canonical order. It cannot stand later: behind it come only members
# whose values are text, where quotation marks are escaped.
_AFTER_JWS = b',"monoms":"'


def _with_jws(payload: bytes, jws: str) -> bytes:
    """Canonical bytes of the event with its signature, without encoding everything again."""
    at = payload.rindex(_AFTER_JWS)
    return b'%b,"jws":"%b"%b' % (payload[:at], jws.encode(), payload[at:])


def reissued(wire: bytes) -> Draft:
    """The fact of an event of ours, to be placed anew: same id, time, clocks and data."""
    event: dict[str, Any] = canonical.decode(wire)
    at = Stamp(
        wall_ms=parse_iso_ms(event["time"]),
        mono_ms=int(event["monoms"]),
        boot_id=event["bootid"],
        quality=ClockQuality(event["clockq"]),
        error_ms=event.get("clockerrms"),
    )
    epoch = event["source"].rpartition("/")[2]
    return Draft(
        id=event["id"],
        type=event["type"].removeprefix(TYPE_PREFIX),
        subject=event["subject"],
        device=event["deviceid"],
        at=at,
        data=event["data"],
        unit=event.get("unit"),
        restricted="dataclassification" in event,
        reissue_of=event.get("reissueof", f"{epoch}/{event['sequence']}"),
    )


def recorded(wire: bytes) -> tuple[ClockQuality, int]:
    """By what clock, and when, an event of ours was recorded."""
    event: dict[str, Any] = canonical.decode(wire)
    return ClockQuality(event["clockq"]), parse_iso_ms(event["recordedtime"])


def source(org: str, gateway: str, epoch: str) -> str:
    """CloudEvents `source`."""
    return f"/cc/{org}/{gateway}/e/{epoch}"


def sequence(seq: int) -> str:
    """16 digits, zero-padded: text order is number order."""
    return f"{seq:016d}"
