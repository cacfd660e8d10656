"""The auditor's page (驻检室): how far the chain reaches, who did what, what was said of a day. It changes nothing."""

import asyncio
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse

from gateway.access.model import Principal, Role
from gateway.api.gate import Gate
from gateway.api.staff_context import Chosen, Office, Remembered, day_of, language, page
from gateway.errors import StartError, StoreTrouble
from gateway.store.trail import chain, trail

MOST_N = 1 << 53


def evidence_routes(office: Office, gate: Gate) -> APIRouter:
    """`/evidence`."""
    router = APIRouter(prefix="/evidence", include_in_schema=False)
    desk, renderer = office.desk, office.renderer
    auditors = gate.allow(Role.AUDITOR, Role.ADMIN)
    reading = asyncio.Semaphore(2)  # each reads the disk for up to a second, beside check-ins

    @router.get("", response_class=HTMLResponse)
    async def evidence(
        who: Annotated[Principal, Depends(auditors)],
        before: Annotated[int | None, Query(ge=1, le=MOST_N)] = None,
        day: date | None = None,
        lang: Chosen = None,
        remembered: Remembered = None,
    ) -> Response:
        """Read beside the loop."""
        chosen = language(remembered, lang)
        frame = office.frame(who, chosen, "/evidence")
        try:
            async with reading:
                epochs = await asyncio.to_thread(chain, desk.store)
                found = await asyncio.to_thread(trail, desk.store, before)
            shown = await desk.book.day(day_of(day, desk.book.today))
        except (StoreTrouble, StartError) as exc:
            said = renderer.error(exc.code, chosen)
            return page(
                renderer.page("staff_message.html", frame, text=said, title="evidence.failed"), status=503
            )
        html = renderer.page(
            "evidence.html", frame, epochs=epochs, trail=found, day=shown, first_page=before is None
        )
        return page(html, lang)

    return router
