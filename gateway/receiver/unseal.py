"""Opening sealed fields, for those at the center who may: never printed, never logged, never stored opened."""

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.errors import ContractError
from gateway.evidence import canonical, hpke
from gateway.evidence.canonical import Json
from gateway.evidence.jws import from_b64url
from gateway.evidence.keys import load_unsealer
from gateway.receiver.verify import Event

INFO = b"zhijiao/sealed/1"


def sealed_in(event: Event) -> Mapping[str, Json] | None:
    """The sealed field of an event; None where there is none, or its gateway had no key to seal with."""
    sealed = event.data.get("sealed")
    return sealed if isinstance(sealed, dict) else None


class Unsealer:
    """Holds the center's private sealing keys: the one that gateways seal to now, and those before it."""

    def __init__(self, *keys: X25519PrivateKey) -> None:
        self._keys = keys

    @classmethod
    def load(cls, *paths: Path) -> "Unsealer":
        """From PEM files; raises `ConfigError`."""
        return cls(*(load_unsealer(path) for path in paths))

    def open(self, event: Event) -> dict[str, Json]:
        """What the gateway sealed: it may identify a person.

        Raises `ContractError` (code `sealed`) when there is nothing sealed, when it was sealed to
        another key, or when it was moved here from another event.
        """
        sealed = sealed_in(event)
        if sealed is None or event.id is None:
            raise ContractError("sealed", "event holds no sealed field")
        return self.open_field(sealed, event.gateway, event.id)

    def open_field(self, sealed: Mapping[str, Json], gateway: str, event_id: str) -> dict[str, Json]:
        """The same of a field by itself, and whose it is. Raises `ContractError` (code `sealed`)."""
        enc, ct = sealed.get("enc"), sealed.get("ct")
        if not (isinstance(enc, str) and isinstance(ct, str)):
            raise ContractError("sealed", "sealed field without enc and ct")
        parts = hpke.Sealed(from_b64url(enc), from_b64url(ct))
        refusal = ContractError("sealed", "no sealing key is here")
        for key in self._keys:
            try:
                plain = hpke.unseal(parts, key, info=INFO, aad=f"{gateway}|{event_id}".encode())
            except ContractError as exc:
                refusal = exc
            else:
                return canonical.decode(plain)
        raise refusal
