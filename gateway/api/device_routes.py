"""The routes of the technician's pages: devices searched for, added, moved, replaced, tested; and the report."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from drivers.forms import LONGEST
from gateway.access.model import Principal, Role
from gateway.api.gate import Gate
from gateway.api.page_routes import LANG_COOKIE, chosen_lang, remember_lang
from gateway.api.streams import GONE, until
from gateway.devices.console import Console
from gateway.errors import GatewayError, StoreTrouble
from gateway.view import Viewed
from gateway.web.bar import Bars
from gateway.web.devices import DevicesRenderer
from gateway.web.messages import Lang

PATH = "/devices"
MOST_FIELDS = 16
Chosen = Annotated[Lang | None, Query(alias="lang")]
Remembered = Annotated[str | None, Cookie(alias=LANG_COOKIE)]


class SearchForm(BaseModel):
    """Where to look."""

    port: str | None = Field(default=None, max_length=200, pattern=r"^/[^\x00-\x1f\x7f]+$")


class KioskForm(BaseModel):
    """Where a device stands."""

    kiosk: str | None = Field(default=None, max_length=64)


class AddForm(KioskForm):
    """Serve what was found."""

    device: str = Field(max_length=64)
    port: str = Field(max_length=200)


class FilledForm(BaseModel):
    """Settings as they were typed, by name."""

    filled: dict[str, Annotated[str, Field(max_length=LONGEST)]] = Field(max_length=MOST_FIELDS)


class AddFilledForm(KioskForm, FilledForm):
    """Serve a device that no search finds."""

    kind: str = Field(max_length=64)
    device: str = Field(max_length=64)


class ReplaceForm(BaseModel):
    """Serve what was found instead."""

    port: str = Field(max_length=200)


class RemoveForm(BaseModel):
    """The second step of taking away."""

    sure: bool


def device_routes(
    console: Console,
    viewed: Viewed,
    *,
    gate: Gate,
    bars: Bars,
    renderer: DevicesRenderer,
    stopping: asyncio.Event,
) -> APIRouter:
    """Pages below `/devices`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    technician = gate.allow(Role.TECHNICIAN, Role.ADMIN)
    Who = Annotated[Principal, Depends(technician)]  # noqa: N806 - a type

    def known(device: str) -> None:
        if device not in {view.id for view in console.views()}:
            raise HTTPException(404)

    async def done(work: Awaitable[None], lang: str | None) -> Response:
        try:
            await work
        except GatewayError as exc:
            return _refused(renderer, exc, lang)
        return JSONResponse({"ok": True})

    @router.get("", response_class=HTMLResponse)
    async def devices(who: Who, lang: Chosen = None, remembered: Remembered = None) -> Response:
        """All devices, and what a search has found."""
        page = renderer.devices(console, viewed.snapshot(), bars.of(who, PATH), chosen_lang(lang, remembered))
        answer = HTMLResponse(page)
        remember_lang(answer, lang)
        return answer

    @router.get("/live", response_class=EventSourceResponse)
    async def live(
        request: Request, _who: Who, lang: Lang = Lang.ZH, device: str | None = None
    ) -> AsyncIterator[ServerSentEvent]:
        """The stream of either page: regions that changed."""
        shown: dict[str, str] = {}
        stays = gate.stays(request)
        async with aclosing(until(stopping, viewed.changes())) as changes:
            async for snapshot in changes:
                if not stays():
                    yield GONE
                    return
                wanted = renderer.regions(console, snapshot, lang, device)
                changed = {name: html for name, html in wanted.items() if shown.get(name) != html}
                shown = wanted
                update = {"version": renderer.version, "regions": changed}
                yield ServerSentEvent(event="page", raw_data=json.dumps(update, ensure_ascii=False))

    @router.get("/report", response_class=HTMLResponse)
    async def report(who: Who, lang: Chosen = None, remembered: Remembered = None) -> Response:
        """The commissioning report, to be printed and signed."""
        page = renderer.report(console, viewed.snapshot(), who.name, chosen_lang(lang, remembered))
        answer = HTMLResponse(page)
        remember_lang(answer, lang)
        return answer

    @router.get("/at/{device}", response_class=HTMLResponse)
    async def one(device: str, who: Who, lang: Chosen = None, remembered: Remembered = None) -> Response:
        """One device with its history."""
        known(device)
        try:
            changes = await console.history(device)
        except StoreTrouble:
            changes = None
        page = renderer.device(
            console,
            device,
            changes,
            viewed.snapshot(),
            bars.of(who, f"{PATH}/at/{device}"),
            chosen_lang(lang, remembered),
        )
        answer = HTMLResponse(page)
        remember_lang(answer, lang)
        return answer

    @router.post("/search")
    async def search(form: SearchForm, _who: Who, lang: Remembered = None) -> Response:
        """Look at the free ports."""
        try:
            console.look(form.port)
        except GatewayError as exc:
            return _refused(renderer, exc, lang)
        return JSONResponse({"ok": True})

    @router.post("/add")
    async def add(form: AddForm, who: Who, lang: Remembered = None) -> Response:
        """Serve what was found."""
        work = console.add(who.name, device=form.device, port=form.port, kiosk=form.kiosk or None)
        return await done(work, lang)

    @router.get("/new", response_class=HTMLResponse)
    async def new(who: Who, kind: str = "", lang: Chosen = None, remembered: Remembered = None) -> Response:
        """The form of a kind that no search finds."""
        bar = bars.of(who, f"{PATH}/new")
        page = renderer.new(console, kind, viewed.snapshot(), bar, chosen_lang(lang, remembered))
        answer = HTMLResponse(page)
        remember_lang(answer, lang)
        return answer

    @router.post("/new")
    async def add_filled(form: AddFilledForm, who: Who, lang: Remembered = None) -> Response:
        """Serve what was filled in."""
        work = console.add_filled(
            who.name, kind=form.kind, device=form.device, kiosk=form.kiosk or None, filled=form.filled
        )
        return await done(work, lang)

    @router.post("/at/{device}/settings")
    async def settings(device: str, form: FilledForm, who: Who, lang: Remembered = None) -> Response:
        """Serve it with other settings."""
        known(device)
        return await done(console.fill_in_anew(who.name, device=device, filled=form.filled), lang)

    @router.post("/at/{device}/test")
    async def test(device: str, _who: Who, lang: Remembered = None) -> Response:
        """Look on for a minute."""
        known(device)
        try:
            console.begin_test(device)
        except GatewayError as exc:
            return _refused(renderer, exc, lang)
        return JSONResponse({"ok": True})

    @router.post("/at/{device}/test-end")
    async def end_test(device: str, _who: Who) -> Response:
        """Enough was seen."""
        known(device)
        console.test.end()
        return JSONResponse({"ok": True})

    @router.post("/at/{device}/move")
    async def move(device: str, form: KioskForm, who: Who, lang: Remembered = None) -> Response:
        """Let it stand elsewhere."""
        known(device)
        return await done(console.move(who.name, device=device, kiosk=form.kiosk or None), lang)

    @router.post("/at/{device}/replace")
    async def replace(device: str, form: ReplaceForm, who: Who, lang: Remembered = None) -> Response:
        """Serve another one in its place."""
        known(device)
        return await done(console.replace(who.name, device=device, port=form.port), lang)

    @router.post("/at/{device}/remove")
    async def remove(device: str, form: RemoveForm, who: Who, lang: Remembered = None) -> Response:
        """Serve it no longer."""
        known(device)
        if not form.sure:
            return JSONResponse({"code": "not_sure", "text": renderer.error("not_sure", _lang(lang))}, 409)
        return await done(console.remove(who.name, device=device), lang)

    return router


def _lang(remembered: str | None) -> Lang:
    return Lang.EN if remembered == Lang.EN else Lang.ZH


def _refused(renderer: DevicesRenderer, exc: GatewayError, remembered: str | None) -> Response:
    text = renderer.error(exc.code, _lang(remembered))
    return JSONResponse({"code": exc.code, "text": text, "field": getattr(exc, "field", None)}, 409)
