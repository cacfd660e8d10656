"""TLS to the broker, on a machine whose clock may not be set.

Ordinarily OpenSSL judges a certificate's dates by the machine's clock. Where that clock cannot be trusted
it checks everything but the dates, and the dates are judged here by the time that is known, as the last
step of the handshake: nothing of ours is sent before.
"""

import select
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509

from gateway.clock import CertificateTime, iso_ms

TellTime: TypeAlias = Callable[[], CertificateTime | None]  # None: the machine's clock will do

VERDICT_S = 0.5  # a round trip; a server that agrees and sends no tickets costs so much at each connection
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME; `ssl` has no name for it
NOT_YET_VALID, EXPIRED = 9, 10  # X509_V_ERR_*, as OpenSSL would say


def client_context(
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    time: CertificateTime | None,
    *,
    authority: str | None = None,
) -> ssl.SSLContext:
    """A context that verifies chain, name and dates; raises OSError or `ssl.SSLError` over the files.

    `authority`: certificates (PEM) to believe instead of a file's.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None, cadata=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Certificates shown later would go past the check of the dates; and a line that wants to read before it
    # can write would be watched for room in vain.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file)
    if time is not None:
        context.verify_flags |= NO_CHECK_TIME
    context.sslsocket_class = _socket_class(time, shows_certificate=cert_file is not None)
    return context


def _socket_class(time: CertificateTime | None, *, shows_certificate: bool) -> type[ssl.SSLSocket]:
    class BrokerSocket(ssl.SSLSocket):
        """Its handshake ends with the judgement of the dates; one that fails leaves no open socket (paho does)."""

        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's signature
            try:
                super().do_handshake(block)
                if time is not None:
                    for der in _verified_chain(self):
                        judge_dates(x509.load_der_x509_certificate(der), time)
                if shows_certificate and self.version() == "TLSv1.3":
                    _hear_verdict(self)
            except BaseException:
                self.close()
                raise

    return BrokerSocket


def _hear_verdict(line: ssl.SSLSocket) -> None:
    """In TLS 1.3 a server judges our certificate after our handshake; raises the `ssl.SSLError` of its refusal.

    One that agrees usually sends session tickets. Whoever speaks first loses the refusal: what we send to a
    line that was closed makes the kernel throw away what had come.
    """
    timeout_s = line.gettimeout()
    if not select.select([line], [], [], VERDICT_S)[0]:
        return
    line.setblocking(False)  # noqa: FBT003 - the library's signature
    try:
        if line.recv(1):
            raise ssl.SSLError(1, "the server spoke before it was spoken to")
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        pass
    finally:
        line.settimeout(timeout_s)


def judge_dates(certificate: x509.Certificate, time: CertificateTime) -> None:
    """Raise what OpenSSL would raise over the dates of one certificate of the chain."""
    at = datetime.fromtimestamp(time.at_ms / 1000, UTC)
    if at > certificate.not_valid_after_utc:
        raise _refusal(EXPIRED, "certificate has expired", certificate.not_valid_after_utc, time)
    # Of a time that is only known to have passed it cannot be said that a certificate is too young: a box
    # that lay on a shelf while the broker's was renewed would never connect again.
    if at < certificate.not_valid_before_utc and not time.passed_only:
        raise _refusal(NOT_YET_VALID, "certificate is not yet valid", certificate.not_valid_before_utc, time)


def _refusal(code: int, text: str, limit: datetime, time: CertificateTime) -> ssl.SSLCertVerificationError:
    by = "a time that has certainly passed" if time.passed_only else "the time from the center"
    refusal = ssl.SSLCertVerificationError(1, f"certificate verify failed: {text}")
    refusal.verify_code = code
    refusal.verify_message = f"{text}: {limit:%Y-%m-%d}, judged at {iso_ms(time.at_ms)}, {by}"
    return refusal


def _verified_chain(sock: ssl.SSLSocket) -> list[bytes]:
    """The certificates by which the peer was believed, leaf first, DER."""
    public: Callable[[], list[bytes]] | None = getattr(sock, "get_verified_chain", None)
    if public is not None:
        return public()
    # Python 3.11 and 3.12 have the same under a private name only.
    inner: Any = sock._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
    return [ssl.PEM_cert_to_DER_cert(found.public_bytes()) for found in inner.get_verified_chain()]
