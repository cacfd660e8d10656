"""Keys of a demo: made once into the state folder, marked demo, believed only where a demo was asked for."""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.evidence.keys import DEMO_PREFIX, Role, TrustedKey, trust_document

ACK_KID = f"{DEMO_PREFIX}center-ack#1"
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
        if self.trust.exists():
            return
        event, ack, seal = (
            Ed25519PrivateKey.generate(),
            Ed25519PrivateKey.generate(),
            X25519PrivateKey.generate(),
        )
        for path, key in ((self.event_key, event), (self.ack_key, ack), (self.seal_key, seal)):
            _write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        _write_secret(self.hmac_key, secrets.token_hex(32).encode() + b"\n")
        trusted = (
            TrustedKey(self.event_kid, Role.GATEWAY, self.gateway, event.public_key().public_bytes_raw()),
            TrustedKey(ACK_KID, Role.ACK, None, ack.public_key().public_bytes_raw()),
            TrustedKey(SEAL_KID, Role.SEAL, None, seal.public_key().public_bytes_raw()),
        )
        self._write_trust(trusted)

    def _write_trust(self, trusted: Iterable[TrustedKey]) -> None:
        # Last and in one step: a demo interrupted before this makes all its keys anew.
        fresh = self.trust.with_suffix(".new")
        fresh.write_text(trust_document(trusted, demo=True))
        fresh.replace(self.trust)


def _write_secret(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
