"""Requests of a kiosk that are refused: one stable code each, with what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from gateway.api.problems import MEDIA_TYPE, Problem, Responses
from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    title: str
    hint: str


KINDS: Mapping[str, _Kind] = {
    "key_missing": _Kind(
        400,
        "The Idempotency-Key is missing",
        "Send a new random key with each request, the same with a repeat.",
    ),
    "foreign_page": _Kind(
        403,
        "The request does not come from the kiosk's own page",
        "Programs send their token as a bearer token.",
    ),
    "not_a_terminal": _Kind(
        403,
        "This kiosk may not report cards, fingers or faces itself",
        "They come from the devices bound to it. For a terminal with its own: [[kiosk]] terminal = true.",
    ),
    "no_such_kiosk": _Kind(
        404, "The configuration names no such kiosk", "Add it to the configuration, or issue a new token."
    ),
    "no_such_session": _Kind(
        404,
        "There is nothing to say of this session any more",
        "Ask while it runs, or soon after; its events are the record.",
    ),
    "in_flight": _Kind(
        409, "The same request is being carried out", "Ask again in a moment with the same key."
    ),
    "enrolling": _Kind(
        409,
        "Somebody is being enrolled at this kiosk",
        "Nobody can check in here until `lent` is false again.",
    ),
    "key_reused": _Kind(422, "The Idempotency-Key was used for another request", "Use a new key."),
    "too_many": _Kind(
        429, "More requests than a kiosk makes", "Wait a second, and see why it asks so often."
    ),
}


class Refused(Exception):  # noqa: N818 - named for the condition
    """Answered as a problem document."""

    def __init__(self, code: str, *, detail: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail

    @classmethod
    def of(cls, error: GatewayError) -> "Refused":
        """An error of the kiosk whose code stands here."""
        return cls(error.code, detail=str(error))


def refusals(*codes: str) -> Responses:
    """For the description of a route; codes of one status stand together."""
    found: Responses = {}
    for code in codes:
        kind = KINDS[code]
        known = found.get(kind.status)
        if known is not None:
            known["description"] += f"; `{code}`: {kind.title}"
            continue
        found[kind.status] = {
            "model": Problem,
            "description": f"`{code}`: {kind.title}",
            "content": {MEDIA_TYPE: {"example": _body(code, None).model_dump(exclude_none=True)}},
        }
    return found


def together(*responses: Responses) -> Responses:
    """Of one status the first counts for the example; descriptions of the others are added to it."""
    found: Responses = {}
    for status, entry in _entries(responses):
        known = found.setdefault(status, dict(entry))
        if known.get("description") != entry.get("description"):
            known["description"] = f"{known['description']}; {entry['description']}"
    return found


def _entries(responses: Iterable[Responses]) -> Iterable[tuple[int | str, dict[str, object]]]:
    for one in responses:
        yield from one.items()


def add_refusal_handler(app: FastAPI) -> None:
    """Answer `Refused` as a problem document."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        request.app.state.refused("kiosk")
        kind = KINDS[error.code]
        return JSONResponse(
            _body(error.code, error.detail).model_dump(exclude_none=True),
            status_code=kind.status,
            media_type=MEDIA_TYPE,
            headers={"Retry-After": "1"} if kind.status in {409, 429} else None,
        )


def _body(code: str, detail: str | None) -> Problem:
    kind = KINDS[code]
    return Problem(
        type=f"urn:zhijiao:problem:{code}",
        title=kind.title,
        status=kind.status,
        code=code,
        detail=detail,
        hint=kind.hint,
    )
