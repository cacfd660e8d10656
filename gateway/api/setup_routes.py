"""The routes of the first run: the center's name, the box's address, what is still missing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from gateway.access.model import Principal, Role
from gateway.api.gate import Gate
from gateway.api.page_routes import LANG_COOKIE, chosen_lang, remember_lang
from gateway.api.streams import GONE, until
from gateway.errors import GatewayError
from gateway.network.ipv4 import Ipv4
from gateway.setup.first_run import FirstRun
from gateway.view import Viewed
from gateway.web.bar import Bars
from gateway.web.messages import Lang
from gateway.web.setup import SetupRenderer

PATH = "/setup"
Chosen = Annotated[Lang | None, Query(alias="lang")]
Remembered = Annotated[str | None, Cookie(alias=LANG_COOKIE)]


class NameForm(BaseModel):
    """What the center is called."""

    name: str = Field(max_length=200)


class NetworkForm(BaseModel):
    """How the box gets its address, as it was typed."""

    interface: str = Field(max_length=32)
    method: str = Field(max_length=16)
    address: str = Field(default="", max_length=64)
    prefix: str = Field(default="", max_length=64)
    gateway: str = Field(default="", max_length=64)
    dns: str = Field(default="", max_length=200)


def setup_routes(
    first_run: FirstRun,
    viewed: Viewed,
    *,
    gate: Gate,
    bars: Bars,
    renderer: SetupRenderer,
    stopping: asyncio.Event,
) -> APIRouter:
    """Pages below `/setup`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    Who = Annotated[Principal, Depends(gate.allow(Role.TECHNICIAN, Role.ADMIN))]  # noqa: N806 - a type

    async def done(work: Awaitable[None], remembered: str | None) -> Response:
        try:
            await work
        except GatewayError as exc:
            lang = Lang.EN if remembered == Lang.EN else Lang.ZH
            text = renderer.error(exc.code, lang)
            return JSONResponse({"code": exc.code, "text": text, "field": getattr(exc, "field", None)}, 409)
        return JSONResponse({"ok": True})

    @router.get("", response_class=HTMLResponse)
    async def setup(
        request: Request, who: Who, lang: Chosen = None, remembered: Remembered = None
    ) -> Response:
        """All steps."""
        await first_run.look()
        chosen = chosen_lang(lang, remembered)
        page = renderer.page(first_run, viewed.snapshot(), bars.of(who, PATH), chosen, _reached_at(request))
        answer = HTMLResponse(page)
        remember_lang(answer, lang)
        return answer

    @router.get("/live", response_class=EventSourceResponse)
    async def live(request: Request, _who: Who, lang: Lang = Lang.ZH) -> AsyncIterator[ServerSentEvent]:
        """The page's stream: regions that changed."""
        shown: dict[str, str] = {}
        stays = gate.stays(request)
        async with aclosing(until(stopping, viewed.changes())) as changes:
            async for snapshot in changes:
                if not stays():
                    yield GONE
                    return
                await first_run.look()
                wanted = renderer.regions(first_run, snapshot, lang, _reached_at(request))
                changed = {name: html for name, html in wanted.items() if shown.get(name) != html}
                shown = wanted
                update = {"version": renderer.version, "regions": changed}
                yield ServerSentEvent(event="page", raw_data=json.dumps(update, ensure_ascii=False))

    @router.post("/name")
    async def name(form: NameForm, who: Who, lang: Remembered = None) -> Response:
        """Call the center so."""
        return await done(first_run.name.give(who.name, form.name), lang)

    @router.post("/network")
    async def network(form: NetworkForm, who: Who, lang: Remembered = None) -> Response:
        """Try an address."""

        async def begin() -> None:
            wanted = Ipv4.given(
                method=form.method,
                address=form.address,
                prefix=form.prefix,
                gateway=form.gateway,
                dns=form.dns,
            )
            await first_run.network.begin(who.name, interface=form.interface, wanted=wanted)

        return await done(begin(), lang)

    @router.post("/network/keep")
    async def keep(request: Request, who: Who, lang: Remembered = None) -> Response:
        """Keep it: whoever asks reaches the box at it."""
        return await done(first_run.network.keep(who.name, reached_at=_reached_at(request)), lang)

    @router.post("/network/undo")
    async def undo(who: Who, lang: Remembered = None) -> Response:
        """Back to what was, without waiting."""
        return await done(first_run.network.undo(who.name), lang)

    return router


def _reached_at(request: Request) -> str:
    """The number of this machine that the connection came to."""
    return str((request.scope.get("server") or ("", 0))[0])
