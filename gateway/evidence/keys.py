"""Keys: the gateway's own, and whose signatures count for what.

The trust file names every public key with its role and, for a gateway's key, its gateway:

    {"v":1,"demo":false,"keys":[{"kid","alg":"EdDSA"|"X25519","public":hex,"role":…,"gw":…|null,"revoked":true?}]}

A revoked key signs nothing new, but it stays in the file: what it signed before is verified with it.

A demo key is marked by its kid (prefix `demo-`), so the mark cannot be lost by copying a file; it
counts only where the program was started for a demo.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.errors import ConfigError, ContractError
from gateway.evidence.chain import prove
from gateway.evidence.jws import FindKey, Signer
from gateway.evidence.succession import KEY_ROTATED, Rotation, Succession, rotation

DEMO_PREFIX = "demo-"


class Role(StrEnum):
    """What a key may do (contract, 4 and 7)."""

    GATEWAY = "gateway"  # signs events and info of one gateway
    ACK = "center-ack"  # signs acks and answers
    OPERATIONS = "center-ops"  # signs config, device, roll call and roster commands
    ROOT = "center-root"  # signs wipe, update, key rotation
    SEAL = "center-seal"  # receives sealed fields (X25519)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One line of the trust file."""

    kid: str
    role: Role
    gateway: str | None
    public: bytes
    revoked: bool = False  # nothing new that it signs is believed

    @property
    def demo(self) -> bool:
        """Made for a demo: counts only where that was asked for."""
        return self.kid.startswith(DEMO_PREFIX)


