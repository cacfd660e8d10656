"""TLS for the network: which certificate is shown, and that a renewed one is taken without a restart.

Where the province's certificate cannot be used, HTTPS stays closed until it can, and nothing else is shown instead:
a certificate of our own would look to people exactly like an attack, and they would learn to click it away. The
gateway, and plain HTTP on the box itself, go on. One that has expired is still shown: the browser judges it, by a
clock that is better than this box's may be.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.api import own_certificate
from gateway.errors import StartError

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 10.0
_PEM = "PEM begins with -----BEGIN"
# TLS 1.2 with forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePlan:
    """Where the certificate comes from."""

    folder: Path  # for one of our own
    gateway: str
    names: tuple[str, ...]
    given: tuple[Path, Path] | None = None  # certificate and key of the province


class Https:
    """The context of the listener, and what it shows. Build with `load`; `watch` keeps it current."""

    def __init__(self, plan: CertificatePlan, context: ssl.SSLContext) -> None:
        self.context = context
        self.fingerprint = ""
        self._plan = plan
        self._seen: list[tuple[int, ...]] = []
        self._complaint = ""

    @classmethod
    def load(cls, plan: CertificatePlan, now_ms: int) -> "Https":
        """With a certificate that can be used; raises `StartError`. Reads files. `now_ms`: the best time known."""
        https = cls(plan, server_context())
        https._take(now_ms)
        return https

    async def watch(self, now_ms: Callable[[], int]) -> None:
        """Take what was renewed. For ever. What cannot be used is said once and leaves the old one in place."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            await asyncio.get_running_loop().run_in_executor(None, self.look, now_ms())

    def look(self, now_ms: int) -> None:
        """One look at the files."""
        try:
            self._take(now_ms)
            self._complaint = ""
        except StartError as exc:
            if exc.code != self._complaint:
                log.error("renewed https certificate not taken", extra={"code": exc.code, "remedy": str(exc)})  # noqa: TRY400
            self._complaint = exc.code

    def _take(self, now_ms: int) -> None:
        plan = self._plan
        files = plan.given or own_certificate.ensure(plan.folder, plan.gateway, plan.names, now_ms)
        seen = _marks(files)
        if seen == self._seen:
            return
        # Tried on a context of its own first: one that does not fit would spoil the context in use.
        certificate = _loaded(server_context(), files)
        _loaded(self.context, files)
        self._seen = seen
        self.fingerprint = fingerprint_of(certificate)
        self._tell(certificate, now_ms)

    def _tell(self, certificate: x509.Certificate, now_ms: int) -> None:
        ends = certificate.not_valid_after_utc
        log.info(
            "https certificate",
            extra={
                "sha256": self.fingerprint,
                "ends": f"{ends:%Y-%m-%d}",
                "by": "province" if self._plan.given else "gateway",
            },
        )
        if datetime.fromtimestamp(now_ms / 1000, UTC) > ends:
            log.warning(
                "https certificate has expired",
                extra={"remedy": "browsers will refuse it: renew certificate_file of [api]"},
            )


def server_context() -> ssl.SSLContext:
    """TLS 1.2 and 1.3, without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 as browsers and openssl show it: AB:CD:…"""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _loaded(context: ssl.SSLContext, files: tuple[Path, Path]) -> x509.Certificate:
    """The certificate, now in `context`; raises `StartError`."""
    certificate, key = files
    try:
        read = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except ValueError as exc:
        raise _unusable("certificate_invalid", certificate, "holds no certificate in PEM", _PEM) from exc
    except OSError as exc:
        raise _unreadable(certificate, exc) from exc
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as exc:
        if exc.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            what = f"is not the key of {certificate}"
            raise _unusable(
                "certificate_key_mismatch", key, what, "name the two that belong together"
            ) from exc
        raise _unusable("certificate_key_invalid", key, "holds no private key in PEM", _PEM) from exc
    except ValueError as exc:
        what = "is locked by a password, and nobody is there to type it"
        raise _unusable("certificate_key_invalid", key, what, "run: openssl pkey -in OLD -out NEW") from exc
    except OSError as exc:
        raise _unreadable(key, exc) from exc
    return read


def _marks(files: tuple[Path, Path]) -> list[tuple[int, ...]]:
    """By which a file is known to be another than before; raises `StartError` where it cannot be used."""
    found: list[tuple[int, ...]] = []
    for path in files:
        try:
            status = path.stat()
        except OSError as exc:
            raise _unreadable(path, exc) from exc
        found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode))
    if found[1][-1] & 0o077:
        raise _unusable(
            "certificate_key_mode", files[1], "is secret and others may use it", f"run: chmod 600 {files[1]}"
        )
    return found


def _no_password() -> str:
    raise ValueError("a key with a password")  # else OpenSSL would ask for it on the terminal


def _unreadable(path: Path, exc: OSError) -> StartError:
    return _unusable(
        "certificate_unreadable", path, f"cannot be read ({exc.strerror})", "correct its path or mode"
    )


def _unusable(code: str, path: Path, what: str, todo: str) -> StartError:
    return StartError(code, f"api: https is not served: {path} {what}; {todo}")
