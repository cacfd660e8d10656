"""HTTPS to the registrar. Blocking: called on a thread of its own.

The box knows the center by the fingerprint of its authority alone. The first connection sends nothing and
looks for a certificate of that fingerprint among those the server shows; the second believes that one and
nothing else, name and chain checked, and only then is anything said. Dates are judged as on the way to the
broker: by a time that has certainly passed where this box's clock is not set, 1970 included.
"""

import http.client
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gateway.clock import CertificateTime
from gateway.errors import ContractError
from gateway.provisioning.code import pin_of
from gateway.provisioning.messages import MAX_BYTES, refusal_from_wire
from gateway.provisioning.refusals import EnrolmentRefused, refused_by_registrar
from gateway.tls import client_context

TIMEOUT_S: Final = 15.0
CONTENT_TYPE: Final = "application/json"


def find_authority(host: str, port: int, pin: bytes) -> str:
    """The certificate (PEM) of this fingerprint that the server shows; raises `EnrolmentRefused`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is said on this connection; what it shows is compared
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with (
            socket.create_connection((host.strip("[]"), port), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host.strip("[]")) as line,
        ):
            shown = _shown_chain(line)
    except (OSError, UnicodeError) as exc:
        raise _failed(f"{host}:{port}", exc) from exc
    for der in shown:
        if pin_of(der) == pin:
            return ssl.DER_cert_to_PEM_cert(der)
    raise EnrolmentRefused(
        "not_our_center",
        f"{host}:{port} is not the center that issued this code: it shows another authority; "
        "compare the address, and tell the center: somebody may stand in between",
    )


def trusting(
    authority: str, time: CertificateTime | None, files: tuple[Path, Path] | None = None
) -> ssl.SSLContext:
    """A context that believes this authority alone; `files`: our certificate and key."""
    cert_file, key_file = files or (None, None)
    context = client_context(None, cert_file, key_file, time, authority=authority)
    context.verify_flags |= (
        ssl.VERIFY_X509_PARTIAL_CHAIN
    )  # the pinned one is the end, also where it has an issuer
    return context


def post(host: str, port: int, path: str, body: bytes, context: ssl.SSLContext) -> bytes:
    """Send one message, get the answer; raises `EnrolmentRefused`."""
    place = f"{host}:{port}"
    connection = http.client.HTTPSConnection(host.strip("[]"), port, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("POST", path, body, {"Content-Type": CONTENT_TYPE, "Connection": "close"})
        with connection.getresponse() as answer:
            content = answer.read(MAX_BYTES + 1)
            if answer.length and len(content) <= MAX_BYTES:  # less came than was announced
                raise http.client.IncompleteRead(content, answer.length)
    except (OSError, UnicodeError, http.client.HTTPException) as exc:
        raise _failed(place, exc) from exc
    finally:
        connection.close()
    if answer.status == http.client.OK and len(content) <= MAX_BYTES:
        return content
    try:
        code = refusal_from_wire(content)
    except ContractError as exc:
        raise EnrolmentRefused(
            "no_registrar",
            f"{place} answers, but not as a center does (HTTP {answer.status}); compare address and port",
        ) from exc
    raise refused_by_registrar(code)


def _failed(place: str, exc: Exception) -> EnrolmentRefused:
    match exc:
        case ssl.SSLCertVerificationError():
            return EnrolmentRefused(
                "server_certificate",
                f"{place}: the center's own certificate is not accepted ({exc.verify_message}); call the center"
                " (the clock of this box needs no setting: dates are judged by a time that has certainly passed)",
            )
        case ssl.SSLError():
            return refused_line(place, exc)
        case socket.gaierror() | UnicodeError():
            return EnrolmentRefused(
                "server_name",
                f"{place}: the name cannot be resolved; check it, the cable and the DNS settings",
            )
        case TimeoutError():
            return EnrolmentRefused("server_silent", f"{place}: no answer; check the address and the network")
        case ConnectionRefusedError():
            return EnrolmentRefused(
                "server_refused", f"{place}: nothing listens there; check address and port"
            )
        case OSError():
            return EnrolmentRefused(
                "server_unreachable", f"{place}: {exc.strerror or 'the connection broke off'}; try again"
            )
    return EnrolmentRefused("server_broken", f"{place}: the answer broke off; try again with the same code")


def refused_line(place: str, exc: ssl.SSLError) -> EnrolmentRefused:
    """The other side ended TLS: over our certificate, or because it is no TLS at all."""
    reason = (exc.reason or "").upper()
    if "CERTIFICATE_EXPIRED" in reason:
        return refused_by_registrar("certificate_expired")
    if "CERTIFICATE_REVOKED" in reason:
        return refused_by_registrar("certificate_revoked")
    if "UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason or "CERTIFICATE_REQUIRED" in reason:
        return refused_by_registrar("certificate_unknown")
    return EnrolmentRefused("server_tls", f"{place}: TLS failed ({exc.reason}); check address and port")


def _shown_chain(line: ssl.SSLSocket) -> list[bytes]:
    """What the server shows, leaf first, DER; nothing of it is verified."""
    public: Callable[[], list[bytes]] | None = getattr(line, "get_unverified_chain", None)
    if public is not None:
        return public()
    # Python 3.11 and 3.12 have the same under a private name only.
    inner: Any = line._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
    return [ssl.PEM_cert_to_DER_cert(found.public_bytes()) for found in inner.get_unverified_chain()]
