"""The listening socket, opened by ourselves, so that a refusal is a `StartError` that says what to do."""

import errno
import ipaddress
import socket
from collections.abc import Mapping

from gateway.errors import StartError

BACKLOG = 128
_REFUSALS: Mapping[int, tuple[str, str]] = {
    errno.EADDRINUSE: (
        "port_in_use",
        "the port is taken by another program; see which with `ss -ltnp`, stop it or set another {where}",
    ),
    errno.EACCES: (
        "port_permission",
        "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher port in {where}",
    ),
    errno.EADDRNOTAVAIL: (
        "address_not_here",
        "this machine has no such address; see `ip address` and correct {where}",
    ),
}


def listen(host: str, port: int, *, where: str = "[api] listen") -> socket.socket:
    """A listening TCP socket. Names are not looked up (start must not wait for DNS), `localhost` is 127.0.0.1.

    `where`: the key of the configuration, for refusals.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as exc:
        raise StartError(
            "address_invalid", f"{where}: cannot listen on {host!r}: give an IP address, e.g. 127.0.0.1"
        ) from exc
    listener = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), port))
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        code, todo = _REFUSALS.get(
            exc.errno or 0, ("listen_failed", exc.strerror or "the system gives no reason")
        )
        told = todo.format(where=where)
        raise StartError(code, f"{where}: cannot listen on {_shown(address, port)}: {told}") from exc
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """What a browser on this machine opens to reach a listening socket."""
    name = listener.getsockname()
    address = ipaddress.ip_address(name[0])
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"{scheme}://{_shown(address, name[1])}/"


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
