"""What a value of the configuration may look like. Each kind parses one TOML value into its final type.

A refused value is described, not quoted, unless it cannot be a secret.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.config.problems import nearest

T_co = TypeVar("T_co", covariant=True)
MAX_PATH = 4096  # bytes, PATH_MAX of Linux
MQTT_PORT, MQTTS_PORT = 1883, 8883  # registered with IANA
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})", re.ASCII)


class BadValue(Exception):  # noqa: N818 - named for the condition
    """A value does not fit its key."""

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """One sort of value: how it is named in the documentation, and how it is parsed."""

    text: str
    parse: Callable[[object], T_co]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @property
    def is_any(self) -> bool:
        """Every address of this machine."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104 - it is compared, not opened

    def __str__(self) -> str:
        return _joined(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is."""

    host: str
    port: int
    tls: bool

    @property
    def loopback(self) -> bool:
        """It runs on this machine: nothing on the way can listen."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{_joined(self.host, self.port)}"


def is_loopback(host: str) -> bool:
    """This machine by name or number."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def text(pattern: str, form: str) -> Kind[str]:
    """A string that wholly matches `pattern`; `form` says so in words."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise BadValue(f"must be {form}, not {_toml_type(value)}", _quote_it(value))
        if compiled.fullmatch(value) is None:
            raise BadValue(f"must be {form}")
        return value

    return Kind(form, parse)


def texts(pattern: str, form: str) -> Kind[tuple[str, ...]]:
    """A list of strings that each wholly match `pattern`, none twice."""
    compiled = re.compile(pattern, re.ASCII)
    whole = f"a list of {form}"

    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise BadValue(f"must be {whole}, not {_toml_type(value)}", 'write it like ["one", "two"]')
        if not all(isinstance(one, str) and compiled.fullmatch(one) for one in value):
            raise BadValue(f"must be {whole}")
        if len(set(value)) < len(value):
            raise BadValue("names one twice", "name each once")
        return tuple(value)

    return Kind(whole, parse)


def _timezone(value: object) -> str:
    if not isinstance(value, str):
        raise BadValue(
            f"must be the name of a time zone in quotes, not {_toml_type(value)}", _quote_it(value)
        )
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadValue(
            "is no time zone that this machine knows", "write Asia/Shanghai, or install the package tzdata"
        ) from None


TIMEZONE: Kind[str] = Kind("the name of a time zone in quotes", _timezone)


def choice(*allowed: str) -> Kind[str]:
    """One of a few words."""
    form = " or ".join(f'"{word}"' for word in allowed)

    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise BadValue(f"must be {form}, not {_toml_type(value)}", _quote_it(value))
        if value not in allowed:
            raise BadValue(f"must be {form}", nearest(value, allowed))
        return value

    return Kind(form, parse)


def whole_number(low: int, high: int, *, zero: str = "") -> Kind[int]:
    """A whole number within bounds, or 0 where `zero` says what that means."""
    form = f"a whole number from {low} to {high}" + (f", or 0 ({zero})" if zero else "")

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadValue(f"must be {form}, not {_toml_type(value)}")
        if not (low <= value <= high or (zero and value == 0)):
            raise BadValue(f"must be {form}")
        return value

    return Kind(form, parse)


def _parse_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadValue(f"must be true or false, not {_toml_type(value)}", "write it without quotes")
    return value


def _parse_path(value: object) -> Path:
    if not isinstance(value, str):
        raise BadValue(f"must be a path, not {_toml_type(value)}", _quote_it(value))
    if "-----BEGIN" in value or "\n" in value:
        raise BadValue(
            "holds a key or certificate itself",
            "save it in a file of its own and write the path of that file here",
        )
    if not value or "\0" in value or len(value.encode(errors="replace")) >= MAX_PATH:
        raise BadValue("must be a path", "write where the file or folder is")
    if value.startswith("~"):
        raise BadValue('must be a path without "~"', "write it from / on: the service has no home folder")
    return Path(value)


def _parse_broker(value: object) -> Broker:
    form = "must be mqtts://host:port or mqtt://host:port"
    if not isinstance(value, str):
        raise BadValue(f"{form}, not {_toml_type(value)}", _quote_it(value))
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:  # the text would quote the address, and that may hold a password
        raise BadValue(form, "the port is a number from 1 to 65535") from None
    if "@" in url.netloc:
        raise BadValue("must not hold a user name or password", "use username and password_file")
    if url.scheme not in ("mqtt", "mqtts"):
        raise BadValue(form, "begin with mqtts:// (encrypted), or mqtt:// for a broker on this machine")
    if (
        not url.hostname
        or not _is_host(url.hostname)
        or url.path not in ("", "/")
        or url.query
        or url.fragment
    ):
        raise BadValue(form, "a host name or number and a port, nothing else")
    if port == 0:
        raise BadValue(form, "the port is a number from 1 to 65535")
    tls = url.scheme == "mqtts"
    return Broker(url.hostname, port or (MQTTS_PORT if tls else MQTT_PORT), tls)


def _parse_listen(value: object) -> Address:
    form = "must be address:port, like 127.0.0.1:8080 or [::1]:8080"
    if not isinstance(value, str):
        raise BadValue(f"{form}, not {_toml_type(value)}", _quote_it(value))
    try:
        url = urlsplit(f"//{value}")
        port = url.port
    except ValueError:
        raise BadValue(form, "the port is a number up to 65535") from None
    if not url.hostname or "@" in value or url.path or url.query or url.fragment or port is None:
        raise BadValue(form)
    if not is_loopback(url.hostname):
        raise BadValue(
            "must be an address of this machine only",
            "it is not encrypted, so nobody on the network may reach it: "
            f"write 127.0.0.1:{port}, and https for the network",
        )
    return Address(url.hostname, port)


def _parse_terminals_listen(value: object) -> Address:
    form = "must be address:port, like 10.1.2.3:8081"
    if not isinstance(value, str):
        raise BadValue(f"{form}, not {_toml_type(value)}", _quote_it(value))
    try:
        url = urlsplit(f"//{value}")
        port = url.port
        address = ipaddress.ip_address(url.hostname or "")
    except ValueError:
        raise BadValue(form, "a number as address, and a port up to 65535") from None
    if "@" in value or url.path or url.query or url.fragment or port is None:
        raise BadValue(form)
    if address.is_unspecified:
        raise BadValue(
            "must be one address of this machine",
            "terminals speak in the clear: name the address on their own, isolated network",
        )
    return Address(str(address), port)


def _parse_https(value: object) -> Address:
    form = "must be address:port, like 0.0.0.0:8443 or [::]:8443"
    if not isinstance(value, str):
        raise BadValue(f"{form}, not {_toml_type(value)}", _quote_it(value))
    try:
        url = urlsplit(f"//{value}")
        port, address = url.port, ipaddress.ip_address(url.hostname or "")
    except ValueError:
        raise BadValue(form, "an address in numbers, and a port up to 65535") from None
    if "@" in value or url.path or url.query or url.fragment or port is None:
        raise BadValue(form)
    return Address(str(address), port)


def _parse_hosts(value: object) -> tuple[str, ...]:
    form = "a list of host names and addresses"
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadValue(f"must be {form}", 'write it like ["gateway.lan", "192.168.1.20"]')
    if not all(_is_host(one) for one in value):
        raise BadValue(f"must be {form}", "a name or number each, without http://, port and path")
    return tuple(dict.fromkeys(_as_written(one.lower()) for one in value))


def _as_written(host: str) -> str:
    """An address in its one canonical form, a name as it is."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.rstrip(".")


FLAG: Kind[bool] = Kind("true or false", _parse_flag)
PATH: Kind[Path] = Kind("a path", _parse_path)
BROKER: Kind[Broker] = Kind("mqtts://host:port or mqtt://host:port", _parse_broker)
LISTEN: Kind[Address] = Kind("address:port of this machine", _parse_listen)
TERMINALS_LISTEN: Kind[Address] = Kind("address:port, the address a number", _parse_terminals_listen)
HTTPS: Kind[Address] = Kind("address:port, the address in numbers", _parse_https)
HOSTS: Kind[tuple[str, ...]] = Kind("a list of host names and addresses", _parse_hosts)


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _HOST.fullmatch(host) is not None
    return True


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _toml_type(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a decimal number", str: "text"}
    names |= {list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def _quote_it(value: object) -> str:
    return "write it in quotes" if isinstance(value, int | float) and not isinstance(value, bool) else ""
