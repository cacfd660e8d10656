"""The center's page and metrics over HTTP: read-only, on this machine; on the network by HTTPS and with a token.

The token comes as `Authorization: Bearer`, as Prometheus sends it, or as the password of HTTP's own sign-in
window, whatever the name, so that a browser needs no page for it.
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Awaitable, Callable
from datetime import tzinfo
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from gateway.api.guard import LOOPBACK_NAMES, Guard
from gateway.api.page_routes import LANG_COOKIE, YEAR_S, chosen_lang, remember_lang
from gateway.errors import GatewayError
from gateway.receiver import metrics
from gateway.receiver.overview import Overview
from gateway.web.assets import load_assets
from gateway.web.center import CenterRenderer
from gateway.web.messages import Lang, load_catalogue

FRESH_S = 2.0  # so old may be what is shown: however many look, the record is read once in this time
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="zhijiao", charset="UTF-8"'}

Read = Callable[[], Awaitable[Overview]]


def create_center_app(
    read: Read, *, zone: tzinfo, token: str | None = None, hosts: frozenset[str] = frozenset()
) -> FastAPI:
    """`/`, `/metrics` and the files of the page. `token`: who does not bring it sees nothing at all."""
    app = FastAPI(title="Zhijiao Center", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.stopping = asyncio.Event()
    renderer, latest = CenterRenderer(load_catalogue(), load_assets(), zone), _Latest(read)
    checked = [Depends(_door(token))]

    @app.get("/", response_class=HTMLResponse, dependencies=checked)
    async def page(
        lang: Annotated[Lang | None, Query()] = None,
        remembered: Annotated[str | None, Cookie(alias=LANG_COOKIE)] = None,
    ) -> Response:
        """All gateways, for people: Chinese unless `lang` or an earlier choice says English."""
        chosen = chosen_lang(lang, remembered)
        try:
            answer: Response = HTMLResponse(renderer.page(await latest.get(), chosen))
        except GatewayError as exc:
            answer = PlainTextResponse(renderer.trouble(exc.code, chosen), 503)
        remember_lang(answer, lang)
        return answer

    @app.get("/metrics", dependencies=checked)
    async def center_metrics() -> Response:
        """The same for Prometheus."""
        try:
            return Response(metrics.render(await latest.get()), media_type=metrics.CONTENT_TYPE)
        except GatewayError as exc:
            return PlainTextResponse(exc.code, 503)

    @app.get("/static/{version}/{name}", dependencies=checked)
    async def static(version: str, name: str) -> Response:
        """A file of the page."""
        asset = renderer.assets.files.get(name)
        if asset is None or version != renderer.assets.version:
            raise HTTPException(404)
        keeps = {"Cache-Control": f"private, max-age={YEAR_S}, immutable"}
        return Response(asset.content, media_type=asset.media_type, headers=keeps)

    app.add_middleware(Guard, hosts={*LOOPBACK_NAMES, *hosts}, refused=lambda _why: None)
    return app


class _Latest:
    """The overview that was read last, for as long as it is fresh."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._turn = asyncio.Lock()
        self._found: Overview | None = None
        self._until_s = 0.0

    async def get(self) -> Overview:
        """Read it, unless somebody did just now."""
        async with self._turn:
            if self._found is None or time.monotonic() >= self._until_s:
                self._found = await self._read()
                self._until_s = time.monotonic() + FRESH_S
            return self._found


def _door(token: str | None) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        if token is not None and not hmac.compare_digest(_brought(request).encode(), token.encode()):
            raise HTTPException(401, headers=_CHALLENGE)

    return check


def _brought(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
