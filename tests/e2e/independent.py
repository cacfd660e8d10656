"""A verifier that shares no code with the product: what the center holds, judged from its bytes.

Canonical form by `rfc8785`, signatures by the Ed25519 primitive, chain and completeness by hand.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class VerdictError(AssertionError):
    """What is wrong with what the center holds."""


def judge(
    wires: Iterable[bytes], receipts: Iterable[tuple[str, int, str, str]], keys: Mapping[str, bytes]
) -> dict[str, int]:
    """Last sequence per epoch; raises `VerdictError` on anything lost, doubled, altered or out of its chain."""
    places: dict[tuple[str, int], tuple[str, str, str]] = {}  # (epoch, seq) -> (id, hash, prevhash)
    for wire in wires:
        event, digest = _verified(wire, keys)
        place = (event["source"].rpartition("/")[2], int(event["sequence"]))
        if place in places:
            raise VerdictError(f"{place} stands twice")
        places[place] = (event["id"], digest, event["prevhash"])
    last: dict[str, int] = {}
    for epoch, seq in places:
        last[epoch] = max(seq, last.get(epoch, 0))
    for epoch, end in last.items():
        previous = "0" * 64
        for seq in range(1, end + 1):
            if (epoch, seq) not in places:
                raise VerdictError(f"gap: {epoch} #{seq} is missing, #{end} is there")
            if places[epoch, seq][2] != previous:
                raise VerdictError(f"{epoch} #{seq} is not chained to the one before")
            previous = places[epoch, seq][1]
    ids = [event_id for event_id, _, _ in places.values()]
    if len(set(ids)) != len(ids):
        raise VerdictError("one fact stands in two places")
    for epoch, seq, event_id, digest in receipts:
        if places.get((epoch, seq), ("", "", ""))[:2] != (event_id, digest):
            raise VerdictError(f"lost: {epoch} #{seq} was receipted and the center does not hold it")
    return last


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
