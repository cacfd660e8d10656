"""The listener for attendance terminals: plain HTTP, `/iclock/…` and nothing else.

A body is read as far as the terminal's driver wants to read it. What nobody may look into (templates, photos,
users) goes by in pieces and is never put together. Answers carry `Date`, by which terminals set their clocks,
only while somebody vouches for ours.
"""

import asyncio
from email.utils import formatdate

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from drivers.terminals import Answer
from gateway.api.listening import listen
from gateway.api.server import serve_on
from gateway.terminals import MOST_UNREAD, Admitted, TerminalDoor

BODY_WITHIN_S = 30.0


def create_terminal_app(door: TerminalDoor) -> FastAPI:
    """The application of this listener; nothing of the pages and the interface is in it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.stopping = asyncio.Event()

    @app.api_route("/{path:path}", methods=["GET", "POST"], include_in_schema=False)
    async def terminal(request: Request) -> Response:
        source = "" if request.client is None else request.client.host
        admitted = await door.admit(source, request.method, request.url.path, request.scope["query_string"])
        answer = admitted if isinstance(admitted, Answer) else await _served(door, admitted, request)
        return _as_response(door, answer)

    return app


async def serve_terminals(door: TerminalDoor, host: str, port: int) -> None:
    """Listen and serve until cancelled. `StartError` where the machine refuses the address."""
    await serve_on(create_terminal_app(door), listen(host, port, where="[terminals] listen"), dated=False)


async def _served(door: TerminalDoor, admitted: Admitted, request: Request) -> Answer:
    limit, kept, unread = admitted.body_limit, bytearray(), 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for piece in request.stream():
                if limit:
                    kept += piece
                else:
                    unread += len(piece)
                if len(kept) > limit > 0 or unread > MOST_UNREAD:
                    return door.too_long()
    except (ClientDisconnect, TimeoutError):
        return Answer(408, b"ERROR: cut off, send it again\n")  # nothing of half a body is believed
    return await door.handle(admitted, bytes(kept), unread)


def _as_response(door: TerminalDoor, answer: Answer) -> Response:
    headers = {"Content-Type": "text/plain", "Cache-Control": "no-store"}
    now_ms = door.now_ms()
    if now_ms is not None:
        headers["Date"] = formatdate(now_ms // 1000, usegmt=True)
    if answer.status in (408, 413):
        headers["Connection"] = "close"
    return Response(answer.text, answer.status, headers)
