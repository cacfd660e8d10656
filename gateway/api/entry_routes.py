"""Manual entry (补录): a form, the question whether it is right, and the answer of the disk.

The key that makes a repeat harmless is made here and travels in the form. What is recorded under it is tied to
what was shown: the same form with other words in it is another entry.
"""

import asyncio
import hashlib
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import date
from datetime import time as day_time
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from gateway.access.model import Principal, Role
from gateway.api.gate import Gate
from gateway.api.staff_context import Chosen, Office, Remembered, language, page, reason_of, status_of
from gateway.checkin.purposes import Purpose
from gateway.errors import ContractError, GatewayError
from gateway.web.staff_present import ENTRY_REASONS

PATH = "/staff/entry"
AHEAD_MS = 60_000  # a time to come is a slip; a minute is not
_DAY, _TIME = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII), re.compile(r"\d\d:\d\d(:\d\d)?", re.ASCII)
Field = Annotated[str, Form(max_length=400)]


@dataclass(frozen=True, slots=True)
class Filled:
    """The form as it was sent."""

    key: str
    ref: str = ""
    purpose: str = Purpose.REPORT.value
    day: str = ""
    at: str = ""
    reason: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """The same, understood."""

    ref: str
    purpose: Purpose
    at_ms: int
    reason: str

    def key(self, form_key: str, by: str) -> str:
        """One for each thing that was confirmed."""
        said = "\0".join((form_key, by, self.ref, self.purpose, str(self.at_ms), self.reason))
        return hashlib.sha256(said.encode()).hexdigest()


def entry_routes(office: Office, gate: Gate) -> APIRouter:
    """`/staff/entry`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    desk, renderer = office.desk, office.renderer
    staff = gate.allow(Role.STAFF, Role.ADMIN)

    @router.get("", response_class=HTMLResponse)
    async def blank(
        who: Annotated[Principal, Depends(staff)], lang: Chosen = None, remembered: Remembered = None
    ) -> Response:
        """An empty form."""
        frame = office.frame(who, language(remembered, lang), PATH)
        form = Filled(
            key=secrets.token_urlsafe(18),
            day=frame.today.isoformat(),
            at=renderer.times.minute(frame.now_ms),
        )
        # Beside the loop: the list holds everybody on the roster.
        blank_form = partial(renderer.entry, form=asdict(form), alarms=office.alarms())
        return page(await asyncio.to_thread(blank_form, frame, office.people()), lang)

    @router.post("", response_class=HTMLResponse)
    async def filled(
        who: Annotated[Principal, Depends(staff)],
        step: Field,
        key: Field,
        ref: Field = "",
        purpose: Field = "",
        day: Field = "",
        at: Field = "",
        reason: Field = "",
        more: Field = "",
        remembered: Remembered = None,
    ) -> Response:
        """Check it, change it once more, or record it."""
        if step not in {"check", "edit", "record"} or not 8 <= len(key) <= 64:
            raise HTTPException(422)
        lang = language(remembered)
        frame = office.frame(who, lang, PATH)
        form = asdict(Filled(key, ref, purpose, day, at, reason, more))
        people, alarms = office.people(), office.alarms()
        if step == "edit":
            return page(await asyncio.to_thread(renderer.entry, frame, people, form=form, alarms=alarms))
        try:
            entry = _understood(office, Filled(**form))
            if step == "check":
                person = office.person(entry.ref)
                return page(
                    await asyncio.to_thread(
                        renderer.entry, frame, people, form=form, alarms=alarms, step="check", person=person
                    )
                )
            # Not cut off with the browser's line: what is being recorded is recorded.
            event = await asyncio.shield(
                desk.book.enter(
                    ref=entry.ref,
                    purpose=entry.purpose,
                    at_ms=entry.at_ms,
                    staff=who.name,
                    reason=entry.reason,
                    key=entry.key(key, who.name),
                )
            )
        except GatewayError as exc:
            said = renderer.error(exc.code, lang)
            return page(
                renderer.entry(frame, people, form=form, alarms=alarms, error=said), status=status_of(exc)
            )
        person = office.person(entry.ref)
        return page(
            renderer.entry(frame, people, form=form, alarms=alarms, step="done", person=person, event=event)
        )

    return router


def _understood(office: Office, form: Filled) -> Entry:
    """Raises `ContractError` (unknown_person, bad_time, no_reason, no_purpose)."""
    if office.person(form.ref) is None:
        raise ContractError(
            "unknown_person", "entry: the roster does not know this person; choose one of the list"
        )
    try:
        purpose = Purpose(form.purpose)
    except ValueError as exc:
        raise ContractError("no_purpose", "entry: choose what the person came for") from exc
    text = "entry: day and time cannot be read; give them as 2026-11-22 and 09:05"
    if _TIME.fullmatch(form.at) is None or _DAY.fullmatch(form.day) is None:
        raise ContractError("bad_time", text)  # Python reads more than a form sends: a zone, weeks
    try:
        at_ms = office.renderer.times.moment_of(date.fromisoformat(form.day), day_time.fromisoformat(form.at))
    except (ValueError, OverflowError) as exc:
        raise ContractError("bad_time", text) from exc
    if at_ms > office.desk.now_ms() + AHEAD_MS:
        raise ContractError("bad_time", "entry: this time has not come yet")
    return Entry(form.ref, purpose, at_ms, reason_of(form.reason, form.more, ENTRY_REASONS))
