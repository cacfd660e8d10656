"""The routes for browsers: the page, its live updates, its files."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from gateway.access.model import PEOPLE, Principal
from gateway.api.gate import Gate
from gateway.api.problems import documented
from gateway.api.streams import GONE, until
from gateway.view import Snapshot, Viewed
from gateway.web.bar import Bars
from gateway.web.messages import Lang
from gateway.web.page import PageRenderer

LANG_COOKIE = "zhijiao_lang"
YEAR_S = 365 * 24 * 3600


def page_routes(
    viewed: Viewed, *, gate: Gate, bars: Bars, renderer: PageRenderer, stopping: asyncio.Event
) -> APIRouter:
    """The page at `/` and what belongs to it."""
    router = APIRouter()
    Person = Annotated[Principal, Depends(gate.allow(*PEOPLE))]  # noqa: N806 - a type

    @router.get(
        "/",
        tags=["page"],
        summary="The page",
        response_class=HTMLResponse,
        response_description="The whole page in the chosen language; complete without scripts",
        responses=documented(400, 422, 500)
        | {200: {"content": {"text/html": {"example": '<!doctype html><html lang="zh-CN">…</html>'}}}},
    )
    async def page(
        who: Person,
        lang: Annotated[Lang | None, Query(description="Language; remembered in a cookie")] = None,
        remembered: Annotated[str | None, Cookie(alias=LANG_COOKIE, include_in_schema=False)] = None,
    ) -> Response:
        """State of the gateway for people: Chinese unless `lang` or an earlier choice says English."""
        chosen = chosen_lang(lang, remembered)
        answer = HTMLResponse(renderer.page(viewed.snapshot(), chosen, bars.of(who, "/")))
        remember_lang(answer, lang)
        return answer

    @router.get("/live", response_class=EventSourceResponse, include_in_schema=False)
    async def live(_who: Person, request: Request, lang: Lang = Lang.ZH) -> AsyncIterator[ServerSentEvent]:
        """The page's own stream: HTML of the regions that changed, for a page of the same version only."""
        shown: dict[str, str] = {}
        stays = gate.stays(request)
        async with aclosing(until(stopping, viewed.changes())) as snapshots:
            async for snapshot in snapshots:
                if not stays():
                    yield GONE
                    return
                wanted = renderer.regions(snapshot, lang)
                changed = {region: html for region, html in wanted.items() if shown.get(region) != html}
                shown = wanted
                yield ServerSentEvent(event="page", raw_data=_update(renderer, snapshot, lang, changed))

    @router.get("/static/{version}/{name}", include_in_schema=False)
    async def static(version: str, name: str) -> Response:
        """A file of the page, from memory. The address changes with the content, so it may be kept for ever."""
        asset = renderer.assets.files.get(name)
        if asset is None or version != renderer.assets.version:
            raise HTTPException(404)
        return Response(
            asset.content,
            media_type=asset.media_type,
            headers={"Cache-Control": f"public, max-age={YEAR_S}, immutable"},
        )

    return router


def chosen_lang(lang: Lang | None, remembered: str | None) -> Lang:
    """Chinese, unless the address or an earlier choice says English."""
    return lang or (Lang.EN if remembered == Lang.EN else Lang.ZH)


def remember_lang(answer: Response, lang: Lang | None) -> None:
    """Keep a choice that the address made."""
    if lang is not None:
        answer.set_cookie(LANG_COOKIE, lang, max_age=YEAR_S, httponly=True, samesite="strict")


def _update(renderer: PageRenderer, snapshot: Snapshot, lang: Lang, changed: dict[str, str]) -> str:
    return json.dumps(
        {"version": renderer.assets.version, "title": renderer.title(snapshot, lang), "regions": changed},
        ensure_ascii=False,
    )
