"""The page of a day, its live updates, and what is done on it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from gateway.access.model import Principal, Role
from gateway.api.gate import Gate
from gateway.api.merging import Pulse, merged
from gateway.api.staff_context import Chosen, Office, Remembered, day_of, language, page, reason_of
from gateway.api.staff_desk import StaffDesk
from gateway.api.streams import GONE, until
from gateway.checkin.day import Day
from gateway.checkin.purposes import Purpose
from gateway.checkin.session import Stage
from gateway.errors import ContractError, GatewayError, StoreTrouble
from gateway.web.messages import Lang
from gateway.web.staff import DAY_REGIONS, NOW_REGIONS
from gateway.web.staff_present import REVIEW_REASONS, VOUCH_REASONS, stamp

SPEAK_EVERY_S = 5.0  # so that a page whose line is dead notices
PAST_EVERY_S = 10.0  # a past day changes seldom
AGAIN_S = 2.0  # after a store that could not be read
Text = Annotated[str, Form(max_length=400)]
Typed = Annotated[str, Form(max_length=400)]


def staff_pages(office: Office, gate: Gate, *, stopping: asyncio.Event) -> APIRouter:
    """`/staff` and the actions on it."""
    router = APIRouter(prefix="/staff", include_in_schema=False)
    desk, renderer = office.desk, office.renderer
    readers = gate.allow(Role.STAFF, Role.ADMIN, Role.AUDITOR)
    staff = gate.allow(Role.STAFF, Role.ADMIN)
    looks = Pulse()

    @router.get("", response_class=HTMLResponse)
    async def today(
        who: Annotated[Principal, Depends(readers)],
        day: date | None = None,
        lang: Chosen = None,
        remembered: Remembered = None,
    ) -> Response:
        """One day; today unless another is named."""
        shown = await desk.book.day(day_of(day, desk.book.today))
        frame = office.frame(who, language(remembered, lang))
        # Beside the loop: a list of thousands takes longer than a check-in may wait.
        return page(await asyncio.to_thread(renderer.day, frame, office.seen(shown, who)), lang)

    @router.get("/live", response_class=EventSourceResponse)
    async def live(
        request: Request,
        who: Annotated[Principal, Depends(readers)],
        day: date | None = None,
        lang: Lang = Lang.ZH,
    ) -> AsyncIterator[ServerSentEvent]:
        """The page's own stream: HTML of the regions that changed."""
        sources = {
            "now": office.viewed.changes(),
            "day": desk.book.changes(),
            "looks": looks.changes(),
        }
        sent: dict[str, str] = {}
        shown: Day | None = None
        names: frozenset[str] = frozenset()
        said: object = None
        trouble, wanted = "", True  # `wanted`: something of the day has changed and was not read yet
        tried_s = spoke_s = 0.0
        stays = gate.stays(request)
        async with aclosing(until(stopping, merged(sources))) as changes:
            async for changed in changes:
                now_s = time.monotonic()
                if not stays():
                    yield GONE
                    return
                wanted_day = day_of(day, desk.book.today)
                wanted = wanted or "day" in changed or (shown is not None and shown.day != wanted_day)
                pause_s = AGAIN_S if trouble else PAST_EVERY_S if day is not None else 0.0
                fresh = False
                if wanted and now_s - tried_s >= pause_s:
                    tried_s = now_s
                    try:
                        shown, trouble, wanted, fresh = await desk.book.day(wanted_day), "", False, True
                    except StoreTrouble as exc:
                        trouble = renderer.error(exc.code, lang)
                if shown is None:
                    continue
                seen = office.seen(shown, who)
                which: Sequence[str] = NOW_REGIONS
                if fresh or seen.shown != names:
                    which, names = (*NOW_REGIONS, *DAY_REGIONS), frozenset(seen.shown)
                frame = office.frame(who, lang)
                if which is NOW_REGIONS:
                    rendered = renderer.regions(frame, seen, which)
                else:
                    rendered = await asyncio.to_thread(renderer.regions, frame, seen, which)
                regions = {name: html for name, html in rendered.items() if sent.get(name) != html}
                sent |= rendered
                around = {"stamp": stamp(shown), "title": renderer.title(frame, seen), "trouble": trouble}
                if not regions and around == said and now_s - spoke_s < SPEAK_EVERY_S:
                    continue
                said, spoke_s = around, now_s
                update = {"version": renderer.assets.version, "regions": regions, **around}
                yield ServerSentEvent(event="page", raw_data=json.dumps(update, ensure_ascii=False))

    @router.get("/live/alarms", response_class=EventSourceResponse)
    async def alarms(
        request: Request, who: Annotated[Principal, Depends(readers)], lang: Lang = Lang.ZH
    ) -> AsyncIterator[ServerSentEvent]:
        """For pages that follow nothing else: a grave alarm reaches whoever fills in a form, too."""
        stays = gate.stays(request)
        async with aclosing(until(stopping, office.viewed.changes())) as changes:
            async for _ in changes:
                if not stays():
                    yield GONE
                    return
                html = renderer.grave(office.frame(who, lang), office.alarms())
                update = {"version": renderer.assets.version, "regions": {"grave": html}, "trouble": ""}
                yield ServerSentEvent(event="page", raw_data=json.dumps(update, ensure_ascii=False))

    @router.post("/vouch")
    async def vouch(
        who: Annotated[Principal, Depends(staff)],
        kiosk: Text,
        session: Text,
        reason: Text = "",
        more: Typed = "",
        remembered: Remembered = None,
    ) -> Response:
        """The word of staff for whoever stands at a kiosk: handed on; the visit says when it is recorded."""
        lang = language(remembered)
        try:
            said = reason_of(reason, more, VOUCH_REASONS)
            _vouch(desk, kiosk, session, who.name, said)
        except ContractError as exc:
            return office.refused(exc, lang)
        return office.said("staff_done.vouched", lang)

    @router.post("/review")
    async def review(
        who: Annotated[Principal, Depends(staff)],
        event: Text,
        verdict: Text,
        reason: Text = "",
        more: Typed = "",
        ref: Text = "",
        purpose: Text = "",
        remembered: Remembered = None,
    ) -> Response:
        """Accept or refuse a check-in that waits; recorded when this answers."""
        lang = language(remembered)
        if verdict not in {"accept", "refuse"} or purpose not in {"", *Purpose}:
            raise HTTPException(422)
        try:
            said = reason_of(reason, more, REVIEW_REASONS)
            await desk.book.review(
                event=event,
                accept=verdict == "accept",
                staff=who.name,
                reason=said,
                ref=ref.strip() or None,
                purpose=Purpose(purpose) if purpose else None,
            )
        except GatewayError as exc:
            return office.refused(exc, lang)
        return office.said("staff_done.reviewed", lang)

    @router.post("/reveal")
    async def reveal(
        who: Annotated[Principal, Depends(readers)], ref: Text, remembered: Remembered = None
    ) -> Response:
        """Show the name of a protected person for a minute; the look is on disk first."""
        lang = language(remembered)
        person = office.person(ref)
        if person is None or not person.protected:
            raise HTTPException(404)
        try:
            await desk.audit.viewed_person(who.name, ref)
        except StoreTrouble as exc:
            return office.refused(exc, lang)
        looks.beat()
        return office.said("staff_done.revealed", lang)

    @router.post("/alarm")
    async def acknowledge(
        who: Annotated[Principal, Depends(readers)], event: Text, remembered: Remembered = None
    ) -> Response:
        """Somebody has seen a grave alarm on this screen; it stands until its cause is gone."""
        lang = language(remembered)
        standing = desk.alarms()
        key = next((key for key, raised in standing.items() if raised == event), None)
        if key is not None:
            try:
                await desk.audit.saw_alarm(who.name, event, key.partition("/")[0])
            except StoreTrouble as exc:
                return office.refused(exc, lang)
        return office.said("staff_done.acknowledged", lang)

    return router


def _vouch(desk: StaffDesk, kiosk: str, session: str, by: str, reason: str) -> None:
    at = next((one for one in desk.kiosks() if one.id == kiosk), None)
    if at is None or at.view.stage is not Stage.PROVING or at.view.session != session:
        raise ContractError("not_waiting", "kiosk: nobody waits there for the word of staff any more")
    if not at.staff_word(session, by, reason):
        raise ContractError("kiosk_busy", "kiosk: too much waits there already; try again")
