"""Which event key counts where: a key hands over to the next by an event that it signs itself.

`system.key_rotated` at (epoch, sequence) names the new key, carries its proof, and the epochs before. From then on
    the old key counts in those epochs, and in this one up to that event
    the new key counts everywhere else
by place and never by clock, so that neither a thief of the old key nor one of the new can write history.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey, b64url, from_b64url

KEY_ROTATED: Final = "system.key_rotated"
MOST_EPOCHS: Final = 1000  # named in one event: 11 bytes each
_USE = "zhijiao/rotate/1"


@dataclass(frozen=True, slots=True)
class Rotation:
    """One key handing over to the next."""

    gateway: str
    old: str  # kid
    new: str  # kid
    public: bytes  # of the new one
    epoch: str
    seq: int  # of the event that says so
    before: frozenset[str]  # epochs that are the old key's altogether

    def is_old(self, epoch: str, seq: int) -> bool:
        """Whether a place is the old key's."""
        return epoch in self.before or (epoch == self.epoch and seq <= self.seq)


def rotation_data(
    gateway: str, old: str, new: str, key: Ed25519PrivateKey, epochs: Iterable[str]
) -> dict[str, Json]:
    """The data of the event; `epochs`: those before the running one, oldest first."""
    named: list[Json] = [*epochs]
    return {
        "old": old,
        "kid": new,
        "alg": "EdDSA",
        "public": key.public_key().public_bytes_raw().hex(),
        "proof": b64url(key.sign(_statement(gateway, old, new))),
        "epochs": named[-MOST_EPOCHS:],
    }


def _parts(data: Mapping[str, Json], gateway: str) -> tuple[str, str, bytes, frozenset[str]]:
    """(old kid, new kid, public key, epochs before); raises `ContractError` (code `data`)."""
    old, new, public, proof, epochs = (data.get(name) for name in ("old", "kid", "public", "proof", "epochs"))
    if not isinstance(old, str) or not isinstance(new, str) or not isinstance(public, str):
        raise ContractError("data", "data of key_rotated lacks old, kid or public")
    if not isinstance(proof, str) or not isinstance(epochs, list) or old == new:
        raise ContractError("data", "data of key_rotated lacks proof or epochs, or names one key twice")
    try:
        raw = bytes.fromhex(public)
        Ed25519PublicKey.from_public_bytes(raw).verify(from_b64url(proof), _statement(gateway, old, new))
    except (ValueError, ContractError, InvalidSignature) as exc:
        raise ContractError("data", "data.proof is not the new key's") from exc
    return old, new, raw, frozenset(str(name) for name in epochs)


def rotation(data: Mapping[str, Json], *, gateway: str, kid: str, epoch: str, seq: int) -> Rotation:
    """From a genuine event that `kid` signed; raises `ContractError` (code `data`)."""
    old, new, public, before = _parts(data, gateway)
    if old != kid:
        raise ContractError("data", "data.old is not the key that signed the event")
    return Rotation(gateway, old, new, public, epoch, seq, before)


class Succession:
    """Rotations that are known. Grows only: `learn` in any order, by any thread."""

    def __init__(self) -> None:
        self._to: dict[tuple[str, str], Rotation] = {}  # (gateway, new kid)
        self._from: dict[tuple[str, str], Rotation] = {}  # (gateway, old kid)
        self._of: dict[str, list[Rotation]] = {}  # by gateway

    def learn(self, found: Rotation) -> bool:
        """Take it up; False where it is known, or where the old key had handed over to another one before."""
        if (found.gateway, found.old) in self._from or (found.gateway, found.new) in self._to:
            return False
        self._to[found.gateway, found.new] = found
        self._from[found.gateway, found.old] = found
        self._of.setdefault(found.gateway, []).append(found)
        return True

    def to(self, gateway: str, kid: str) -> Rotation | None:
        """By what a key came into being; None for one that did not come so."""
        return self._to.get((gateway, kid))

    def all(self, gateway: str | None = None) -> list[Rotation]:
        """Of one gateway, or of all."""
        return list(self._to.values()) if gateway is None else list(self._of.get(gateway, ()))

    def check_place(self, gateway: str, kid: str, epoch: str, seq: int) -> None:
        """Raise `ContractError` (retired_kid, early_kid) where this key does not count there."""
        handed_over, came = self._from.get((gateway, kid)), self._to.get((gateway, kid))
        if handed_over is not None and not handed_over.is_old(epoch, seq):
            raise ContractError("retired_kid", f"key {kid} had handed over before this place")
        if came is not None and came.is_old(epoch, seq):
            raise ContractError("early_kid", f"key {kid} came into being behind this place")

    def among(self, gateway: str, find: FindKey) -> FindKey:
        """`find`, and the keys that those it finds have handed over to."""

        def lookup(kid: str) -> Ed25519PublicKey:
            seen: set[str] = set()
            wanted, found = kid, None
            while (came := self.to(gateway, wanted)) is not None and wanted not in seen:
                seen.add(wanted)
                found = found or came
                wanted = came.old
            key = find(wanted)  # the first of the line must be trusted, and not revoked
            return key if found is None else Ed25519PublicKey.from_public_bytes(found.public)

        return lookup


def _statement(gateway: str, old: str, new: str) -> bytes:
    return canonical.encode({"use": _USE, "gw": gateway, "old": old, "kid": new})
