"""A day as a file or on paper. That it leaves the box is on disk before the first byte does."""

import asyncio
from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from gateway.access.model import Principal, Role
from gateway.api.gate import Gate
from gateway.api.staff_context import Office, Remembered, day_of, language, page, status_of
from gateway.errors import GatewayError
from gateway.web.csv_text import csv_lines
from gateway.web.day_table import Part, table


class As(StrEnum):
    """In what form."""

    CSV = "csv"
    PRINT = "print"


def export_routes(office: Office, gate: Gate) -> APIRouter:
    """`/staff/export`. A POST: it leaves an event, so no link and no other site may cause it."""
    router = APIRouter(prefix="/staff/export", include_in_schema=False)
    desk, renderer = office.desk, office.renderer
    readers = gate.allow(Role.STAFF, Role.ADMIN, Role.AUDITOR)

    @router.post("", response_class=HTMLResponse)
    async def export(
        who: Annotated[Principal, Depends(readers)],
        day: Annotated[date, Form()],
        part: Annotated[Part, Form()],
        form: Annotated[As, Form()],
        remembered: Remembered = None,
    ) -> Response:
        """One table of one day."""
        lang = language(remembered)
        frame = office.frame(who, lang)
        try:
            shown = await desk.book.day(day_of(day, desk.book.today))
            wanted = await asyncio.to_thread(table, shown, part, renderer.speaker(lang), renderer.times)
            await desk.audit.exported(
                who.name,
                "day",
                {
                    "day": shown.day.isoformat(),
                    "part": part,
                    "form": form,
                    "rows": len(wanted.rows),
                    "roster_version": shown.roster_version,
                },
            )
        except GatewayError as exc:
            said = renderer.error(exc.code, lang)
            return page(
                renderer.page("staff_message.html", frame, text=said, title="export.failed"),
                status=status_of(exc),
            )
        if form is As.PRINT:
            # Beside the loop, as every list of thousands: a check-in must not wait for a page.
            return page(await asyncio.to_thread(renderer.sheets, frame, shown, part, wanted))
        name = f"{frame.gateway}-{shown.day.isoformat()}-{part}.csv"
        return StreamingResponse(
            csv_lines([wanted.heads, *wanted.rows]),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return router
