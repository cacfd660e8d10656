"""`zhijiao verify`: an exported file, a dossier or a center's database, judged offline with public keys alone.

Needs no gateway, no store and no network. The keys must come from somewhere else than the file:
from the center's register, from the paper of the acceptance, or from whoever enrolled the gateway.
Three verdicts: integrity, completeness, time. Every event that was changed, moved, repeated, forked, put out of its
order or cut out of its chain is named.
"""

import argparse
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.cli import verify_dossier, verify_export, verify_record
from gateway.cli.answer import describe
from gateway.cli.place import add_json, add_keys, public_keys
from gateway.errors import ConfigError
from gateway.evidence.chain import keyring
from gateway.evidence.jws import FindKey
from gateway.evidence.keys import Role, TrustStore, load_trust
from gateway.proof.dossier import is_dossier
from gateway.receiver.postgres import is_postgres

EXIT_CODES: Mapping[int, str] = {
    0: "genuine and complete (a file: between its ends)",
    1: "genuine, but not every event is there",
    2: "altered, cut off, or not signed by these keys",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "verify",
        summary="judge a file or a database offline (校验)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument(
        "file",
        type=_file_or_database,
        metavar="FILE",
        help="what zhijiao outbox export or zhijiao dossier wrote, or what zhijiao receive has as --db",
    )
    add_keys(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify and tell; raises `GatewayError`."""
    keys = public_keys(args.key, args.trust)
    if not keys:
        raise ConfigError(
            "no_key", "name the gateway's public key with --key or --trust; it is the one thing needed"
        )
    given = keyring(public_keys(args.key, None))
    trust = None if args.trust is None else load_trust(args.trust, allow_demo=True)
    keys_of = lru_cache(maxsize=None)(lambda gateway: _finder(given, trust, Role.GATEWAY, gateway))
    head = b"" if isinstance(args.file, str) else _head(args.file)
    if isinstance(args.file, str) or head.startswith(verify_record.MAGIC):
        return verify_record.run(args, keys_of)
    if is_dossier(head):
        return verify_dossier.run(args, keys_of, _finder(given, trust, Role.ACK, None))
    return verify_export.run(args, keyring(keys), keys_of)


def _finder(given: FindKey, trust: TrustStore | None, role: Role, gateway: str | None) -> FindKey:
    """A trust file says whose key is whose; one that is given by hand counts for everybody."""
    named = frozenset() if trust is None else frozenset(key.kid for key in trust.everybody())

    def find(kid: str) -> Ed25519PublicKey:
        if trust is not None and kid in named:
            return trust.find(role, gateway=gateway)(kid)
        return given(kid)

    return find


def _file_or_database(text: str) -> Path | str:
    """A file, or the URL of a database that is none."""
    return text if is_postgres(text) else Path(text)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as exc:
        raise ConfigError("file_unreadable", f"{path}: {exc.strerror}; name a file to verify") from exc
