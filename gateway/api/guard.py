"""The door in front of every route: which Host is served, and the headers that every answer carries.

A page of the internet that has its name point to 127.0.0.1 (DNS rebinding) reaches the socket but not past the
Host check. There is no CORS: no other origin may read anything. Starlette's TrustedHostMiddleware would do the
check too, but answers in plain text where clients are promised problem documents.
"""

import ipaddress
import re
from collections.abc import Callable, Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.headers import NO_STORE, PROTECTION
from gateway.api.problems import problem

LOOPBACK_NAMES = frozenset({"localhost"})

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", re.ASCII)

# Numbers of this machine itself. Rebinding needs a name, so a number is never an attack.
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}|\[::1\]", re.ASCII)
_STATIC = "/static/"


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], refused: Callable[[str], None]) -> None:
        self._app = app
        self._hosts = frozenset(_in_header(host) for host in hosts)
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or refuse a foreign Host."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _guard(MutableHeaders(scope=message), scope["path"])
            await send(message)

        if self._is_ours(scope):
            await self._app(scope, receive, send_guarded)
        else:
            self._refused("host")
            await problem(400)(scope, receive, send_guarded)

    def _is_ours(self, scope: Scope) -> bool:
        named = Headers(scope=scope).getlist("host")
        host = _HOST.fullmatch(named[0].lower()) if len(named) == 1 else None
        if host is None:
            return False
        name = host["name"]
        return name in self._hosts or bool(_LOOPBACK.fullmatch(name)) or name == _reached_at(scope)


def _reached_at(scope: Scope) -> str | None:
    """The number of this machine that the connection came to, as a Host header has it."""
    try:
        number = ipaddress.ip_address((scope.get("server") or ("", 0))[0])
    except ValueError:
        return None
    mapped = number.ipv4_mapped if number.version == 6 else None
    return _in_header(str(mapped or number))


def _in_header(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()


def _guard(headers: MutableHeaders, path: str) -> None:
    headers.update(PROTECTION)
    # Static files have their content's hash in the address and say themselves how long they keep.
    if not (path.startswith(_STATIC) and "cache-control" in headers):
        headers.update(NO_STORE)
