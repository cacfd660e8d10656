"""One event: from what happened (`Draft`) to its place in the chain and its wire bytes (`Sealed`).

Wire form: CloudEvents 1.0 structured JSON in canonical form (contract, 2). Pure: the clock's reading,
the id and the place are handed in.

An event is written member after member: the names are always the same, so their canonical order is
known, and `data` was encoded when it was checked. To sort and encode the whole object for each event
cost more than anything but the signature. A property test holds that these are the bytes which
`canonical.encode` makes of it.
"""

import functools
import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
# What each type says of itself: names of types are plain text, nothing in them is escaped.
_TYPE_MEMBERS = {
    name: (f'"dataschema":"{SCHEMA_PREFIX}{name}:{major}"', f'"type":"{TYPE_PREFIX}{name}"')
    for name, major in TYPES.items()
}


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
    _data_member: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def data_member(self) -> bytes:
        """Canonical `"data":{…}`, encoded once; raises `ContractError` (code `not_representable`)."""
        if self._data_member is None:
            # As a member of an object: its levels count as they do in the event.
            member = canonical.encode({"data": self.data})[1:-1]
            # What is kept is no part of the fact, which stays as immutable as it looks.
            object.__setattr__(self, "_data_member", member)
            return member
        return self._data_member


class Place(NamedTuple):
    """Where an event stands: after `previous` in its epoch."""

    org: str
    gateway: str
    epoch: str
    seq: int
    previous: bytes  # hash of the event before; GENESIS at sequence 1


class Sealed(NamedTuple):
    """A placed, signed event."""

    seq: int
    hash: bytes  # SHA-256 of the signed bytes
    wire: bytes


def check(draft: Draft) -> None:
    """Raise `ContractError` (not_representable, too_large, unknown_type) when `draft` cannot be an event."""
    if draft.type not in TYPES:
        raise ContractError("unknown_type", f"event type {draft.type} is not in the table of types")
    size = len(draft.data_member()) + _size_of_texts(draft)
    if size > canonical.MAX_BYTES - ENVELOPE_MARGIN:
        raise ContractError("too_large", f"{draft.type} with {size} bytes of data")


def _size_of_texts(draft: Draft) -> int:
    try:
        return len(f'{{,"id":{canonical.text(draft.id)},"subject":{canonical.text(draft.subject)}}}'.encode())
    except UnicodeEncodeError:
        canonical.check({"id": draft.id, "subject": draft.subject})  # names the place
        raise


def seal(draft: Draft, place: Place, recorded: Stamp, signer: Signer) -> Sealed:
    """Place, chain and sign; `draft` has passed `check`."""
    front, back = _halves(draft, place, recorded)
    payload = front + back
    jws = signer.sign(payload)
    wire = b'%b,"jws":"%b"%b' % (front, jws.encode(), back)
    return Sealed(place.seq, hashlib.sha256(payload).digest(), wire)


def _halves(draft: Draft, place: Place, recorded: Stamp) -> tuple[bytes, bytes]:
    """The canonical bytes of the event, cut where its `jws` will stand."""
    at, text = draft.at, canonical.text
    schema, kind = _TYPE_MEMBERS[draft.type]
    unit = "" if draft.unit is None else f',"unit":{text(draft.unit)}'
    reissue_of = "" if draft.reissue_of is None else f'"reissueof":{text(draft.reissue_of)},'
    restricted = '"dataclassification":"restricted",' if draft.restricted else ""
    time = iso_ms(at.wall_ms)
    recorded_time = time if recorded is at else iso_ms(recorded.wall_ms)
    before = (
        f'{restricted}"datacontenttype":"application/json",{schema},'
        f'"deviceid":{text(draft.device)},"id":{text(draft.id)}'
    )
    after = (
        f',"monoms":"{at.mono_ms}","prevhash":"{place.previous.hex()}","recordedtime":"{recorded_time}",'
        f'{reissue_of}"sequence":"{sequence(place.seq)}",'
        f'{_source_member(place.org, place.gateway, place.epoch)},"specversion":"1.0",'
        f'"subject":{text(draft.subject)},"time":"{time}",{kind}{unit}}}'
    )
    head = _clock_members(at.boot_id, at.quality, at.error_ms)
    try:
        return b"%b,%b,%b" % (head, draft.data_member(), before.encode()), after.encode()
    except UnicodeEncodeError:
        canonical.check(  # names the place of the lone surrogate
            {
                "deviceid": draft.device,
                "id": draft.id,
                "reissueof": draft.reissue_of,
                "subject": draft.subject,
                "unit": draft.unit,
            }
        )
        raise


@functools.lru_cache(maxsize=16)  # one boot, one quality, and an error that is asked for once a second
def _clock_members(boot_id: str, quality: ClockQuality, error_ms: int | None) -> bytes:
    """An event up to its `data`."""
    members: dict[str, Json] = {"bootid": boot_id, "clockq": quality.value}
    if error_ms is not None:
        members["clockerrms"] = error_ms
    return canonical.encode(members)[:-1]


@functools.lru_cache(maxsize=16)
def _source_member(org: str, gateway: str, epoch: str) -> str:
    return canonical.encode({"source": source(org, gateway, epoch)})[1:-1].decode()


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
