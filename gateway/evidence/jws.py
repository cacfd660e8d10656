"""Detached signatures: JWS compact, payload left out (RFC 7515 appendix F), EdDSA (RFC 8037).

    jws = BASE64URL(JCS of {"alg","kid"}) ".." BASE64URL(signature)
    signed = BASE64URL(header) "." BASE64URL(payload);  payload = canonical bytes of the object without `jws`

A signature has exactly one spelling: the header must be the canonical form of its two members, and
base64url must carry no spare bits, so nobody can alter a message without breaking it.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json

ALG = "EdDSA"
MAX_REMEMBERED = 256  # characters of a header; ours are 60, and a stranger's must not fill the memory
FindKey: TypeAlias = Callable[[str], Ed25519PublicKey]


def b64url(data: bytes) -> str:
    """base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text: str) -> bytes:
    """Inverse of `b64url`; raises `ContractError` (code `jws_form`) for anything but its one spelling."""
    try:
        data = binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    except ValueError as exc:
        raise ContractError("jws_form", "not base64url") from exc
    # This decoder is lenient; that the bytes have no other spelling is what counts.
    if b64url(data) != text:
        raise ContractError("jws_form", "base64url with spare bits or the wrong alphabet")
    return data


class Signer:
    """Signs contract messages with one key."""

    def __init__(self, kid: str, key: Ed25519PrivateKey) -> None:
        self.kid = kid
        self._key = key
        self._header = b64url(canonical.encode({"alg": ALG, "kid": kid}))

    def sign(self, payload: bytes) -> str:
        """The `jws` member for these signed bytes."""
        signature = self._key.sign(_signing_input(self._header, payload))
        return f"{self._header}..{b64url(signature)}"

    def sign_object(self, message: Mapping[str, Json]) -> bytes:
        """Wire bytes of `message` (which has no `jws`) with its signature added."""
        payload = canonical.encode(message)
        return canonical.encode({**message, "jws": self.sign(payload)})

    def is_ours(self, jws: str) -> bool:
        """Whether a signature names this key."""
        return jws.startswith(self._header + "..")

    @property
    def public(self) -> Ed25519PublicKey:
        """The key that verifies."""
        return self._key.public_key()


def key_id(jws: str) -> str:
    """The `kid` that a signature names, unverified; raises `ContractError` (code `jws_form`)."""
    header, _ = _split(jws)
    return _kid_in(header)


def verify(payload: bytes, jws: str, find_key: FindKey) -> str:
    """Check the signature over `payload`; the kid. Raises `ContractError` (jws_form, signature, or find_key's)."""
    header, signature = _split(jws)
    kid = _kid_in(header)
    try:
        find_key(kid).verify(from_b64url(signature), _signing_input(header, payload))
    except InvalidSignature as exc:
        raise ContractError("signature", f"signature by key {kid} does not verify") from exc
    return kid


def open_message(wire: bytes, find_key: FindKey) -> tuple[dict[str, Json], str, bytes]:
    """Verify a whole signed message: (message without `jws`, kid, signed bytes). Raises `ContractError`."""
    message, jws, payload = parts(wire)
    return message, verify(payload, jws, find_key), payload


def parts(wire: bytes) -> tuple[dict[str, Json], str, bytes]:
    """(message without `jws`, its `jws`, signed bytes), nothing verified. Raises `ContractError`."""
    message = canonical.decode(wire)
    jws = message.pop("jws", None)
    if not isinstance(jws, str):
        raise ContractError("unsigned", "message carries no signature")
    return message, jws, canonical.without_text(wire, "jws", jws)


def _kid_in(header: str) -> str:
    """A gateway sends the same header for years: read once, then remembered."""
    return _remembered_kid(header) if len(header) <= MAX_REMEMBERED else _read_kid(header)


@lru_cache(maxsize=1024)  # some keys of every gateway of a province; a refused header is not remembered
def _remembered_kid(header: str) -> str:
    return _read_kid(header)


def _read_kid(header: str) -> str:
    members = canonical.decode(from_b64url(header))
    kid = members.get("kid")
    if set(members) != {"alg", "kid"} or members["alg"] != ALG or not isinstance(kid, str):
        raise ContractError("jws_form", f'jws header is not {{"alg":"{ALG}","kid":…}}')
    return kid


def _signing_input(header: str, payload: bytes) -> bytes:
    return header.encode() + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")


def _split(jws: str) -> tuple[str, str]:
    parts = jws.split(".")
    if len(parts) != 3 or parts[1]:
        raise ContractError("jws_form", "not a detached compact JWS")
    return parts[0], parts[2]
