"""What identifies a person and is not on the roster: a keyed hash for matching, the rest sealed.

Only the center can open a sealed field. `aad` binds it to gateway and event id, so it cannot be moved
to another event; a reissue keeps the id and so the bytes (contract, 2).
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from gateway.errors import ContractError
from gateway.evidence import canonical, hpke
from gateway.evidence.canonical import Json
from gateway.evidence.jws import b64url, from_b64url

INFO = b"zhijiao/sealed/1"


class Sealer:
    """Hashes ID numbers with the gateway's key and seals to the center's."""

    def __init__(self, gateway: str, hmac_key: bytes, center: tuple[str, X25519PublicKey] | None) -> None:
        self._gateway = gateway
        self._hmac_key = hmac_key
        self._center = center

    def number_hash(self, id_number: str) -> str:
        """HMAC-SHA256 (hex) of an ID card number: equal for equal numbers, useless without the key."""
        return self.content_hash(id_number.upper().encode())

    def content_hash(self, content: bytes) -> str:
        """HMAC-SHA256 (hex) of bytes that may identify someone: a plain hash could be guessed back."""
        return hmac.digest(self._hmac_key, content, hashlib.sha256).hex()

    def seal(self, event_id: str, fields: dict[str, Json]) -> dict[str, Json]:
        """Members for `data`: `sealed`, or `sealed: null` with the reason where there is no center key."""
        if self._center is None:
            return {"sealed": None, "why": "no_key"}
        kid, key = self._center
        aad = f"{self._gateway}|{event_id}".encode()
        sealed = hpke.seal(canonical.encode(fields), key, info=INFO, aad=aad)
        return {"sealed": {"kid": kid, "enc": b64url(sealed.enc), "ct": b64url(sealed.ct)}}


def unseal(sealed: dict[str, Json], key: X25519PrivateKey, *, gateway: str, event_id: str) -> dict[str, Json]:
    """The center's half: what `Sealer.seal` closed. Raises `ContractError` (code `sealed`, `jws_form`)."""
    enc, ct = sealed.get("enc"), sealed.get("ct")
    if not (isinstance(enc, str) and isinstance(ct, str)):
        raise ContractError("sealed", "sealed field without enc and ct")
    opened = hpke.Sealed(from_b64url(enc), from_b64url(ct))
    return canonical.decode(hpke.unseal(opened, key, info=INFO, aad=f"{gateway}|{event_id}".encode()))
