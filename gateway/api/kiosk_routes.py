"""The interface for kiosks: what the gateway's own kiosk page uses, for the kiosks of other makers too."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from drivers.events import CardRead, CardType
from drivers.factors import Identified, Matched, NotMatched
from firmware_protocols.gb11643.number import check_digit_ok
from gateway.api import kiosk_examples as examples
from gateway.api.kiosk_answers import (
    CardSaid,
    FactorSaid,
    KioskAnswer,
    KioskReceipt,
    KioskSession,
    KioskState,
    Touched,
    receipt_of,
    session_of,
    state_of,
)
from gateway.api.kiosk_gate import AtDesk
from gateway.api.parts import Parts
from gateway.api.problems import documented
from gateway.api.refusals import Refused, refusals, together
from gateway.api.streams import until
from gateway.checkin.answered import Answer, Key, TooMany
from gateway.checkin.kiosks import Desk
from gateway.checkin.session import Stage
from gateway.errors import ContractError

ResultT = TypeVar("ResultT")
RECONNECT_MS = 1000
MOST_KEY = 200  # characters

_READ = together(documented(400, 401, 403, 500), refusals("no_such_kiosk"))
_SAID = together(
    refusals("key_missing"),
    documented(400, 401, 403),
    refusals("foreign_page", "no_such_kiosk", "in_flight", "enrolling", "key_reused", "too_many"),
    documented(422, 500, 503),
)

SessionId = Annotated[str, Path(description="Id of a session, as the state names it", max_length=64)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A new random text for each request, the same for a repeat: then the answer is that of the first, "
        "and nothing is done twice. Kept for 24 hours, over restarts",
    ),
]


def kiosk_routes(parts: Parts, at_desk: AtDesk, *, stopping: asyncio.Event) -> APIRouter:
    """Everything under /api/v1/kiosk."""
    router = APIRouter(tags=["kiosk"])
    AskedAt = Annotated[Desk, Depends(at_desk.asked)]  # noqa: N806 - a type

    @router.get(
        "/api/v1/kiosk",
        summary="What the kiosk shows now",
        response_description="The state now",
        responses=together(_READ, examples.shown(examples.PROVING)),
    )
    async def kiosk_state(desk: AskedAt) -> KioskState:
        """The kiosk that the token belongs to. The truth is here, never in what a kiosk remembers."""
        return state_of(desk.kiosk, desk.kiosk.view, desk.stamp())

    @router.get(
        "/api/v1/kiosk/events",
        summary="The state as it changes",
        response_class=EventSourceResponse,
        response_description="Server-sent events named `state`; the data of each is a KioskState",
        responses=_READ,
    )
    async def kiosk_events(desk: AskedAt, request: Request) -> AsyncIterator[ServerSentEvent]:
        """The state at once, then after each change without delay, and at least every two seconds.

        Nothing is resumed after a break: the first state of a new connection says all there is to know. Who hears
        nothing for five seconds must tell people that checking in is not possible now.
        """
        async with aclosing(until(stopping, desk.kiosk.changes())) as views:
            async for view in views:
                if await at_desk.still(request) is None:
                    return
                state = state_of(desk.kiosk, view, desk.stamp())
                yield ServerSentEvent(event="state", data=state, retry=RECONNECT_MS)

    @router.post(
        "/api/v1/kiosk/touch",
        summary="Choose a purpose",
        response_description="What came of it, on disk",
        responses=together(_SAID, examples.shown(examples.ANSWER)),
    )
    async def kiosk_touch(
        desk: AskedAt, touched: Touched, request: Request, key: IdempotencyKey = None
    ) -> KioskAnswer:
        """Before a card or after it. After the purpose the second factor is asked for."""
        key_of, only = _key(desk, request, key, touched), desk.kiosk.only
        if only is not None and touched.purpose is not only:
            return KioskAnswer(session=desk.kiosk.view.session, changed=False)
        return await _told(desk.requests.touch(key_of, touched.purpose))

    @router.post(
        "/api/v1/kiosk/cancel",
        summary="The person does not go on",
        response_description="What came of it, on disk",
        responses=together(_SAID, examples.shown(examples.ANSWER)),
    )
    async def kiosk_cancel(desk: AskedAt, request: Request, key: IdempotencyKey = None) -> KioskAnswer:
        """Ends the session as abandoned; a result that is shown goes away."""
        return await _told(desk.requests.cancel(_key(desk, request, key, None)))

    @router.post(
        "/api/v1/kiosk/card",
        status_code=201,
        summary="A terminal has read a card",
        response_description="The card is on disk, and the session that it began",
        responses=together(_SAID, refusals("not_a_terminal"), examples.created(examples.ANSWER)),
    )
    async def kiosk_card(
        desk: AskedAt, said: CardSaid, request: Request, key: IdempotencyKey = None
    ) -> KioskAnswer:
        """Only for a kiosk with `terminal = true`. The number becomes a keyed hash before anything else happens.

        Another person's card ends a session that runs and begins its own.
        """
        read = CardRead(
            card_type=said.card_type,
            id_number=said.id_number,
            name=said.name,
            valid_from=said.valid_from,
            valid_to=said.valid_to,
            check_digit_ok=None
            if said.card_type is CardType.FOREIGNER_2017
            else bool(check_digit_ok(said.id_number)),
            text_repaired=False,
        )
        return await _told(desk.requests.card(_key(desk, request, key, said), read))

    @router.post(
        "/api/v1/kiosk/factor",
        summary="A terminal has compared a finger or a face",
        response_description="What came of it, on disk",
        responses=together(_SAID, refusals("not_a_terminal"), examples.shown(examples.ANSWER)),
    )
    async def kiosk_factor(
        desk: AskedAt, said: FactorSaid, request: Request, key: IdempotencyKey = None
    ) -> KioskAnswer:
        """Only for a kiosk with `terminal = true`, for the session it was asked for.

        Whose finger or face it is, the roster says by module and slot. Then GET the session for the result.
        """
        key_of = _key(desk, request, key, said)
        return await _told(desk.requests.factor(key_of, said.session, said.factor, _identified(said)))

    @router.get(
        "/api/v1/kiosk/sessions/{session}",
        summary="One session and how it ended",
        response_description="The session",
        responses=together(
            _READ, documented(422), refusals("no_such_session"), examples.shown(examples.SESSION)
        ),
    )
    async def kiosk_session(desk: AskedAt, session: SessionId) -> KioskSession:
        """The one that runs, the last 64 of this run of the gateway, and the last one before it."""
        view, ended = desk.kiosk.view, desk.kiosk.endings.find(session)
        if ended is not None:
            return session_of(ended)
        if view.session != session or view.stage in {Stage.IDLE, Stage.SHOWN}:
            raise Refused("no_such_session")
        return KioskSession(
            session=session, running=True, purpose=view.purpose, result=None, event=None, ended_ms=None
        )

    @router.get(
        "/api/v1/kiosk/sessions/{session}/receipt",
        summary="The receipt of a check-in that counts",
        response_description="What may be printed",
        responses=together(
            _READ, documented(422), refusals("no_such_session"), examples.shown(examples.RECEIPT)
        ),
    )
    async def kiosk_receipt(desk: AskedAt, session: SessionId) -> KioskReceipt:
        """For as long as the result is shown, 15 seconds; afterwards the next person stands there."""
        receipt = receipt_now(parts, desk, session)
        if receipt is None:
            raise Refused("no_such_session")
        return receipt

    return router


def receipt_now(parts: Parts, desk: Desk, session: SessionId) -> KioskReceipt | None:
    """The receipt of the session that is shown now, where it counts."""
    ended = desk.kiosk.endings.find(session)
    if ended is None or desk.kiosk.shown_session != session:
        return None
    return receipt_of(ended, parts.viewed.snapshot().gateway, desk.kiosk.id, desk.zone)


def _key(desk: Desk, request: Request, key: str | None, said: BaseModel | None) -> Key:
    if key is None or not 1 <= len(key) <= MOST_KEY:
        raise Refused("key_missing")
    body = {} if said is None else said.model_dump(mode="json")
    return desk.requests.key(key, json.dumps([request.url.path, body], sort_keys=True).encode())


async def _told(asking: Awaitable[Answer]) -> KioskAnswer:
    try:
        answer = await asking
    except (ContractError, TooMany) as exc:
        raise Refused.of(exc) from exc
    return KioskAnswer(session=answer.session, changed=answer.changed)


def _identified(said: FactorSaid) -> Identified:
    if not said.matched:
        return NotMatched(said.reason)
    if said.module is None or said.slot is None:
        return NotMatched("unknown")  # somebody, but nobody that the roster could name
    return Matched(said.slot, said.score, said.module)
