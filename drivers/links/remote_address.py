"""How a serial port of another machine is named: `socket://host:port` (raw bytes) or `rfc2217://host:port`.

Neither is encrypted and neither knows who asks: only on a network of the devices' own.
"""

from urllib.parse import urlsplit

from drivers.errors import LinkUnavailable

RAW, RFC2217 = "socket://", "rfc2217://"
BUFFER_LIMIT = 65_536  # bytes received and not yet taken


def address_of(port: str) -> tuple[str, int]:
    """Host and port number; raises `ValueError` for what is none."""
    scheme = RAW if port.startswith(RAW) else RFC2217
    parts = urlsplit("//" + port.removeprefix(scheme))
    try:
        number = parts.port
    except ValueError:
        number = None
    if not parts.hostname or number is None or parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError(f"must be {scheme}host:port and nothing else")
    return parts.hostname, number


def no_server(port: str, cause: str) -> LinkUnavailable:
    """The port server does not let us in."""
    todo = "check the port server's power, cable and address, and that it listens there"
    return LinkUnavailable("no_server", f"{port}: {cause}; {todo}")
