"""Errors as RFC 9457 problem documents: a stable code, what is wrong, what to do.

Nothing a client sent is repeated in an answer, and no exception text but that of our own typed errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gateway.api.headers import NO_STORE, PROTECTION
from gateway.errors import GatewayError

MEDIA_TYPE = "application/problem+json"
Responses: TypeAlias = dict[int | str, dict[str, Any]]  # as FastAPI takes them


class Problem(BaseModel):
    """What an error answer holds (RFC 9457), with a stable code and a hint."""

    type: str = Field(description="`urn:zhijiao:problem:<code>`", examples=["urn:zhijiao:problem:not_found"])
    title: str = Field(description="What is wrong, the same for every case of this code")
    status: int = Field(description="The HTTP status again", examples=[404])
    code: str = Field(description="Stable; programs decide by it", examples=["not_found"])
    detail: str | None = Field(default=None, description="What is wrong in this case")
    hint: str = Field(description="What to do about it")


@dataclass(frozen=True, slots=True)
class _Kind:
    code: str
    title: str
    hint: str


_BY_STATUS: Mapping[int, _Kind] = {
    400: _Kind(
        "host_not_allowed",
        "The Host header names no address of this gateway",
        "Open the gateway by http://127.0.0.1 or http://localhost, or add the name to the configuration.",
    ),
    401: _Kind(
        "not_signed_in",
        "Nobody is signed in, or the token is not known here",
        "Sign in; a kiosk is paired with its token (docs/api.md).",
    ),
    403: _Kind(
        "not_allowed", "This is not for the one who asks", "Use an account or a token that may do this."
    ),
    404: _Kind("not_found", "There is nothing at this address", "See /openapi.json for what there is."),
    405: _Kind(
        "method_not_allowed", "This address does not take this method", "Use a method that `Allow` names."
    ),
    413: _Kind("too_large", "The request is larger than is taken here", "Send less at once."),
    422: _Kind(
        "bad_parameter",
        "A parameter has a value that is not allowed",
        "See /openapi.json for the allowed values.",
    ),
    429: _Kind(
        "too_many",
        "Too many requests, or too many open streams, from this address",
        "Wait as long as `Retry-After` says, and see why it asks so often.",
    ),
    500: _Kind(
        "internal_error",
        "The gateway could not answer",
        "Events are not affected. Give the gateway's log of this moment to the developers.",
    ),
    503: _Kind("unavailable", "The gateway cannot answer now", "Try again in a few seconds."),
}


# Rules whose code says more than that of their status.
_BY_CODE: Mapping[str, _Kind] = {
    "bad_request": _Kind(
        "bad_request",
        "The request cannot be read",
        "See /openapi.json for the form that the address takes.",
    ),
    "foreign_page": _Kind(
        "foreign_page",
        "The change does not come from a page of this gateway, or without the session's token",
        "Reload the page and try again; a program sends X-CSRF-Token (docs/api.md).",
    ),
    "password_change_due": _Kind(
        "password_change_due",
        "The password was made by somebody else",
        "Sign in with a browser and choose a password of your own at /account.",
    ),
}


def problem(
    status: int,
    *,
    detail: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem answer for a status; statuses without a kind of their own read as 404 or 500."""
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(status) or _BY_STATUS[500 if status >= 500 else 404]
    code = code or kind.code
    body = Problem(
        type=f"urn:zhijiao:problem:{code}",
        title=kind.title,
        status=status,
        code=code,
        detail=detail,
        hint=kind.hint,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=None if headers is None else dict(headers),
    )


def http_problem(error: HTTPException) -> JSONResponse:
    """What FastAPI or a route refuses with a status."""
    code = getattr(error, "code", None) or ("bad_request" if error.status_code == 400 else None)
    return problem(error.status_code, code=code, headers=error.headers)


def documented(*statuses: int) -> Responses:
    """The problem answers of a route, for its OpenAPI entry."""
    return {
        status: {
            "model": Problem,
            "description": _BY_STATUS[status].title,
            "content": {MEDIA_TYPE: {"example": _example(status)}},
        }
        for status in statuses
    }


def add_problem_handlers(app: FastAPI) -> None:
    """Answer errors as problem documents; what FastAPI refuses with a status, the door does (`session_routes`)."""

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(request: Request, error: RequestValidationError) -> JSONResponse:
        request.app.state.refused("parameter")
        # Places and rules only: the value may be anything, and an answer is no place to repeat it.
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return problem(422, detail=wrong)

    @app.exception_handler(GatewayError)
    async def gateway_error(_request: Request, error: GatewayError) -> JSONResponse:
        return problem(503, code=error.code, detail=str(error))

    @app.exception_handler(Exception)
    async def bug(_request: Request, _error: Exception) -> JSONResponse:
        # Starlette answers a bug outside of every middleware, the guard included.
        return problem(500, headers={**PROTECTION, **NO_STORE})


def _example(status: int) -> dict[str, object]:
    kind = _BY_STATUS[status]
    return {
        "type": f"urn:zhijiao:problem:{kind.code}",
        "title": kind.title,
        "status": status,
        "code": kind.code,
        "hint": kind.hint,
    }
