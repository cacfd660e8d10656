"""Keys of a demo: made once into the state folder, marked demo, believed only where a demo was asked for."""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.evidence.keys import DEMO_PREFIX, Role, TrustedKey, load_trust, trust_document

ACK_KID = f"{DEMO_PREFIX}center-ack#1"
OPS_KID = f"{DEMO_PREFIX}center-ops#1"
SEAL_KID = f"{DEMO_PREFIX}center-seal#1"


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """Where the keys of a demo lie."""

    folder: Path
    gateway: str

    @property
    def event_kid(self) -> str:
        """Name of the gateway's event key."""
        return f"{DEMO_PREFIX}{self.gateway}#1"

    @property
    def event_key(self) -> Path:
        """The gateway signs with it."""
        return self.folder / "event.pem"

    @property
    def ack_key(self) -> Path:
        """The center signs acks with it."""
        return self.folder / "center-ack.pem"

    @property
    def ops_key(self) -> Path:
        """The center signs the roster with it."""
        return self.folder / "center-ops.pem"

    @property
    def seal_key(self) -> Path:
        """The center opens sealed fields with it."""
        return self.folder / "center-seal.pem"

    @property
    def hmac_key(self) -> Path:
        """The gateway hashes ID numbers with it."""
        return self.folder / "id-hmac.key"

    @property
    def trust(self) -> Path:
        """Public keys, for both sides."""
        return self.folder / "trust.json"

    def ensure(self) -> None:
        """Make what is missing; keys of an earlier demo stay, so that its events still verify."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.trust.exists():
            self._make_all()
        if not self.ops_key.exists():  # a demo of an earlier release had no roster
            self._add_ops()

    def _make_all(self) -> None:
        event, ack, seal = (
            Ed25519PrivateKey.generate(),
            Ed25519PrivateKey.generate(),
            X25519PrivateKey.generate(),
        )
        self.ops_key.unlink(missing_ok=True)  # one that the new trust file will not name
        for path, key in ((self.event_key, event), (self.ack_key, ack), (self.seal_key, seal)):
            _write_key(path, key)
        write_secret(self.hmac_key, secrets.token_hex(32).encode() + b"\n")
        trusted = (
            TrustedKey(self.event_kid, Role.GATEWAY, self.gateway, event.public_key().public_bytes_raw()),
            TrustedKey(ACK_KID, Role.ACK, None, ack.public_key().public_bytes_raw()),
            TrustedKey(SEAL_KID, Role.SEAL, None, seal.public_key().public_bytes_raw()),
        )
        self._write_trust(trusted)

    def _add_ops(self) -> None:
        ops = Ed25519PrivateKey.generate()
        known = load_trust(self.trust, allow_demo=True).everybody()
        trusted = TrustedKey(OPS_KID, Role.OPERATIONS, None, ops.public_key().public_bytes_raw())
        # The trust file first: without the key's file this is done again, and the newer line counts.
        self._write_trust([*(key for key in known if key.kid != OPS_KID), trusted])
        _write_key(self.ops_key, ops)

    def _write_trust(self, trusted: Iterable[TrustedKey]) -> None:
        # Last and in one step: a demo interrupted before this makes all its keys anew.
        fresh = self.trust.with_suffix(".new")
        fresh.write_text(trust_document(trusted, demo=True))
        fresh.replace(self.trust)


def _write_key(path: Path, key: Ed25519PrivateKey | X25519PrivateKey) -> None:
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def write_secret(path: Path, content: bytes) -> None:
    """Replace a file that only its owner may read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
