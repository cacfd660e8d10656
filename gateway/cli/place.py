"""Which store, which keys: the options that several commands share, and what they lead to."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.config import Config
from gateway.config.model import DEFAULT_PATH
from gateway.errors import ConfigError
from gateway.evidence.chain import ANY_KID
from gateway.evidence.jws import Signer
from gateway.evidence.keys import load_signer, load_trust
from gateway.store.checking import FIX_DAYS
from gateway.store.reading import STORE_FILE

KEY_HEX = 64  # digits of an Ed25519 public key


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and the configuration it belongs to where there is one."""

    store: Path
    config: Config | None

    @property
    def gateway(self) -> str | None:
        """Whose events are expected; None: those of any one gateway."""
        return None if self.config is None else self.config.gateway.id

    @property
    def fix_days(self) -> int:
        """How long settled tracker positions stay here."""
        return FIX_DAYS if self.config is None else self.config.store.retention_fix_days


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare --config and --store."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    group.add_argument(
        "--store", type=Path, metavar="FILE", help="the store's file itself, without configuration"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, errors too")


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Declare --key and --trust."""
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="KEY",
        help="public key of the gateway: a PEM file, 64 hex digits, or KID=HEX; may be repeated",
    )
    parser.add_argument(
        "--trust", type=Path, metavar="FILE", help="trust file with the gateway's public keys"
    )


def find_place(args: argparse.Namespace) -> Place:
    """What --config or --store names; raises `ConfigError`."""
    if args.store is not None:
        return Place(args.store, None)
    return configured_place(args.config)


def configured_place(path: Path) -> Place:
    """The store of a configuration; the files it names need not be there. Raises `ConfigError`."""
    # The drivers' names, so that an unknown device kind is told as by `run`; nothing of them is loaded.
    from gateway.config import load_without_files

    config = load_without_files(path)
    return Place(config.gateway.state_dir / STORE_FILE, config)


def public_keys(keys: Sequence[str], trust: Path | None, gateway: str | None = None) -> dict[str, bytes]:
    """Raw public keys by kid from --key and --trust; raises `ConfigError`."""
    found = dict(_given_key(text) for text in keys)
    if trust is not None:
        # Integrity is asked here, not authority: a demo's events verify with a demo's keys.
        store = load_trust(trust, allow_demo=True)
        found |= {key.kid: key.public for key in store.of_gateway(gateway)}
    return found


def own_keys(config: Config) -> dict[str, bytes]:
    """The gateway's event keys by kid: those of its trust file, and the one it signs with now."""
    found = {}
    if config.keys.trust_file.exists():
        found = public_keys((), config.keys.trust_file, config.gateway.id)
    if not found or config.keys.event_key_file.exists():
        signer = own_signer(config)
        found[signer.kid] = signer.public.public_bytes_raw()
    return found


def own_signer(config: Config) -> Signer:
    """The key the gateway signs with; raises `ConfigError`."""
    return load_signer(config.keys.event_key_file, config.keys.event_kid)


def _given_key(text: str) -> tuple[str, bytes]:
    kid, _, digits = text.rpartition("=")
    if len(digits) == KEY_HEX:
        try:
            return kid or ANY_KID, bytes.fromhex(digits)
        except ValueError:
            pass
    return ANY_KID, _pem_key(Path(text))


def _pem_key(path: Path) -> bytes:
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as exc:
        raise ConfigError(
            "key_file",
            f"--key {path}: cannot be read ({exc.strerror}); give a PEM file, 64 hex digits or KID=HEX",
        ) from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ConfigError(
            "key_file", f"--key {path}: not a public key in PEM; make one with openssl pkey -pubout"
        ) from exc
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("key_file", f"--key {path}: not an Ed25519 key; take the gateway's event key")
    return key.public_bytes_raw()
