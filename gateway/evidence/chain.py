"""Does an event prove itself, and does it hang on the one before? Shared by every verifier of ours.

Three questions, in this order: are the bytes canonical and complete, does the signature hold over them,
and is the event the successor of the one before in its epoch (contract, 2). Pure: bytes in, verdict out.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.errors import ContractError
from gateway.event_types import TYPE_PREFIX
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey

EPOCH_OPENED = "system.epoch_opened"
RANGE_LOST = "system.range_lost"
ANY_KID = "*"  # a key given without a name counts for every kid
_GENESIS = "0" * 64
_SOURCE = re.compile(r"/cc/([0-9]{6})/(gw-[0-9]{6}-[0-9]{2})/e/([0-9a-f]{8})", re.ASCII)
_SEQUENCE = re.compile(r"[0-9]{16}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Link:
    """An event that proves itself, reduced to its place in the chain."""

    org: str
    gateway: str
    epoch: str
    seq: int
    hash: str  # SHA-256 of the signed bytes, hex
    previous: str  # hash of the one before, hex
    type: str  # without prefix
    kid: str
    data: Mapping[str, Json] = field(repr=False)  # may speak of a person


def prove(wire: bytes, find_key: FindKey | None) -> Link:
    """The link in these bytes; without `find_key` the signature is not checked.

    Raises `ContractError`: not_jcs, not_json, unsigned, jws_form, signature, unknown_kid, attribute, ...
    """
    message = canonical.decode(wire)
    signature = message.pop("jws", None)
    if not isinstance(signature, str):
        raise ContractError("unsigned", "event carries no signature")
    payload = canonical.encode(message)
    kid = jws.key_id(signature) if find_key is None else jws.verify(payload, signature, find_key)
    org, gateway, epoch = _parts(_SOURCE, message, "source")
    (sequence,) = _parts(_SEQUENCE, message, "sequence")
    (previous,) = _parts(_HASH, message, "prevhash")
    kind, data = message.get("type"), message.get("data")
    if not isinstance(kind, str) or not int(sequence):
        raise ContractError("attribute", "event has no type or no sequence")
    return Link(
        org=org,
        gateway=gateway,
        epoch=epoch,
        seq=int(sequence),
        hash=hashlib.sha256(payload).hexdigest(),
        previous=previous,
        type=kind.removeprefix(TYPE_PREFIX),
        kid=kid,
        data=data if isinstance(data, dict) else {},
    )


def check_successor(link: Link, before: Link | None) -> None:
    """Raise `ContractError` (genesis, prevhash, order) unless `link` may follow `before`.

    `before` is the event before it in the order of the store or file, of any epoch; None at its beginning
    and behind a hole, where nothing can be said about the link to what is absent.
    """
    first = link.seq == 1
    if first != (link.previous == _GENESIS) or first != (link.type == EPOCH_OPENED):
        raise ContractError(
            "genesis", "an epoch opens with epoch_opened and an empty prevhash at sequence 1, and only there"
        )
    if before is None or before.epoch != link.epoch:
        return
    if link.seq <= before.seq:
        raise ContractError("order", "an event stands twice or out of its order")
    if link.seq == before.seq + 1 and link.previous != before.hash:
        raise ContractError("prevhash", "the event is not chained to the one before")


def check_lineage(link: Link, before: Link) -> None:
    """Raise `ContractError` (lineage) where an epoch's opening contradicts the end of the epoch before it.

    An end beyond what is held is allowed: the card may have forgotten what the gateway still knew.
    """
    previous = link.data.get("previous")
    if not isinstance(previous, dict) or previous.get("epoch") != before.epoch:
        raise ContractError("lineage", "the epoch does not name the one before it")
    last_seq = previous.get("last_seq")
    if not isinstance(last_seq, int) or last_seq < before.seq:
        raise ContractError("lineage", "the epoch names an earlier end of the one before it")
    if last_seq == before.seq and previous.get("last_hash") != before.hash:
        raise ContractError("lineage", "the epoch names another end of the one before it")


def lost_range(link: Link) -> tuple[str, int, int] | None:
    """(epoch, from, to) that an event declares lost; None for any other event."""
    if link.type != RANGE_LOST:
        return None
    epoch, first, last = (link.data.get(name) for name in ("epoch", "from", "to"))
    if isinstance(epoch, str) and isinstance(first, int) and isinstance(last, int) and 1 <= first <= last:
        return epoch, first, last
    return None


def keyring(keys: Mapping[str, bytes]) -> FindKey:
    """A lookup among raw Ed25519 public keys by kid; `ANY_KID` answers for every kid."""
    made = {kid: Ed25519PublicKey.from_public_bytes(raw) for kid, raw in keys.items()}

    def find(kid: str) -> Ed25519PublicKey:
        key = made.get(kid, made.get(ANY_KID))
        if key is None:
            raise ContractError("unknown_kid", f"key {kid[:80]} is not among the keys given")
        return key

    return find


def _parts(form: re.Pattern[str], message: Mapping[str, Json], name: str) -> tuple[str, ...]:
    value = message.get(name)
    match = form.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ContractError("attribute", f"{name} is not of its form")
    return match.groups() or (match[0],)
