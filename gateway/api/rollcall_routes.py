"""Roll calls (点名): the page, its live updates, and the answers of staff."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from gateway.access.model import Principal, Role
from gateway.api.gate import Gate
from gateway.api.merging import Pulse, merged
from gateway.api.staff_context import Chosen, Office, Remembered, language, page
from gateway.api.staff_pages import SPEAK_EVERY_S, Text
from gateway.api.streams import GONE, until
from gateway.checkin.rollcall import Answer, Note
from gateway.checkin.roster import Person
from gateway.errors import GatewayError
from gateway.web.messages import Lang

PATH = "/staff/rollcall"
MINUTE_MS = 60_000
REGION = "calls-full"


def rollcall_routes(office: Office, gate: Gate, *, stopping: asyncio.Event) -> APIRouter:
    """`/staff/rollcall`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    desk, renderer = office.desk, office.renderer
    readers = gate.allow(Role.STAFF, Role.ADMIN, Role.AUDITOR)
    staff = gate.allow(Role.STAFF, Role.ADMIN)
    changed = Pulse()

    def people() -> Mapping[str, Person]:
        return {one.ref: one for one in office.people()}

    @router.get("", response_class=HTMLResponse)
    async def calls(
        who: Annotated[Principal, Depends(readers)], lang: Chosen = None, remembered: Remembered = None
    ) -> Response:
        """What is open, and a form to begin one."""
        frame = office.frame(who, language(remembered, lang), PATH)
        shown = desk.audit.shown_to(who.name)
        return page(renderer.rollcall(frame, desk.calls.open_now, people(), shown, office.alarms()), lang)

    @router.get("/live", response_class=EventSourceResponse)
    async def live(
        request: Request, who: Annotated[Principal, Depends(readers)], lang: Lang = Lang.ZH
    ) -> AsyncIterator[ServerSentEvent]:
        """The page's own stream."""
        sent: dict[str, str] = {}
        spoke_s = 0.0
        stays = gate.stays(request)
        sources = {"now": office.viewed.changes(), "calls": changed.changes()}
        async with aclosing(until(stopping, merged(sources))) as changes:
            async for _ in changes:
                if not stays():
                    yield GONE
                    return
                frame = office.frame(who, lang, PATH)
                regions = {"grave": renderer.grave(frame, office.alarms())}
                regions[REGION] = renderer.calls(
                    frame, desk.calls.open_now, people(), desk.audit.shown_to(who.name)
                )
                if regions == sent and time.monotonic() - spoke_s < SPEAK_EVERY_S:
                    continue
                spoke_s = time.monotonic()
                update = {
                    "version": renderer.assets.version,
                    "title": None,
                    "regions": {name: html for name, html in regions.items() if sent.get(name) != html},
                    "trouble": "",
                }
                sent = regions
                yield ServerSentEvent(event="page", raw_data=json.dumps(update, ensure_ascii=False))

    @router.post("/open")
    async def begin(
        who: Annotated[Principal, Depends(staff)],
        group: Text,
        minutes: Annotated[int, Form(ge=1, le=24 * 60)],
        remembered: Remembered = None,
    ) -> Response:
        """For all who are present, for everybody, or for a unit."""
        lang = language(remembered)
        refs = [one.ref for one in office.people() if group in {"all", f"unit:{one.unit}"}]
        try:
            await desk.calls.begin(
                desk.new_id(),
                None if group == "present" else refs,
                deadline_ms=desk.now_ms() + minutes * MINUTE_MS,
                by=who.name,
            )
        except GatewayError as exc:
            return office.refused(exc, lang)
        changed.beat()
        return office.said("staff_done.rollcall_opened", lang)

    @router.post("/answer")
    async def answer(
        who: Annotated[Principal, Depends(staff)],
        call: Text,
        ref: Text,
        answer: Annotated[Answer, Form()],
        note: Text = "",
        remembered: Remembered = None,
    ) -> Response:
        """One person; on disk when this answers."""
        lang = language(remembered)
        if note and note not in tuple(Note):
            raise HTTPException(422)
        try:
            await desk.calls.answer(call, ref, answer, Note(note) if note else None, who.name)
        except GatewayError as exc:
            return office.refused(exc, lang)
        changed.beat()
        return office.said("staff_done.answered", lang)

    @router.post("/end")
    async def end(
        who: Annotated[Principal, Depends(staff)], call: Text, remembered: Remembered = None
    ) -> Response:
        """It becomes one event."""
        lang = language(remembered)
        try:
            await desk.calls.end(call, by=who.name)
        except GatewayError as exc:
            return office.refused(exc, lang)
        changed.beat()
        return office.said("staff_done.rollcall_ended", lang)

    return router
