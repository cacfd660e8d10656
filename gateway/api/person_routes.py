"""The routes of the pages about people's fingers and faces: for staff, recorded, without a person in any address.

A person is named by a handle that holds for one sign-in on this run: it tells nothing to whoever reads it in a
history or a log, and opens nothing for anybody else.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gateway.access.model import Principal, Role
from gateway.api.gate import Gate
from gateway.api.page_routes import LANG_COOKIE, chosen_lang, remember_lang
from gateway.api.streams import GONE, until
from gateway.checkin.persons import Persons, PersonView
from gateway.errors import ContractError, StoreTrouble
from gateway.view import Viewed
from gateway.web.bar import Bars
from gateway.web.messages import Lang
from gateway.web.persons import LABELS, PersonsRenderer

PATH = "/staff/persons"
HANDLE_BYTES = 18
Chosen = Annotated[Lang | None, Query(alias="lang")]
Remembered = Annotated[str | None, Cookie(alias=LANG_COOKIE)]


class EnrolForm(BaseModel):
    """Begin an enrolment."""

    device: str = Field(max_length=64)
    label: str | None = None
    consent: bool


class ReasonForm(BaseModel):
    """What staff say."""

    reason: str = Field(max_length=400)


class ReleaseForm(ReasonForm):
    """The second step of a release."""

    sure: bool


class _Handles:
    """Names for people that hold for one sign-in."""

    def __init__(self, persons: Persons) -> None:
        self._persons = persons
        self._key = secrets.token_bytes(32)

    def of(self, who: Principal, ref: str) -> str:
        said = f"{who.name}\0{who.csrf}\0{ref}".encode()
        digest = hmac.new(self._key, said, hashlib.sha256).digest()[:HANDLE_BYTES]
        return base64.urlsafe_b64encode(digest).decode()

    def person(self, who: Principal, handle: str) -> PersonView:
        for ref in self._persons.refs():
            if hmac.compare_digest(self.of(who, ref).encode(), handle.encode()):
                found = self._persons.of(ref)
                if found is not None:
                    return found
        raise HTTPException(404)


def person_routes(
    persons: Persons,
    viewed: Viewed,
    *,
    gate: Gate,
    bars: Bars,
    renderer: PersonsRenderer,
    stopping: asyncio.Event,
) -> APIRouter:
    """Pages below `/staff/persons`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    staff = gate.allow(Role.STAFF, Role.ADMIN)
    handles = _Handles(persons)

    @router.get("", response_class=HTMLResponse)
    async def people(
        who: Annotated[Principal, Depends(staff)], lang: Chosen = None, remembered: Remembered = None
    ) -> Response:
        """Everybody."""
        listed = [(handles.of(who, one.ref), one) for one in persons.all()]
        # Thousands of rows take a small board a second: beside the loop.
        chosen = chosen_lang(lang, remembered)
        page = await asyncio.to_thread(renderer.people, listed, viewed.snapshot(), bars.of(who, PATH), chosen)
        answer = HTMLResponse(page)
        remember_lang(answer, lang)
        return answer

    @router.get("/{handle}", response_class=HTMLResponse)
    async def person(
        handle: str,
        who: Annotated[Principal, Depends(staff)],
        lang: Chosen = None,
        remembered: Remembered = None,
    ) -> Response:
        """One person; the look is recorded before anything is shown."""
        one = handles.person(who, handle)
        try:
            await persons.viewed(who.name, one.ref)
        except StoreTrouble:
            raise HTTPException(503) from None
        page = renderer.person(
            one,
            persons.enrolment(one.ref),
            viewed.snapshot(),
            bars.of(who, f"{PATH}/{handle}"),
            chosen_lang(lang, remembered),
            address=handle,
        )
        answer = HTMLResponse(page)
        remember_lang(answer, lang)
        return answer

    @router.get("/{handle}/live", response_class=EventSourceResponse)
    async def live(
        handle: str, request: Request, who: Annotated[Principal, Depends(staff)], lang: Lang = Lang.ZH
    ) -> AsyncIterator[ServerSentEvent]:
        """The page's own stream: regions that changed."""
        ref = handles.person(who, handle).ref
        shown: dict[str, str] = {}
        stays = gate.stays(request)
        async with aclosing(until(stopping, viewed.changes())) as changes:
            async for snapshot in changes:
                if not stays():
                    yield GONE
                    return
                one = persons.of(ref)
                if one is None:
                    return
                wanted = renderer.regions(one, persons.enrolment(ref), snapshot, lang)
                changed = {name: html for name, html in wanted.items() if shown.get(name) != html}
                shown = wanted
                update = {"version": renderer.version, "regions": changed}
                yield ServerSentEvent(event="page", raw_data=json.dumps(update, ensure_ascii=False))

    @router.post("/{handle}/enrol")
    async def enrol(
        handle: str, form: EnrolForm, who: Annotated[Principal, Depends(staff)], lang: Remembered = None
    ) -> Response:
        """Begin."""
        one = handles.person(who, handle)
        label = form.label if form.label in LABELS else None
        try:
            persons.begin(
                one.ref,
                device=form.device,
                staff=who.name,
                consent=form.consent,
                label=label,
            )
        except ContractError as exc:
            return _refused(renderer, exc.code, lang)
        return JSONResponse({"ok": True})

    @router.post("/{handle}/vouch")
    async def vouch(
        handle: str, form: ReasonForm, who: Annotated[Principal, Depends(staff)], lang: Remembered = None
    ) -> Response:
        """The word of staff instead of the card."""
        try:
            persons.vouch(handles.person(who, handle).ref, form.reason)
        except ContractError as exc:
            return _refused(renderer, exc.code, lang)
        return JSONResponse({"ok": True})

    @router.post("/{handle}/cancel")
    async def cancel(
        handle: str,
        who: Annotated[Principal, Depends(staff)],
    ) -> Response:
        """Give up."""
        persons.cancel(handles.person(who, handle).ref)
        return JSONResponse({"ok": True})

    @router.post("/{handle}/release")
    async def release(
        handle: str, form: ReleaseForm, who: Annotated[Principal, Depends(staff)], lang: Remembered = None
    ) -> Response:
        """Delete everything of this person."""
        one = handles.person(who, handle)
        if not form.sure:
            return _refused(renderer, "not_sure", lang)
        try:
            await persons.release(one.ref, staff=who.name, reason=form.reason)
        except (ContractError, StoreTrouble) as exc:
            return _refused(renderer, exc.code, lang)
        return JSONResponse({"ok": True})

    return router


def _lang(remembered: str | None) -> Lang:
    return Lang.EN if remembered == Lang.EN else Lang.ZH


def _refused(renderer: PersonsRenderer, code: str, remembered: str | None) -> Response:
    return JSONResponse({"code": code, "text": renderer.error(code, _lang(remembered))}, 409)
