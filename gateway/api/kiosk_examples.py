"""Example answers of the interface for kiosks, made from its own models so that they cannot drift in shape."""

import json
from datetime import date
from typing import Any

from pydantic import BaseModel

from drivers.factors import Factor, Step
from gateway.api.kiosk_answers import KioskAnswer, KioskReceipt, KioskResult, KioskSession, KioskState
from gateway.api.problems import Responses
from gateway.checkin.facts import Outcome
from gateway.checkin.purposes import Purpose
from gateway.checkin.schedule import Where
from gateway.checkin.session import Stage

_NOW_MS = 1_795_327_402_000
_SESSION = "019ac1f4-6c10-7d31-9c55-2f80a1b2c3d4"
_EVENT = "019ac1f4-8e02-7a10-8f6b-77d2e4a90c1b"


def _json(model: BaseModel) -> Any:  # JSON has no narrower type
    return model.model_dump(mode="json")


_RESULT = KioskResult(
    outcome=Outcome.COMPLETED, counts=True, reason=None, where=Where.ON_TIME, next_day=date(2026, 11, 30)
)
PROVING = _json(
    KioskState(
        number=17,
        stage=Stage.PROVING,
        session=_SESSION,
        purpose=Purpose.REPORT,
        purposes=list(Purpose),
        name="测*甲",
        wanted=[Factor.FINGER],
        step=Step.PRESENT,
        hint=None,
        lent=False,
        tries_left=3,
        left_ms=27_400,
        result=None,
        now_ms=_NOW_MS,
    )
)
ANSWER = _json(KioskAnswer(session=_SESSION, changed=True))
SESSION = _json(
    KioskSession(
        session=_SESSION,
        running=False,
        purpose=Purpose.REPORT,
        result=_RESULT,
        event=_EVENT,
        ended_ms=_NOW_MS,
    )
)
RECEIPT = _json(
    KioskReceipt(
        number="20261122-E4A90C1B",
        event=_EVENT,
        gateway="gw-440305-01",
        kiosk="kiosk-1",
        at="2026-11-22T14:03:22+08:00",
        purpose=Purpose.REPORT,
        outcome=Outcome.COMPLETED,
        where=Where.ON_TIME,
        next_day=date(2026, 11, 30),
    )
)
STREAM = f"event: state\ndata: {json.dumps(PROVING, ensure_ascii=False)}\nretry: 1000\n\n"


def shown(value: object) -> Responses:
    """The `responses` entry that shows a successful answer."""
    return {200: {"content": {"application/json": {"example": value}}}}


def created(value: object) -> Responses:
    """The same for an answer that says that something began."""
    return {201: {"content": {"application/json": {"example": value}}}}
