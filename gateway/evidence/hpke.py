"""HPKE base mode, single shot (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

Written here because the contract binds a sealed field to its event through `aad`, and the single-shot
HPKE of `cryptography` offers only `info`. All primitives are that library's. The tests hold this
against `cryptography` (empty aad) and against an unrelated implementation (with aad).
"""

import hashlib
import hmac
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import ContractError

_KEM = b"KEM\x00\x20"  # suite id of DHKEM(X25519, HKDF-SHA256), RFC 9180, 7.1
_SUITE = b"HPKE\x00\x20\x00\x01\x00\x02"  # + HKDF-SHA256 (7.2) + AES-256-GCM (7.3)
_KEY_LEN = 32
_NONCE_LEN = 12


class Sealed(NamedTuple):
    """An encapsulated key and the cipher text with its tag."""

    enc: bytes
    ct: bytes


def seal(
    plaintext: bytes,
    to: X25519PublicKey,
    *,
    info: bytes,
    aad: bytes,
    ephemeral: X25519PrivateKey | None = None,
) -> Sealed:
    """Encrypt to the holder of `to`. `ephemeral` is for test vectors only: a fresh one is made otherwise."""
    ephemeral = ephemeral or X25519PrivateKey.generate()
    enc = ephemeral.public_key().public_bytes_raw()
    shared = _shared(ephemeral.exchange(to), enc, to.public_bytes_raw())
    key, nonce = _schedule(shared, info)
    return Sealed(enc, AESGCM(key).encrypt(nonce, plaintext, aad))


def unseal(sealed: Sealed, key: X25519PrivateKey, *, info: bytes, aad: bytes) -> bytes:
    """Decrypt; raises `ContractError` (code `sealed`) when key, info, aad or bytes do not belong together."""
    try:
        shared_point = key.exchange(X25519PublicKey.from_public_bytes(sealed.enc))
    except ValueError as exc:
        raise ContractError("sealed", "sealed field holds no usable encapsulated key") from exc
    aes_key, nonce = _schedule(_shared(shared_point, sealed.enc, key.public_key().public_bytes_raw()), info)
    try:
        return AESGCM(aes_key).decrypt(nonce, sealed.ct, aad)
    except InvalidTag as exc:
        raise ContractError(
            "sealed", "sealed field does not open: altered, or sealed for another key"
        ) from exc


def _shared(dh: bytes, enc: bytes, recipient: bytes) -> bytes:
    """ExtractAndExpand of RFC 9180, 4.1."""
    eae_prk = _labeled_extract(b"", _KEM, b"eae_prk", dh)
    return _labeled_expand(eae_prk, _KEM, b"shared_secret", enc + recipient, _KEY_LEN)


def _schedule(shared: bytes, info: bytes) -> tuple[bytes, bytes]:
    """KeySchedule of RFC 9180, 5.1, base mode: (key, base nonce)."""
    context = b"\x00" + _labeled_extract(b"", _SUITE, b"psk_id_hash", b"")
    context += _labeled_extract(b"", _SUITE, b"info_hash", info)
    secret = _labeled_extract(shared, _SUITE, b"secret", b"")
    return (
        _labeled_expand(secret, _SUITE, b"key", context, _KEY_LEN),
        _labeled_expand(secret, _SUITE, b"base_nonce", context, _NONCE_LEN),
    )


def _labeled_extract(salt: bytes, suite: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, hashlib.sha256)


def _labeled_expand(prk: bytes, suite: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labeled = length.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labeled + b"\x01", hashlib.sha256)[:length]  # length <= 32: one block of HKDF
