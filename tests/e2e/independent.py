"""A verifier that shares no code with the product: what the center holds, judged from its bytes.

Canonical form by `rfc8785`, signatures by the Ed25519 primitive, chain and completeness by hand.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class VerdictError(AssertionError):
    """What is wrong with what the center holds."""


@dataclass(slots=True)
class Weighed:
    """What the center holds, counted. `last` is the highest sequence per epoch."""

    events: int = 0
    receipts: int = 0
    last: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)  # receipted and neither held nor declared lost
    declared: list[str] = field(default_factory=list)  # receipted, not held, declared lost
    gaps: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unchained: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return [*self.doubled, *self.gaps, *self.unchained, *self.lost]

    def __str__(self) -> str:
        return (
            f"receipts {self.receipts}, at the center {self.events}, lost {len(self.lost)}, "
            f"declared lost {len(self.declared)}, gaps {len(self.gaps)}, doubled {len(self.doubled)}, "
            f"out of chain {len(self.unchained)}, epochs {len(self.last)}"
        )


def judge(
    wires: Iterable[bytes], receipts: Iterable[tuple[str, int, str, str]], keys: Mapping[str, bytes]
) -> dict[str, int]:
    """Last sequence per epoch; raises `VerdictError` on anything lost, doubled, altered or out of its chain."""
    weighed = weigh(wires, receipts, keys)
    if weighed.faults:
        raise VerdictError(weighed.faults[0])
    return weighed.last


def weigh(
    wires: Iterable[bytes],
    receipts: Iterable[tuple[str, int, str, str]],
    keys: Mapping[str, bytes],
    *,
    declared: Mapping[str, Sequence[tuple[int, int]]] = MappingProxyType({}),
    every: int = 1,
) -> Weighed:
    """Count what is lost, doubled, missing or out of its chain; an altered or unsigned event raises.

    `declared` are ranges per epoch that the gateway said, signed, it cannot send. Signature and canonical
    form are checked of one event in `every`; place, hash and chain of all.
    """
    result = Weighed()
    places: dict[tuple[str, int], tuple[str, str, str]] = {}  # (epoch, seq) -> (id, hash, prevhash)
    seen: dict[str, tuple[str, int]] = {}
    facts: dict[str, dict[str, Any]] = {}
    held: set[tuple[str, int, str, str]] = set()  # both of a fork
    for wire in wires:
        if result.events % every == 0:
            _verified(wire, keys)
        event, digest = _read(wire)
        result.events += 1
        place = (event["source"].rpartition("/")[2], int(event["sequence"]))
        if place in places:
            result.doubled.append(f"{place} stands twice")
        elif event["id"] in seen and not _reissued(event, place, seen[event["id"]], facts[event["id"]]):
            result.doubled.append(f"one fact stands in two places: {place} and {seen[event['id']]}")
        places[place] = (event["id"], digest, event["prevhash"])
        seen.setdefault(event["id"], place)
        facts.setdefault(event["id"], event)
        held.add((*place, event["id"], digest))
    for epoch, seq in places:
        result.last[epoch] = max(seq, result.last.get(epoch, 0))
    for epoch, end in result.last.items():
        _walk(epoch, end, places, declared.get(epoch, ()), result)
    for epoch, seq, event_id, digest in receipts:
        result.receipts += 1
        if (epoch, seq, event_id, digest) in held:
            continue
        if any(first <= seq <= last for first, last in declared.get(epoch, ())):
            result.declared.append(f"{epoch} #{seq}")
        else:
            result.lost.append(f"lost: {epoch} #{seq} was receipted and the center does not hold it")
    return result


def _reissued(
    event: dict[str, Any], place: tuple[str, int], first: tuple[str, int], told: dict[str, Any]
) -> bool:
    """One fact in two envelopes: the later one names the place of the other and says the same."""
    names = {event.get("reissueof"): first, told.get("reissueof"): place}
    same = all(event[name] == told[name] for name in ("type", "subject", "time", "data", "bootid", "monoms"))
    return same and any(of == f"{epoch}/{seq:016d}" for of, (epoch, seq) in names.items())


def _walk(
    epoch: str,
    end: int,
    places: Mapping[tuple[str, int], tuple[str, str, str]],
    declared: Sequence[tuple[int, int]],
    result: Weighed,
) -> None:
    previous: str | None = "0" * 64
    for seq in range(1, end + 1):
        if (epoch, seq) not in places:
            if not any(first <= seq <= last for first, last in declared):
                result.gaps.append(f"gap: {epoch} #{seq} is missing, #{end} is there")
            previous = None  # whatever comes next hangs on what is not there
            continue
        if previous is not None and places[epoch, seq][2] != previous:
            result.unchained.append(f"{epoch} #{seq} is not chained to the one before")
        previous = places[epoch, seq][1]


def _read(wire: bytes) -> tuple[dict[str, Any], str]:
    """The event and the hash of its signed bytes: canonical bytes without the one member `jws`."""
    event = json.loads(wire)
    jws = event.pop("jws")
    member = b'"jws":' + json.dumps(jws).encode()
    before, found, after = wire.partition(member + b",")
    if not found:
        raise VerdictError("an event is not in canonical form")
    return event, hashlib.sha256(before + after).hexdigest()


def _verified(wire: bytes, keys: Mapping[str, bytes]) -> tuple[dict[str, Any], str]:
    event = json.loads(wire)
    if rfc8785.dumps(event) != wire:
        raise VerdictError("an event is not in canonical form")
    header, empty, signature = event.pop("jws").split(".")
    payload = rfc8785.dumps(event)
    if empty:
        raise VerdictError("a signature carries its payload")
    signed = f"{header}.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}".encode()
    kid = json.loads(_b64(header))["kid"]
    Ed25519PublicKey.from_public_bytes(keys[kid]).verify(_b64(signature), signed)
    return event, hashlib.sha256(payload).hexdigest()


def _b64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
