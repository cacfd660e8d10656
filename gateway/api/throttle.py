"""The second door: whoever asks too often, or keeps too many streams open, waits; whoever may not is counted.

Counted is by reason only; no address is kept longer than a limit needs it, and none leaves this module.
"""

import math
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.buckets import Buckets, Places, client_of
from gateway.api.limits import Limits
from gateway.api.problems import problem

# Where tokens are tried. /sign-in and /account take from `sign_in` themselves, and say it on their pages.
TOKEN_PATHS = frozenset({"/kiosk/pair"})


class Throttle:
    """What is counted of the clients. Made with the application, shared by its routes."""

    def __init__(self, limits: Limits, refused: Callable[[str], None]) -> None:
        self.sign_in = Buckets(limits.sign_in, limits.mono_s)
        self.requests = Buckets(limits.requests, limits.mono_s)
        self.streams = Places(limits.streams)
        self.refused = refused


class ThrottleDoor:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, throttle: Throttle, is_stream: Callable[[str], bool]) -> None:
        self._app = app
        self._throttle = throttle
        self._is_stream = is_stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or say how long to wait."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client, throttle = client_of_scope(scope), self._throttle
        wait_s = throttle.requests.take(client)
        if wait_s is None and scope["path"] in TOKEN_PATHS and scope["method"] == "POST":
            wait_s = throttle.sign_in.take(client)
        if wait_s is not None:
            throttle.refused("rate")
            await too_many(wait_s)(scope, receive, send)
        elif self._is_stream(scope["path"]):
            with throttle.streams.place(client) as free:
                if not free:
                    throttle.refused("streams")
                await (self._app if free else too_many(5))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def too_many(wait_s: float) -> ASGIApp:
    """429, with how long to wait."""
    return problem(429, headers=retry_after(wait_s))


def retry_after(wait_s: float) -> Mapping[str, str]:
    """The header; whole seconds, at least one."""
    return {"Retry-After": str(max(1, math.ceil(wait_s)))}


def client_of_scope(scope: Scope) -> str:
    """Whose limits count."""
    peer = scope.get("client")
    return client_of(peer[0]) if peer else ""
