"""The pages of a kiosk: its screen, how it is paired, the receipt that it prints."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from gateway.access.model import Role
from gateway.api.gate import KIOSK_COOKIE, is_navigation, source_of
from gateway.api.kiosk_answers import KioskReceipt
from gateway.api.kiosk_gate import AtDesk, check_own_page
from gateway.api.kiosk_routes import SessionId, receipt_now
from gateway.api.parts import Parts
from gateway.api.problems import documented
from gateway.api.refusals import Refused, refusals, together
from gateway.api.streams import until
from gateway.checkin.kiosks import Desk
from gateway.checkin.screen import KioskView
from gateway.web.kiosk import KioskRenderer
from gateway.web.kiosk_screen import Around, Line, ScreenView

COOKIE_S = 400 * 24 * 3600  # the longest that browsers keep one; renewed whenever the page is opened
MOST_TOKEN = 512
_IDCARD = "idcard."
_HTML = {"text/html": {"example": '<!doctype html><html lang="zh-CN">…</html>'}}


class Pairing(BaseModel):
    """The token that a technician has issued for this kiosk."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: str = Field(description="As issued, shown once", max_length=MOST_TOKEN, repr=False)


def kiosk_pages(
    parts: Parts, at_desk: AtDesk, *, renderer: KioskRenderer, stopping: asyncio.Event
) -> APIRouter:
    """Everything under /kiosk."""
    router = APIRouter(tags=["page"])
    AskedAt = Annotated[Desk, Depends(at_desk.asked)]  # noqa: N806 - a type

    @router.get(
        "/kiosk",
        summary="The kiosk's page",
        response_class=HTMLResponse,
        response_description="The whole screen; with scripts it follows the gateway",
        responses=together(documented(400, 422, 500), {200: {"content": _HTML}}),
    )
    async def kiosk_page(
        request: Request, *, voice: Annotated[bool, Query(description="Speak what is asked")] = False
    ) -> Response:
        """For a browser that was paired; any other is sent to /kiosk/pair."""
        desk = await at_desk.still(request)
        if desk is None:
            return RedirectResponse("/kiosk/pair", status_code=303)
        screen, around = look(parts, desk, desk.kiosk.view, renderer)
        answer = HTMLResponse(renderer.page(screen, around, voice=voice))
        token = request.cookies.get(KIOSK_COOKIE)
        if token is not None:
            _remember(answer, token)
        return answer

    @router.get("/kiosk/live", response_class=EventSourceResponse, include_in_schema=False)
    async def kiosk_live(desk: AskedAt, request: Request) -> AsyncIterator[ServerSentEvent]:
        """The page's own stream: HTML of the regions that changed, and a sign of life every two seconds."""
        told: dict[str, str] = {}
        async with aclosing(until(stopping, desk.kiosk.changes())) as views:
            async for view in views:
                if await at_desk.still(request) is None:
                    yield ServerSentEvent(event="gone", raw_data="{}")
                    return
                wanted = renderer.regions(*look(parts, desk, view, renderer))
                changed = {region: html for region, html in wanted.items() if told.get(region) != html}
                told = wanted
                yield ServerSentEvent(event="page", raw_data=renderer.update(changed))

    @router.get(
        "/kiosk/pair",
        summary="Pair a kiosk",
        response_class=HTMLResponse,
        response_description="Takes the token from behind the # of the address, or typed",
        responses=together(documented(400, 500), {200: {"content": _HTML}}),
    )
    async def kiosk_pair_page() -> Response:
        """Opened once, by the technician: /kiosk/pair#TOKEN."""
        return HTMLResponse(renderer.pair())

    @router.post(
        "/kiosk/pair",
        status_code=204,
        summary="Hand over the token of a kiosk",
        response_description="The cookie is set; it is HttpOnly and Secure",
        responses=together(documented(400, 401), refusals("foreign_page"), documented(422, 500)),
    )
    async def kiosk_pair(pairing: Pairing, request: Request) -> Response:
        """The browser becomes the kiosk that the token belongs to."""
        check_own_page(request)
        who = parts.access.kiosk(pairing.token, source_of(request))
        if who is None or who.role is not Role.KIOSK:
            raise HTTPException(401)
        answer = Response(status_code=204)
        _remember(answer, pairing.token)
        return answer

    @router.get(
        "/kiosk/receipt/{session}",
        summary="The receipt of a check-in that counts, to be printed",
        response_class=HTMLResponse,
        response_description="For 80 mm paper and A4; names nobody",
        responses=together(
            documented(400, 401, 403, 422, 500),
            refusals("no_such_kiosk", "no_such_session"),
            {200: {"content": _HTML}},
        ),
    )
    async def kiosk_receipt_page(desk: AskedAt, session: SessionId, request: Request) -> Response:
        """For as long as the result is shown; afterwards the next person stands there, and sees the kiosk's page."""
        receipt = receipt_now(parts, desk, session)
        if receipt is None and is_navigation(request):
            return RedirectResponse("/kiosk", status_code=303)
        if receipt is None:
            raise Refused("no_such_session")
        return HTMLResponse(renderer.receipt(_rows(receipt, renderer), receipt.number))

    return router


def look(parts: Parts, desk: Desk, view: KioskView, renderer: KioskRenderer) -> tuple[ScreenView, Around]:
    """The screen of a kiosk now."""
    snapshot, kiosk = parts.viewed.snapshot(), desk.kiosk
    readers = [
        one for one in snapshot.devices if one.id in desk.configured.devices and one.kind.startswith(_IDCARD)
    ]
    around = Around(
        zone=desk.zone,
        now_ms=desk.stamp().wall_ms,
        store=snapshot.buffer.state,
        reader_away=bool(readers) and all(one.state in {"offline", "fault"} for one in readers),
        uplink=snapshot.uplink.state != "offline",
        printer=desk.configured.printer,
        shown_session=kiosk.shown_session,
        left_s=kiosk.left_s(view),
        center=snapshot.center,
    )
    return renderer.screens.of(view, kiosk.only, around), around


def _rows(receipt: KioskReceipt, renderer: KioskRenderer) -> list[tuple[Line, Line]]:
    say, at = renderer.screens.say, datetime.fromisoformat(receipt.at)
    where = "plain" if receipt.where is None else receipt.where
    rows = [("number", _plain(receipt.number)), ("at", _plain(f"{at:%Y-%m-%d %H:%M:%S}"))]
    if receipt.purpose is not None:
        rows.append(("purpose", say(f"kiosk.purpose.{receipt.purpose}")))
    rows.append(("outcome", say(f"kiosk.counted.{where}")))
    if receipt.next_day is not None:
        rows.append(("next", _plain(receipt.next_day.isoformat())))
    rows += [
        ("kiosk", _plain(receipt.kiosk)),
        ("gateway", _plain(receipt.gateway)),
        ("event", _plain(receipt.event)),
    ]
    return [(say(f"kiosk.receipt.{name}"), value) for name, value in rows]


def _plain(text: str) -> Line:
    return Line(text, text)


def _remember(answer: Response, token: str) -> None:
    answer.set_cookie(
        KIOSK_COOKIE, token, max_age=COOKIE_S, path="/", secure=True, httponly=True, samesite="strict"
    )
