"""The ASGI application and the server that runs it in the gateway's loop.

The only module that the rest of the gateway imports from here, and only when it serves: FastAPI costs some 25 MB.
The server takes no signal, opens no thread and ends its event streams itself, so that stopping takes a moment and
not as long as somebody keeps a browser open.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from gateway.api.body_limit import BodyLimit
from gateway.api.connection import HEAD_S, Connection
from gateway.api.data_routes import data_routes
from gateway.api.device_routes import device_routes
from gateway.api.gate import Gate
from gateway.api.guard import LOOPBACK_NAMES, Guard
from gateway.api.kiosk_gate import at_desk_of
from gateway.api.kiosk_pages import kiosk_pages
from gateway.api.kiosk_routes import kiosk_routes
from gateway.api.listening import listen, url_of
from gateway.api.openapi import describe
from gateway.api.page_routes import page_routes
from gateway.api.parts import Parts
from gateway.api.person_routes import person_routes
from gateway.api.problems import add_problem_handlers
from gateway.api.refusals import add_refusal_handler
from gateway.api.routes import all_routes, stream_check
from gateway.api.session_routes import add_door_handlers, session_routes
from gateway.api.setup_routes import setup_routes
from gateway.api.staff_routes import staff_routes
from gateway.api.throttle import Throttle, ThrottleDoor
from gateway.web.assets import load_assets
from gateway.web.bar import Bars
from gateway.web.devices import DevicesRenderer
from gateway.web.kiosk import KioskRenderer
from gateway.web.messages import load_catalogue
from gateway.web.page import PageRenderer
from gateway.web.persons import PersonsRenderer
from gateway.web.setup import SetupRenderer
from gateway.web.sign_in import DoorRenderer

GRACE_S = 1  # for answers that are being written; streams end at once
MAX_CONNECTIONS = (
    64  # of each listener; a page holds one stream; more than this on a box is a client gone wild
)
KEEP_ALIVE_S = 5


def create_app(parts: Parts) -> FastAPI:
    """The application: pages and API over the parts of the gateway.

    It answers to the names of `parts.hosts`, beside `localhost` and the numbers of this machine.
    """
    app = FastAPI(
        title="Zhijiao Gateway",
        docs_url=None,  # Swagger UI and ReDoc load their scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=lambda route: route.name,
    )
    stopping = asyncio.Event()
    app.state.stopping, app.state.refused = stopping, parts.refused
    catalogue, assets, bars = load_catalogue(), load_assets(), Bars()
    gate, throttle = Gate(parts.access, parts.refused), Throttle(parts.limits, parts.refused)
    door = DoorRenderer(catalogue, assets, parts.zone)
    app.include_router(
        session_routes(
            parts.access,
            parts.viewed,
            gate=gate,
            bars=bars,
            renderer=door,
            throttle=throttle,
        )
    )
    app.include_router(
        page_routes(
            parts.viewed,
            gate=gate,
            bars=bars,
            renderer=PageRenderer(catalogue, assets, parts.zone),
            stopping=stopping,
        )
    )
    app.include_router(
        data_routes(parts.viewed, gate=gate, metrics=parts.metrics, catalogue=catalogue, stopping=stopping)
    )
    if parts.persons is not None:
        persons = PersonsRenderer(catalogue, assets, parts.zone)
        app.include_router(
            person_routes(
                parts.persons, parts.viewed, gate=gate, bars=bars, renderer=persons, stopping=stopping
            )
        )
    if parts.console is not None:
        devices = DevicesRenderer(catalogue, assets, parts.zone)
        app.include_router(
            device_routes(
                parts.console, parts.viewed, gate=gate, bars=bars, renderer=devices, stopping=stopping
            )
        )
    if parts.first_run is not None:
        setup = SetupRenderer(catalogue, assets, parts.zone)
        bars.setting_up = parts.first_run.begins
        app.include_router(
            setup_routes(
                parts.first_run, parts.viewed, gate=gate, bars=bars, renderer=setup, stopping=stopping
            )
        )
    if parts.kiosks is not None:
        at_desk = at_desk_of(parts.kiosks, gate)
        kiosk = KioskRenderer(catalogue, assets, parts.zone)
        app.include_router(kiosk_pages(parts, at_desk, renderer=kiosk, stopping=stopping))
        app.include_router(kiosk_routes(parts, at_desk, stopping=stopping))
    if parts.staff is not None:
        app.include_router(
            staff_routes(parts, parts.staff, gate=gate, bars=bars, catalogue=catalogue, stopping=stopping)
        )
    bars.paths = frozenset(route.path for route in all_routes(app))
    add_problem_handlers(app)
    add_refusal_handler(app)
    add_door_handlers(app, door)
    # The last one added is the first that a request meets.
    app.add_middleware(BodyLimit, most=parts.limits.body, refused=parts.refused)
    app.add_middleware(ThrottleDoor, throttle=throttle, is_stream=stream_check(app))
    app.add_middleware(Guard, hosts={*LOOPBACK_NAMES, *parts.hosts}, refused=parts.refused)
    describe(app)
    return app


async def serve(
    app: FastAPI, host: str, port: int, *, on_listening: Callable[[str], None] | None = None
) -> None:
    """Listen and serve until cancelled. `StartError` where the machine refuses the address.

    `on_listening` gets the URL for a browser on this machine once connections are accepted.
    """
    await serve_on(app, listen(host, port), on_listening=on_listening)


async def serve_https(
    app: FastAPI,
    host: str,
    port: int,
    context: ssl.SSLContext,
    *,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """The same for the network, by HTTPS only."""
    await serve_on(app, listen(host, port, where="[api] https"), context=context, on_listening=on_listening)


async def serve_on(
    app: FastAPI,
    listener: socket.socket,
    *,
    context: ssl.SSLContext | None = None,
    on_listening: Callable[[str], None] | None = None,
    dated: bool = True,
) -> None:
    """Serve on an open socket until cancelled; the socket is closed in the end.

    With `context`, TLS only. `dated`: answers carry `Date`.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",  # what a client sends that is no HTTP is not worth a line in the journal each time
            date_header=dated,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nobody stands in front; a client's word about its address is not believed
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        ),
        context,
    )
    app.state.stopping.clear()
    with contextlib.closing(listener):
        if on_listening is not None:
            on_listening(url_of(listener, "http" if context is None else "https"))
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
    """uvicorn without its signal handlers: SIGINT and SIGTERM belong to the gateway. And with a context of ours."""

    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self._context = context

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; with TLS, both ends of it have a limit of time, which uvicorn does not give."""
        if self._context is None:
            await super().startup(sockets)
            return
        await super().startup([])
        for listener in sockets or []:
            self.servers.append(
                await asyncio.get_running_loop().create_server(
                    self._connection,
                    sock=listener,
                    ssl=self._context,
                    ssl_handshake_timeout=HEAD_S,
                    ssl_shutdown_timeout=GRACE_S / 2,
                )
            )

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)
