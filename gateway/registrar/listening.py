"""The socket that boxes come to, opened by ourselves, so that a refusal says what to do."""

import socket

from gateway.errors import StartError


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; raises `StartError` (enrol_listen)."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise StartError(
            "enrol_listen", f"--enroll {host}: {exc.strerror}; give an address in numbers"
        ) from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as exc:
        listener.close()
        raise StartError(
            "enrol_listen", f"--enroll {host}:{port}: {exc.strerror}; is another registrar running there?"
        ) from exc
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener
