"""The ASGI application and the server that runs it in the gateway's loop.

The only module that the rest of the gateway imports from here, and only when it serves: FastAPI costs some 25 MB.
The server takes no signal, opens no thread and ends its event streams itself, so that stopping takes a moment and
not as long as somebody keeps a browser open.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection, Iterator
from datetime import tzinfo
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import FastAPI

from gateway.api.data_routes import data_routes
from gateway.api.guard import LOOPBACK_NAMES, Guard
from gateway.api.listening import listen, url_of
from gateway.api.openapi import describe
from gateway.api.page_routes import page_routes
from gateway.api.problems import add_problem_handlers
from gateway.view import Viewed
from gateway.web.assets import load_assets
from gateway.web.messages import load_catalogue
from gateway.web.page import PageRenderer

GRACE_S = 1  # for answers that are being written; streams end at once
MAX_CONNECTIONS = 64  # a page holds one stream; more than this on a box is a client gone wild
KEEP_ALIVE_S = 5
CENTER_ZONE = ZoneInfo("Asia/Shanghai")  # where a test or a description names none


def create_app(
    viewed: Viewed,
    *,
    metrics: Callable[[], bytes],
    zone: tzinfo = CENTER_ZONE,
    hosts: Collection[str] = LOOPBACK_NAMES,
) -> FastAPI:
    """The application: pages and API over what `viewed` shows.

    `hosts` are the names it answers to (IPv6 in []), beside the loopback numbers, which it always answers to.
    """
    app = FastAPI(
        title="Zhijiao Gateway",
        docs_url=None,  # Swagger UI and ReDoc load their scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=lambda route: route.name,
    )
    stopping = asyncio.Event()
    app.state.stopping = stopping
    catalogue = load_catalogue()
    app.include_router(
        page_routes(viewed, renderer=PageRenderer(catalogue, load_assets(), zone), stopping=stopping)
    )
    app.include_router(data_routes(viewed, metrics=metrics, catalogue=catalogue, stopping=stopping))
    add_problem_handlers(app)
    app.add_middleware(Guard, hosts=hosts)
    describe(app)
    return app


async def serve(
    app: FastAPI, host: str, port: int, *, on_listening: Callable[[str], None] | None = None
) -> None:
    """Listen and serve until cancelled. `StartError` where the machine refuses the address.

    `on_listening` gets the URL for a browser on this machine once connections are accepted.
    """
    await serve_on(app, listen(host, port), on_listening=on_listening)


async def serve_on(
    app: FastAPI, listener: socket.socket, *, on_listening: Callable[[str], None] | None = None
) -> None:
    """Serve on an open socket until cancelled; the socket is closed in the end."""
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nobody stands in front; a client's word about its address is not believed
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    app.state.stopping.clear()
    with contextlib.closing(listener):
        if on_listening is not None:
            on_listening(url_of(listener))
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http-server")
        try:
            # The task is shielded so that cancelling us stops the server in order instead of tearing it apart.
            await asyncio.shield(serving)
        finally:
            app.state.stopping.set()
            server.should_exit = True
            if not serving.done():
                try:
                    await serving
                finally:
                    serving.cancel()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: SIGINT and SIGTERM belong to the gateway."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
