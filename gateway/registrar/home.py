"""The folder of a center: its authority, its keys, its book, and the files that others read.

center.json           where the registrar and the brokers are, public halves of the center's keys
ca.pem ca-key.pem     the authority                                                      0400
keys/*.pem            ack, operations, root, sealing: private. Operations and root belong elsewhere once
                      the center is made, root on a medium in a safe                      0400
registrar.pem …-key   what the registrar shows; renewed at each start that needs it       0400
client/               certificate and key of the receiver at the broker                   0400
mosquitto/            ca.pem server.crt server.key crl.pem, as center.conf names them
trust.json            whom the receiver believes; written from the book
enrolments.db         the book (`models`)
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.config.values import BROKER, BadValue, Broker
from gateway.errors import ConfigError, StoreRefused
from gateway.evidence.keys import Role, TrustedKey, key_name, trust_document
from gateway.registrar.authority import SERVER_LIFE, Authority, pem_of

CERTIFICATE_LIFE: Final = timedelta(days=90)
FACTS: Final = "center.json"
KEY_FILES: Final[Mapping[Role, str]] = {
    Role.ACK: "ack-key.pem",
    Role.OPERATIONS: "ops-key.pem",
    Role.ROOT: "root-key.pem",
    Role.SEAL: "seal-key.pem",
}
PRIVATE, PUBLIC = 0o400, 0o644
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a new center is told."""

    name: str  # of the authority, for people
    host: str  # of the registrar, as boxes reach it
    port: int
    brokers: tuple[Broker, ...]
    receiver: str = "center"  # name of the receiver at the broker
    life: timedelta = CERTIFICATE_LIFE


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """One center. Build with `Home.load`."""

    folder: Path
    host: str
    port: int
    brokers: tuple[Broker, ...]
    keys: tuple[TrustedKey, ...]
    authority: str  # PEM
    life: timedelta  # of a gateway's certificate

    @classmethod
    def load(cls, folder: Path) -> "Home":
        """Read it; raises `ConfigError`. No private key is touched."""
        try:
            facts = json.loads((folder / FACTS).read_bytes()[:_MAX_BYTES])
            keys = tuple(
                TrustedKey(
                    kid=str(entry["kid"]),
                    role=Role(entry["role"]),
                    gateway=None,
                    public=bytes.fromhex(entry["public"]),
                )
                for entry in facts["keys"]
            )
            return cls(
                folder=folder,
                host=str(facts["host"]),
                port=int(facts["port"]),
                brokers=tuple(BROKER.parse(entry) for entry in facts["brokers"]),
                keys=keys,
                life=timedelta(seconds=int(facts["certificate_life_s"])),
                authority=(folder / "ca.pem").read_text(),
            )
        except OSError as exc:
            raise ConfigError(
                "center_home",
                f"{folder}: {exc.strerror}; make a center first: zhijiao center init --home {folder}",
            ) from exc
        except (ValueError, KeyError, TypeError, BadValue) as exc:
            raise ConfigError("center_home", f"{folder / FACTS}: damaged; put it back from a backup") from exc

    @property
    def book(self) -> Path:
        """The database."""
        return self.folder / "enrolments.db"

    @property
    def trust(self) -> Path:
        """Whom the receiver believes."""
        return self.folder / "trust.json"

    @property
    def revocation_list(self) -> Path:
        """For the brokers."""
        return self.folder / "mosquitto" / "crl.pem"

    def key_file(self, role: Role) -> Path:
        """Where the private key of a role was put when the center was made."""
        return self.folder / "keys" / KEY_FILES[role]

    def kid(self, role: Role) -> str:
        """The name of the key of a role."""
        return next(key.kid for key in self.keys if key.role is role)

    def open_authority(self) -> Authority:
        """With its key; raises `ConfigError`."""
        try:
            return Authority.load(
                (self.folder / "ca.pem").read_bytes(), (self.folder / "ca-key.pem").read_bytes()
            )
        except OSError as exc:
            raise ConfigError(
                "center_home",
                f"{self.folder}: the authority's key cannot be read ({exc.strerror}); "
                "run this as the owner of the folder",
            ) from exc
        except ValueError as exc:
            raise ConfigError("center_home", f"{self.folder}: ca.pem and ca-key.pem: {exc}") from exc

    def registrar_files(self, now: datetime) -> tuple[Path, Path]:
        """(certificate with the authority, key) that the registrar shows; made anew in its last third."""
        certificate, key = self.folder / "registrar.pem", self.folder / "registrar-key.pem"
        try:
            shown = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
            fresh = shown.not_valid_after_utc - now > SERVER_LIFE / 3
        except (OSError, ValueError, IndexError):
            fresh = False
        if not fresh:
            issue_server(self.open_authority(), [self.host], (certificate, key), now, chain=True)
        return certificate, key

    def write_trust(self, event_keys: Iterable[TrustedKey]) -> None:
        """Whom the receiver believes from now on; raises `StoreRefused`."""
        replace_file(self.trust, trust_document([*self.keys, *event_keys], demo=False).encode(), PUBLIC)


