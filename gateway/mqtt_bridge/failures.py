"""Why there is no connection, or no more: a catalogue key, a text with cause and remedy, what it hints at."""

import socket
import ssl
from dataclasses import dataclass

TAKEN_OVER = 0x8E  # DISCONNECT reason: another client took this session
KEEP_ALIVE_TIMEOUT = 0x8D
FAILURE = 0x80  # reason codes from here on are refusals

# CONNACK codes that say "not this protocol version" or nothing in particular: the other version may do.
# The rest (credentials, banned, busy, moved) say the same on any version.
_VERSION_REFUSALS = frozenset({0x80, 0x81, 0x82, 0x83, 0x84})
_NOT_AUTHORISED = frozenset({0x85, 0x86, 0x87, 0x8A, 0x8C})
_UNAVAILABLE = frozenset({0x88, 0x89, 0x97, 0x9C, 0x9D, 0x9F})


class ConnectFailed(Exception):  # noqa: N818 - named for the condition
    """No connection. `code` is a catalogue key; the marks say what another attempt should do differently."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        other_version: bool = False,  # the other MQTT version may do
        closed_before_connack: bool = False,  # as brokers do that know only the other version
        closed_subscribing: bool = False,  # as brokers do that refuse a topic
    ) -> None:
        super().__init__(message)
        self.code = code
        self.other_version = other_version
        self.closed_before_connack = closed_before_connack
        self.closed_subscribing = closed_subscribing


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a connection ended."""

    code: str
    text: str
    taken_over: bool = False


def refused_by_broker(where: str, reason: int, text: str) -> ConnectFailed:
    """The broker answered the CONNECT with a refusal."""
    code = "protocol"
    if reason in _NOT_AUTHORISED:
        code = "not_authorised"
    elif reason in _UNAVAILABLE:
        code = "server_unavailable"
    return ConnectFailed(
        code,
        f"{where}: broker refused the connection: {text} (0x{reason:02x}); "
        "check client id, certificate and account at the broker",
        other_version=reason in _VERSION_REFUSALS,
    )


# What a broker's TLS says of our certificate, in OpenSSL's words, and what to do about it.
_OUR_CERTIFICATE = {
    "CERTIFICATE_REVOKED": "the center has revoked this box; ask it why, and enrol with a new code",
    "CERTIFICATE_EXPIRED": "it has expired; enrol with a new code (zhijiao enroll)",
    "UNKNOWN_CA": "it comes from another authority; enrol with a new code (zhijiao enroll)",
    "CERTIFICATE_REQUIRED": "none was shown; check [uplink] cert_file, or enrol (zhijiao enroll)",
    "BAD_CERTIFICATE": "it cannot be used there; enrol with a new code (zhijiao enroll)",
    "CERTIFICATE_UNKNOWN": "it cannot be used there; enrol with a new code (zhijiao enroll)",
}


def our_certificate(exc: Exception | None) -> str | None:
    """What a TLS error says of our own certificate: a clause with the remedy; None where it is about something else."""
    if not isinstance(exc, ssl.SSLError) or isinstance(exc, ssl.SSLCertVerificationError):
        return None
    reason = (exc.reason or "").upper().replace(" ", "_")
    return next((told for word, told in _OUR_CERTIFICATE.items() if reason.endswith(word)), None)


def refused_certificate(where: str, told: str) -> ConnectFailed:
    """The broker takes TLS, and not our certificate."""
    return ConnectFailed(
        "certificate", f"{where}: the broker refuses the certificate of this gateway: {told}"
    )


def disconnected(where: str, reason: int, text: str) -> Closed:
    """The connection ended with this DISCONNECT reason."""
    code = {TAKEN_OVER: "taken_over", KEEP_ALIVE_TIMEOUT: "keepalive"}.get(reason, "closed")
    return Closed(code, f"{where}: connection ended: {text}", taken_over=reason == TAKEN_OVER)


def client_failed(where: str, exc: Exception) -> Closed:
    """The MQTT client raised over what the broker sent; only the kind is told, the text may show the packet."""
    return Closed("client_failed", f"{where}: MQTT client failed ({type(exc).__name__})")


def not_dialled(where: str, exc: OSError | UnicodeError) -> ConnectFailed:
    """What an error of dialling means."""
    match exc:
        case ssl.SSLCertVerificationError():
            return ConnectFailed(
                "certificate",
                f"{where}: the broker's certificate is not trusted ({exc.verify_message}); "
                "check [uplink] ca_file, the broker's name and this machine's clock",
            )
        case ssl.SSLError() if (told := our_certificate(exc)) is not None:
            return refused_certificate(where, told)
        case ssl.SSLError():
            return ConnectFailed(
                "tls", f"{where}: TLS failed ({exc.reason}); check cert_file, key_file and the port"
            )
        case ConnectionRefusedError():
            return ConnectFailed("refused", f"{where}: nothing listens there; is the broker up?")
        case TimeoutError():
            return no_answer(where)
        case UnicodeError():  # IDNA: an empty label, one of more than 63 characters, a character it forbids
            return ConnectFailed("dns", f"{where}: that cannot be a host name; check [uplink] broker")
        case socket.gaierror():
            return ConnectFailed(
                "dns",
                f"{where}: the name cannot be resolved ({exc.strerror}); check it and the DNS settings",
            )
    return ConnectFailed("unreachable", f"{where}: {exc.strerror or exc}; check the network")


def no_answer(where: str) -> ConnectFailed:
    """Nothing came back in time."""
    return ConnectFailed("timeout", f"{where}: no answer; check address and network")
