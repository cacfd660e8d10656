"""The certificate that the gateway makes for itself, where the province gives it none.

Its dates must be right for those who look at it, whatever the clock of this box says: it begins when the software
was made, which has passed, and ends years after the best time that is known here. Its fingerprint is what a
technician compares once at each computer; so it is made anew only when it must be.
"""

import ipaddress
import logging
import os
import re
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway import RELEASED_MS
from gateway.errors import StartError

log = logging.getLogger(__name__)

CERTIFICATE_FILE = "https-certificate.pem"
KEY_FILE = "https-key.pem"
LIFE = timedelta(days=5 * 365)
RENEWED_BEFORE = timedelta(days=90)
BEGINS = datetime.fromtimestamp(RELEASED_MS / 1000, UTC) - timedelta(days=1)
HERE = ("localhost", "127.0.0.1", "::1")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_MOST = 65_536  # bytes of a file that is read


def ensure(folder: Path, gateway: str, names: Collection[str], now_ms: int) -> tuple[Path, Path]:
    """(certificate, key) for these names, made now where there is none that will do. Raises `StartError`."""
    certificate, key = folder / CERTIFICATE_FILE, folder / KEY_FILE
    why = _why_not(certificate, key, names, now_ms)
    if why is not None:
        try:
            _make(certificate, key, gateway, [*names, *_found_names()], now_ms)
        except OSError as exc:
            raise StartError(
                "certificate_unwritable",
                f"api: the certificate for https cannot be written to {folder} ({exc.strerror}); see to the disk",
            ) from exc
        log.info("https certificate made", extra={"reason": why})
    return certificate, key


def _why_not(certificate: Path, key: Path, names: Iterable[str], now_ms: int) -> str | None:
    """Why what is there will not do; None when it does."""
    try:
        there = x509.load_pem_x509_certificate(_read(certificate))
        private = serialization.load_pem_private_key(_read(key), None)
    except FileNotFoundError:
        return "first_start"
    except (OSError, ValueError, TypeError):
        return "unreadable"
    if there.public_key() != private.public_key():
        return "other_key"
    if not {_general(name) for name in names} <= set(_alternative_names(there)):
        return "other_names"
    if datetime.fromtimestamp(now_ms / 1000, UTC) > there.not_valid_after_utc - RENEWED_BEFORE:
        return "ends_soon"
    return None


def _make(certificate: Path, key: Path, gateway: str, names: Iterable[str], now_ms: int) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway)])
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINS)
        .not_valid_after(max(now, BEGINS) + LIFE)
        .add_extension(x509.SubjectAlternativeName(_generals(names)), critical=False)
        # Whoever trusts it trusts this box as a server, and nothing that it might sign.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    # The key first: with the old certificate it does not match, and both are made again.
    _replace(
        key,
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    _replace(certificate, made.public_bytes(serialization.Encoding.PEM))


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:  # noqa: PTH123 - a handle, made with its mode
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _found_names() -> list[str]:
    """What else may lead here. Only when a certificate is made: an address that changes must not remake it."""
    found = [*HERE]
    host = socket.gethostname().lower()
    if _NAME.fullmatch(host):
        found.append(host)
    # No packet is sent: the system only says from which address one would go out.
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found.append(probe.getsockname()[0])
    return found


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _generals(names: Iterable[str]) -> list[x509.GeneralName]:
    return list(dict.fromkeys(_general(name) for name in names))


def _alternative_names(certificate: x509.Certificate) -> Iterable[x509.GeneralName]:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST)