def make_home(folder: Path, plan: Plan, now: datetime) -> None:
    """Make a new center, whole or not at all; raises `ConfigError` (center_exists), `StoreRefused`."""
    if (folder / FACTS).exists():
        raise ConfigError("center_exists", f"{folder} holds a center already; nothing is overwritten")
    authority, ca_key = Authority.make(plan.name, now)
    with refusing(folder):
        for below in (folder, folder / "keys", folder / "client", folder / "mosquitto"):
            below.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(folder / "ca-key.pem", _pem(ca_key), PRIVATE)
    replace_file(folder / "ca.pem", authority.pem.encode(), PUBLIC)
    keys = [_make_key(folder, role) for role in KEY_FILES]
    mosquitto = folder / "mosquitto"
    issue_server(
        authority,
        [broker.host for broker in plan.brokers],
        (mosquitto / "server.crt", mosquitto / "server.key"),
        now,
    )
    replace_file(mosquitto / "ca.pem", authority.pem.encode(), PUBLIC)
    replace_file(mosquitto / "crl.pem", authority.revocation_list([], 1, now).encode(), PUBLIC)
    issue_client(
        authority,
        plan.receiver,
        (folder / "client" / "client.pem", folder / "client" / "client-key.pem"),
        now,
    )
    replace_file(folder / "trust.json", trust_document(keys, demo=False).encode(), PUBLIC)
    facts = {
        "v": 1,
        "host": plan.host,
        "port": plan.port,
        "brokers": [str(broker) for broker in plan.brokers],
        "certificate_life_s": int(plan.life.total_seconds()),
        "keys": [{"kid": key.kid, "role": key.role.value, "public": key.public.hex()} for key in keys],
    }
    replace_file(folder / FACTS, json.dumps(facts, indent=1).encode(), PUBLIC)  # last: now it is one


def issue_server(
    authority: Authority,
    hosts: Sequence[str],
    files: tuple[Path, Path],
    now: datetime,
    *,
    chain: bool = False,
) -> None:
    """A certificate for these names with a new key, into (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = pem_of(authority.certify_server(key.public_key(), hosts, now))
    replace_file(files[1], _pem(key), PRIVATE)
    replace_file(files[0], (made + (authority.pem if chain else "")).encode(), PUBLIC)


def issue_client(authority: Authority, name: str, files: tuple[Path, Path], now: datetime) -> None:
    """A certificate for a client of the broker that is no gateway."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = authority.certify_client(key.public_key(), name, None, now, SERVER_LIFE)
    replace_file(files[1], _pem(key), PRIVATE)
    replace_file(files[0], pem_of(made).encode(), PUBLIC)


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """On disk, whole, when it returns; raises `StoreRefused`."""
    beside = path.with_name(path.name + ".new")
    with refusing(path):
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """What the disk refuses becomes a `StoreRefused` that names it."""
    try:
        yield
    except OSError as exc:
        raise StoreRefused(
            "center_io", f"{path}: {exc.strerror}; the owner of the folder must run this"
        ) from exc


def _make_key(folder: Path, role: Role) -> TrustedKey:
    key = X25519PrivateKey.generate() if role is Role.SEAL else Ed25519PrivateKey.generate()
    replace_file(folder / "keys" / KEY_FILES[role], _pem(key), PRIVATE)
    public = key.public_key().public_bytes_raw()
    return TrustedKey(kid=key_name(role.value, public), role=role, gateway=None, public=public)


def _pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
