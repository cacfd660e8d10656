"""HTTPS in front of the registrar: two paths, bounded in size and time, one worker for the book.

The only module of the center that needs a web framework. A connection has half a minute altogether, so nobody
holds one open; what is refused answers with a code and no words.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.errors import ContractError, StartError, StoreRefused
from gateway.provisioning.messages import ENROL_PATH, MAX_BYTES, RENEW_PATH, refusal_to_wire
from gateway.registrar.home import Home
from gateway.registrar.listening import listen
from gateway.registrar.registrar import Registrar

log = logging.getLogger(__name__)

CONNECTION_S: Final = 30.0
MAX_CONNECTIONS: Final = 64
LIST_EVERY_S: Final = 24 * 3600.0  # a revocation list holds for 30 days
_PEER = "zhijiao.peer_certificate"
_STATUS = {"busy": 503, "malformed": 400, "not_found": 404}
Asgi: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


class _Connection(H11Protocol):
    """Tells the application by which certificate TLS knows the other side, and ends in time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn does."""
        super().connection_made(transport)
        line = transport.get_extra_info("ssl_object")
        certificate = None if line is None else line.getpeercert(binary_form=True)
        inner: Asgi = self.app

        async def with_peer(scope: Any, receive: Any, send: Any) -> None:
            await inner({**scope, _PEER: certificate}, receive, send)

        self.app = with_peer
        self._ending = self.loop.call_later(CONNECTION_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn does."""
        self._ending.cancel()
        super().connection_lost(exc)


class RegistrarApp:
    """The ASGI application over one registrar."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._worker = ThreadPoolExecutor(1, "registrar")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        request = Request(scope, receive)
        try:
            content, status = await self._answer(request), 200
        except ContractError as exc:
            content, status = refusal_to_wire(exc.code), _STATUS.get(exc.code, 403)
            log.warning("box refused", extra={"path": request.url.path[:32], "code": exc.code})
        except StoreRefused as exc:
            content, status = refusal_to_wire("busy"), _STATUS["busy"]
            log.error("the book takes nothing", extra={"code": exc.code, "cause": str(exc)})  # noqa: TRY400
        await Response(content, status, media_type="application/json")(scope, receive, send)

    async def write_out(self) -> None:
        """Trust file and revocation list, anew; raises `StoreRefused`."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._registrar.write_out)

    def close(self) -> None:
        """End the worker."""
        self._worker.shutdown()

    async def _answer(self, request: Request) -> bytes:
        if request.method != "POST" or request.url.path not in (ENROL_PATH, RENEW_PATH):
            raise ContractError("not_found", "no such path")
        body = await _body(request)
        loop = asyncio.get_running_loop()
        if request.url.path == ENROL_PATH:
            return await loop.run_in_executor(self._worker, self._registrar.enrol, body)
        shown = request.scope[_PEER]
        return await loop.run_in_executor(self._worker, self._registrar.renew, body, shown)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise ContractError("malformed", "the request is too large")
    return bytes(body)


async def serve(
    home: Home, registrar: Registrar, host: str, port: int, *, ready: Callable[[int], object]
) -> None:
    """Answer boxes until cancelled; `ready` gets the port. Raises `StartError`, `ConfigError`, `StoreRefused`."""
    app = RegistrarApp(registrar)
    listener = listen(host, port)
    with contextlib.closing(listener), contextlib.closing(app):
        await app.write_out()
        context = server_context(home, datetime.now(UTC))
        server = _Server(
            uvicorn.Config(
                app,
                http=_Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
            ),
            context,
        )
        ready(listener.getsockname()[1])
        keeping = asyncio.create_task(_keep_list(app), name="registrar-list")
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="registrar-http")
        try:
            await asyncio.shield(serving)
        finally:
            keeping.cancel()
            server.should_exit = True
            await asyncio.wait({serving})


async def _keep_list(app: RegistrarApp) -> None:
    while True:
        await asyncio.sleep(LIST_EVERY_S)
        try:
            await app.write_out()
        except StoreRefused as exc:
            log.error("revocation list not renewed", extra={"code": exc.code, "cause": str(exc)})  # noqa: TRY400


def server_context(home: Home, now: datetime) -> ssl.SSLContext:
    """TLS as the registrar shows itself; a box may show its certificate, and one that is not ours is refused."""
    files: tuple[Path, Path] = home.registrar_files(now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=home.authority)
    try:
        context.load_cert_chain(*files)
    except (OSError, ssl.SSLError) as exc:
        raise StartError(
            "registrar_certificate", f"{files[0]}: cannot be used ({exc}); delete it, it is made anew"
        ) from exc
    return context


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, with a context of ours and a limit on handshakes."""

    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext) -> None:
        super().__init__(config)
        self._context = context

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: they belong to the command."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, by TLS only."""
        await super().startup([])
        for listener in sockets or []:
            self.servers.append(
                await asyncio.get_running_loop().create_server(
                    lambda: _Connection(self.config, self.server_state, self.lifespan.state),
                    sock=listener,
                    ssl=self._context,
                    ssl_handshake_timeout=10,
                    ssl_shutdown_timeout=1,
                )
            )
