"""Acks made by hand, right and wrong, with nothing of the product: canonical form, signature, topics."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.e2e.bench_center import GATEWAY


@dataclass(frozen=True, slots=True)
class Pen:
    """Somebody who signs."""

    kid: str
    key: Ed25519PrivateKey

    @classmethod
    def of_file(cls, kid: str, path: Path) -> "Pen":
        key = load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        return cls(kid, key)

    def sign(self, message: Mapping[str, Any]) -> bytes:
        """The message with its detached signature, as it goes out."""
        header = _b64(rfc8785.dumps({"alg": "EdDSA", "kid": self.kid}))
        payload = _b64(rfc8785.dumps(dict(message)))
        signature = _b64(self.key.sign(f"{header}.{payload}".encode()))
        return rfc8785.dumps({**message, "jws": f"{header}..{signature}"})


def ack(*epochs: Mapping[str, Any], gateway: str = GATEWAY) -> dict[str, Any]:
    """The content of an ack."""
    return {"v": 1, "gw": gateway, "epochs": list(epochs), "ts": "2026-11-26T00:00:00.000Z"}


def cursor(epoch: str, upto: int, head: str, **other: Any) -> dict[str, Any]:
    """What an ack says of one epoch."""
    said: dict[str, Any] = {
        "epoch": epoch,
        "upto": f"{upto:016d}",
        "head": head,
        "sack": [],
        "lost": [],
        "rejected_n": 0,
        "rejected": [],
        "blocked": None,
    }
    return {**said, **other}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
