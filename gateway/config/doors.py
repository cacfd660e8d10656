"""Where people, kiosks and terminals reach the gateway: the keys of `[api]` and `[terminals]`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from gateway.config.key import Key
from gateway.config.values import FLAG, HOSTS, HTTPS, LISTEN, PATH, TERMINALS_LISTEN, Address

DEFAULT_LISTEN: Final = Address("127.0.0.1", 8080)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """The pages and interface of the box itself."""

    enabled: Annotated[
        bool,
        Key(
            kind=FLAG,
            what="Serve the pages, the local interface and the metrics.",
            when="false on a box without kiosk and technician page; saves memory.",
        ),
    ] = True
    listen: Annotated[
        Address,
        Key(
            kind=LISTEN,
            what="Where to serve them without encryption; only an address of this machine itself is accepted. "
            "Port 0 takes any free one.",
            when="Where the port is taken.",
        ),
    ] = DEFAULT_LISTEN
    https: Annotated[
        Address | None,
        Key(
            kind=HTTPS,
            what="Where to serve them for the network, by HTTPS only. 0.0.0.0 is every address of this machine.",
            when="Where kiosks or people's computers reach the gateway over the network.",
            default="not served on the network",
            example='"0.0.0.0:8443"',
        ),
    ] = None
    names: Annotated[
        tuple[str, ...],
        Key(
            kind=HOSTS,
            what="Host names and addresses by which others reach the gateway: they stand in the certificate that it "
            "makes for itself, and a request for any other name is refused.",
            when="Together with https; a change makes a new certificate.",
            default="none",
            example='["gateway.lan", "192.168.1.20"]',
        ),
    ] = ()
    certificate_file: Annotated[
        Path | None,
        Key(
            kind=PATH,
            what="Certificate (PEM) for https, followed by those between it and the authority. A renewed file is taken "
            "without a restart.",
            when="Where the province issues one; otherwise the gateway makes its own.",
            default="a certificate of the gateway's own making",
            example='"/etc/zhijiao/tls/https.pem"',
        ),
    ] = None
    certificate_key_file: Annotated[
        Path | None,
        Key(
            kind=PATH,
            what="Private key (PEM) of that certificate. Nobody but its owner may read the file (chmod 600).",
            when="Together with certificate_file.",
            default="a key of the gateway's own making",
            example='"/etc/zhijiao/tls/https-key.pem"',
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalsConfig:
    """Attendance terminals that come by HTTP, on a listener of their own. They can neither encrypt nor sign in."""

    listen: Annotated[
        Address | None,
        Key(
            kind=TERMINALS_LISTEN,
            what="Where terminals reach the gateway; the address on their own isolated network (VLAN or cable), "
            "on which nothing else is. Pages and interface are not served there.",
            when="Together with the first device of a kind terminal.*.",
            default="no listener",
            example='"10.1.2.3:8081"',
        ),
    ] = None