class HandedOver:
    """Rotations of event keys, and the file in which their events are kept, one a line, as they were signed.

    The file proves itself: each line is an event that a key of before signed.
    """

    def __init__(self, path: Path | None) -> None:
        self.succession = Succession()
        self._path = path
        self._writing = Lock()

    def keep(self, found: Rotation, wire: bytes) -> bool:
        """On disk, then known; whether it was news. Raises `OSError`: then it is not known."""
        with self._writing:
            if self.succession.to(found.gateway, found.new) is not None:
                return False
            if self._path is not None:
                with self._path.open("ab") as file:
                    file.write(wire + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            return self.succession.learn(found)


class TrustStore:
    """Public keys by kid and role."""

    def __init__(
        self, keys: Iterable[TrustedKey], *, allow_demo: bool = False, handed_over: "HandedOver | None" = None
    ) -> None:
        """`handed_over`: keys that these have handed over to, and where that is kept."""
        self.handed_over = handed_over or HandedOver(None)
        self._keys = {key.kid: key for key in keys}
        self._of_gateway: dict[str | None, list[TrustedKey]] = {None: []}  # a center asks with each message
        for key in self._keys.values():
            if key.role is Role.GATEWAY:
                self._of_gateway[None].append(key)
                self._of_gateway.setdefault(key.gateway, []).append(key)
        self._allow_demo = allow_demo
        self._loaded: dict[str, Ed25519PublicKey] = {}  # reading a key takes longer than finding it

    def find(self, role: Role, *, gateway: str | None = None) -> FindKey:
        """A lookup for `jws.verify`, which accepts only keys of `role` (and of `gateway`)."""
        found = self._find(role, gateway)
        if role is not Role.GATEWAY or gateway is None:
            return found
        return self.handed_over.succession.among(gateway, found)

    def _find(self, role: Role, gateway: str | None) -> FindKey:
        def lookup(kid: str) -> Ed25519PublicKey:
            key = self._keys.get(kid)
            if key is None:
                raise ContractError("unknown_kid", f"key {kid[:80]} is not trusted here")
            if key.demo and not self._allow_demo:
                raise ContractError("demo_key", f"key {kid} was made for a demo; this is not one")
            if key.role is not role or (gateway is not None and key.gateway != gateway):
                raise ContractError("wrong_role", f"key {kid} may not sign this")
            if key.revoked:
                raise ContractError("revoked_kid", f"key {kid} was revoked")
            loaded = self._loaded.get(kid)
            if loaded is None:
                loaded = self._loaded[kid] = Ed25519PublicKey.from_public_bytes(key.public)
            return loaded

        return lookup

    def seal_key(self) -> tuple[str, X25519PublicKey] | None:
        """The center's newest sealing key, where there is one and it counts here."""
        for key in reversed(self._keys.values()):
            if key.role is Role.SEAL and not key.revoked and (self._allow_demo or not key.demo):
                return key.kid, X25519PublicKey.from_public_bytes(key.public)
        return None

    def everybody(self) -> tuple[TrustedKey, ...]:
        """All of them, in the order of the file."""
        return tuple(self._keys.values())

    def of_gateway(self, gateway: str | None) -> tuple[TrustedKey, ...]:
        """All event keys of one gateway, those they have handed over to included; None: of every gateway."""
        own = self._of_gateway.get(gateway, [])
        known = {k.kid for k in own}
        return (
            *own,
            *(
                TrustedKey(one.new, Role.GATEWAY, one.gateway, one.public)
                for one in self.handed_over.succession.all(gateway)
                if one.new not in known
            ),
        )


def load_trust(path: Path, *, allow_demo: bool) -> TrustStore:
    """Read a trust file; raises `ConfigError` naming file and entry."""
    try:
        document = json.loads(path.read_bytes())
        keys = [_trusted_key(entry) for entry in document["keys"]]
    except OSError as exc:
        raise ConfigError(
            "trust_file", f"{path}: cannot be read ({exc.strerror}); enrol the gateway first"
        ) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(
            "trust_file", f"{path}: not a trust file ({exc}); write it anew by enrolment"
        ) from exc
    store = TrustStore(keys, allow_demo=allow_demo, handed_over=HandedOver(rotations_path(path)))
    for wire in _kept_rotations(rotations_path(path)):
        with suppress(
            ContractError
        ):  # of a gateway or key that is no longer here, or a line cut off by a power cut
            store.handed_over.succession.learn(proven_rotation(wire, store))
    return store


def rotations_path(trust_file: Path) -> Path:
    """Beside a trust file: the rotations of its keys."""
    return trust_file.with_name(trust_file.name + ".rotations")


def proven_rotation(wire: bytes, store: TrustStore) -> Rotation:
    """The rotation in the bytes of an event, signed by a key that counts; raises `ContractError`."""
    gateway = prove(wire, None).gateway
    link = prove(wire, store.find(Role.GATEWAY, gateway=gateway))
    if link.type != KEY_ROTATED:
        raise ContractError("data", "not a rotation")
    store.handed_over.succession.check_place(gateway, link.kid, link.epoch, link.seq)
    return rotation(link.data, gateway=gateway, kid=link.kid, epoch=link.epoch, seq=link.seq)


def _kept_rotations(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise ConfigError("trust_file", f"{path}: cannot be read ({exc.strerror})") from exc


def _trusted_key(entry: Mapping[str, object]) -> TrustedKey:
    kid, public, gateway, revoked = (
        entry["kid"],
        entry["public"],
        entry.get("gw"),
        entry.get("revoked", False),
    )
    if not isinstance(kid, str) or not isinstance(public, str) or not isinstance(gateway, str | None):
        raise TypeError("kid, public and gw must be text")
    if not isinstance(revoked, bool):
        raise TypeError("revoked must be true or false")
    raw = bytes.fromhex(public)
    if len(raw) != 32:
        raise ValueError(f"public key of {kid} is not 32 bytes")
    return TrustedKey(kid=kid, role=Role(str(entry["role"])), gateway=gateway, public=raw, revoked=revoked)


def key_name(owner: str, public: bytes) -> str:
    """A kid of owner and key: no two sides need to agree on a counter."""
    return f"{owner}#{hashlib.sha256(public).hexdigest()[:8]}"


def trust_document(keys: Iterable[TrustedKey], *, demo: bool) -> str:
    """The trust file with these keys."""
    entries = [
        {
            "kid": key.kid,
            "alg": "X25519" if key.role is Role.SEAL else "EdDSA",
            "public": key.public.hex(),
            "role": key.role.value,
            "gw": key.gateway,
            **({"revoked": True} if key.revoked else {}),
        }
        for key in keys
    ]
    return json.dumps({"v": 1, "demo": demo, "keys": entries}, indent=1) + "\n"


def load_signer(path: Path, kid: str) -> Signer:
    """The signing key of a PEM file (PKCS#8, Ed25519); raises `ConfigError`."""
    key = _load_pem(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("key_file", f"{path}: not an Ed25519 private key (PEM, PKCS#8)")
    return Signer(kid, key)


def load_unsealer(path: Path) -> X25519PrivateKey:
    """The center's private sealing key (PEM, PKCS#8, X25519); raises `ConfigError`."""
    key = _load_pem(path)
    if not isinstance(key, X25519PrivateKey):
        raise ConfigError("key_file", f"{path}: not an X25519 private key (PEM, PKCS#8)")
    return key


def _load_pem(path: Path) -> object:
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except OSError as exc:
        raise ConfigError(
            "key_file", f"{path}: cannot be read ({exc.strerror}); enrol the gateway first"
        ) from exc
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ConfigError("key_file", f"{path}: not an unencrypted PEM private key; enrol anew") from exc
