"""What `zhijiao doctor` looks at on the way to the province: keys, certificates, the broker's address and its TLS.

It does not speak MQTT: a second connection under the gateway's name would end the first.
"""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.cli.answer import Line, Mark
from gateway.config import Config
from gateway.errors import GatewayError
from gateway.keyring import Keys
from gateway.mqtt_bridge import our_certificate
from gateway.tls import client_context

CONNECT_S = 8.0
SOON = timedelta(days=30)


def judge_line(config: Config, now: datetime | None = None) -> Iterator[Line]:
    """Keys, certificates, broker."""
    now = now or datetime.now(UTC)
    yield _keys(config)
    for name, path in (("own certificate", config.uplink.cert_file), ("authority", config.uplink.ca_file)):
        if path is not None:
            yield certificate(name, path, now)
    yield from _broker(config, now)


def _keys(config: Config) -> Line:
    try:
        keys = Keys.load(config)
    except GatewayError as exc:
        return Line(Mark.ATTENTION, "keys", exc.code, str(exc))
    except OSError as exc:
        return Line(Mark.ATTENTION, "keys", "cannot be read", f"{exc.strerror}; run this as root")
    if keys.trust.seal_key() is None:
        todo = (
            "ask the center for its sealing key: until then names and numbers of unknown cards are not sent"
        )
        return Line(Mark.ATTENTION, "keys", "readable; no sealing key of the center", todo)
    mark = Mark.ATTENTION if config.gateway.demo else Mark.OK
    todo = "demonstration keys prove nothing; a center refuses them" if config.gateway.demo else ""
    return Line(mark, "keys", f"readable; signing as {keys.signer.kid}", todo)


def certificate(name: str, path: Path, now: datetime) -> Line:
    """Until when a certificate holds; of a file with several, the one that ends first."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as exc:
        return Line(Mark.ATTENTION, name, f"{path}: {exc.strerror}", "look at its place and owner")
    except ValueError:
        return Line(
            Mark.ATTENTION, name, f"{path} holds no certificate", "it must be PEM: -----BEGIN CERTIFICATE"
        )
    return _until(name, min(one.not_valid_after_utc for one in found), now)


def _until(name: str, end: datetime, now: datetime) -> Line:
    said = f"valid until {end:%Y-%m-%d}"
    if end <= now:
        todo = "the line is refused; enrol anew: zhijiao enroll (and look at the clock)"
        return Line(Mark.ATTENTION, name, said, todo)
    if end - now < SOON:
        days = (end - now).days
        return Line(Mark.ATTENTION, name, f"{said}, {days} days left", _renewal_todo(name))
    return Line(Mark.OK, name, said)


def _renewal_todo(name: str) -> str:
    if name == "own certificate":
        return "an enrolled box renews it by itself at two thirds of its life: is the registrar reached? see the log"
    return "get a new one from the province"


def _broker(config: Config, now: datetime) -> Iterator[Line]:
    broker = config.uplink.broker
    where = f"{broker.host}:{broker.port}"
    try:
        line = socket.create_connection((broker.host, broker.port), CONNECT_S)
    except socket.gaierror:
        todo = "look at the name, and at the name server: resolvectl query " + broker.host
        yield Line(Mark.ATTENTION, "broker", f"{broker.host}: no such name", todo)
        return
    except OSError as exc:
        why = "does not answer" if isinstance(exc, TimeoutError) else exc.strerror or "cannot be reached"
        todo = "check-ins go on and wait on the disk; look at the line, the firewall and the port"
        yield Line(Mark.ATTENTION, "broker", f"{where}: {why}", todo)
        return
    with line:
        yield Line(Mark.OK, "broker", f"{where} answers")
        if broker.tls:
            yield _tls(config, line, now)


def _tls(config: Config, line: socket.socket, now: datetime) -> Line:
    uplink = config.uplink
    try:
        context = client_context(uplink.ca_file, uplink.cert_file, uplink.key_file, None)
    except (OSError, ssl.SSLError) as exc:
        return Line(
            Mark.ATTENTION, "tls", f"the files cannot be used: {exc}", "look at ca_file, cert_file, key_file"
        )
    try:
        with context.wrap_socket(line, server_hostname=uplink.broker.host) as secured:
            der = secured.getpeercert(binary_form=True)
            version = secured.version() or "TLS"
    except ssl.SSLCertVerificationError as exc:
        todo = "is ca_file that of the province, the broker's name right, and this machine's clock set?"
        return Line(Mark.ATTENTION, "tls", exc.verify_message or "not verified", todo)
    except (ssl.SSLError, OSError) as exc:
        told = our_certificate(exc)
        if told is not None:
            return Line(Mark.ATTENTION, "tls", "the broker refuses the certificate of this gateway", told)
        why = getattr(exc, "reason", None) or exc.strerror or "broken off"
        todo = "does the broker ask for a client certificate (cert_file)? is it really MQTT over TLS?"
        return Line(Mark.ATTENTION, "tls", str(why), todo)
    end = x509.load_der_x509_certificate(der or b"").not_valid_after_utc
    judged = _until("tls", end, now)
    return Line(judged.mark, "tls", f"{version}, the broker's certificate is {judged.value}", judged.todo)
