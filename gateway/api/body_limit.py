"""No request is larger than is taken here. Answered like every other error, which Starlette's own limit does not do."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import problem


class BodyLimit:
    """ASGI middleware: 413 for a request that is larger, by its own word or in fact."""

    def __init__(self, app: ASGIApp, *, most: int, refused: Callable[[str], None]) -> None:
        self._app = app
        self._most = most
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._most:
            self._refused("too_large")
            await problem(413)(scope, receive, send)
            return
        read, answered = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read <= self._most:
                return message
            if answered:  # nobody wanted the body; it only goes on and on
                return {"type": "http.disconnect"}
            self._refused("too_large")
            raise HTTPException(413)

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        await self._app(scope, counted, noted)
