"""What `data` must hold, for the types that the center itself acts upon; others are stored as they are.

A wrong or missing member that the center needs makes the event rejected. A member that no rule knows
makes it "not understood": boxes are updated before the center.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import ContractError
from gateway.event_types import TYPES
from gateway.evidence.canonical import Json
from gateway.evidence.jws import from_b64url

EPOCH_OPENED = "system.epoch_opened"
RANGE_LOST = "system.range_lost"
PROFILES = frozenset({"intl"})  # what this center can verify
MAX_SEQ = 10**16 - 1  # 16 digits
MAX_TEXT = 256  # characters of a reason or a software version

_EPOCH = re.compile(r"[0-9a-f]{8}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SEQUENCE = re.compile(r"[0-9]{16}", re.ASCII)
_MEMBERS: Mapping[str, frozenset[str]] = {
    EPOCH_OPENED: frozenset({"reason", "profile", "software", "previous"}),
    RANGE_LOST: frozenset({"epoch", "from", "to", "reason"}),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a gateway says, signed, of the end of an epoch."""

    epoch: str
    last_seq: int
    last_hash: bytes


@dataclass(frozen=True, slots=True)
class LostRange:
    """What a gateway says, signed, that it can never send."""

    epoch: str
    first: int
    last: int
    reason: str


def is_known(name: str, major: int) -> bool:
    """Whether this center knows the type in this version."""
    return TYPES.get(name) == major


def understood(name: str, data: Mapping[str, Json]) -> bool:
    """Whether every member of a known type's data that has rules is known."""
    members = _MEMBERS.get(name)
    if members is not None and not data.keys() <= members:
        return False
    return name != EPOCH_OPENED or data.get("profile") in PROFILES


def check(name: str, data: Mapping[str, Json]) -> None:
    """Raise `ContractError` (code `data`) where `data` of a known type breaks a rule."""
    if name == EPOCH_OPENED:
        for member in ("reason", "profile", "software"):
            _text(data, member)
        previous(data)
    elif name == RANGE_LOST:
        lost_range(data)
    _check_sealed(data)


def previous(data: Mapping[str, Json]) -> Claim | None:
    """The end of the epoch before, from the data of `system.epoch_opened`."""
    if "previous" not in data:
        raise ContractError("data", "data.previous is missing")
    value = data["previous"]
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ContractError("data", "data.previous is not an object")
    return claim(value, "data.previous.")


def claim(value: Mapping[str, Json], where: str) -> Claim:
    """`{epoch, last_seq, last_hash}`, as in an event and in `info`."""
    hash_text = value.get("last_hash")
    if not (isinstance(hash_text, str) and _HASH.fullmatch(hash_text)):
        raise ContractError("data", f"{where}last_hash is not a SHA-256 in lower-case hex")
    return Claim(
        epoch(value.get("epoch"), f"{where}epoch"),
        seq(value.get("last_seq"), f"{where}last_seq"),
        bytes.fromhex(hash_text),
    )


def lost_range(data: Mapping[str, Json]) -> LostRange:
    """The data of `system.range_lost`."""
    first, last = seq(data.get("from"), "data.from"), seq(data.get("to"), "data.to")
    if not 1 <= first <= last:
        raise ContractError("data", "data.from is not a sequence, or is behind data.to")
    return LostRange(epoch(data.get("epoch"), "data.epoch"), first, last, _text(data, "reason"))


def seq(value: Json, where: str) -> int:
    """A sequence, or 0 for none: a number, or the 16 digits used on the wire."""
    if isinstance(value, str) and _SEQUENCE.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEQ:
        return value
    raise ContractError("data", f"{where} is not a sequence")


def epoch(value: Json, where: str) -> str:
    """The name of an epoch."""
    if isinstance(value, str) and _EPOCH.fullmatch(value):
        return value
    raise ContractError("data", f"{where} is not an epoch of 8 hex digits")


def _text(data: Mapping[str, Json], member: str) -> str:
    value = data.get(member)
    if isinstance(value, str) and 0 < len(value) <= MAX_TEXT:
        return value
    raise ContractError("data", f"data.{member} is not text of at most {MAX_TEXT} characters")


def _check_sealed(data: Mapping[str, Json]) -> None:
    """`sealed` is null with a reason, or kid, encapsulated key and cipher text."""
    sealed = data.get("sealed")
    if sealed is None:
        return
    if not isinstance(sealed, dict):
        raise ContractError("data", "data.sealed is not an object")
    for member in ("kid", "enc", "ct"):
        value = sealed.get(member)
        if not isinstance(value, str):
            raise ContractError("data", f"data.sealed.{member} is missing")
        if member != "kid":
            try:
                from_b64url(value)
            except ContractError as exc:
                raise ContractError("data", f"data.sealed.{member} is {exc}") from exc
