"""Signing in and out, and one's own account: forms that work without scripts."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Cookie, Depends, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from gateway.access.model import PEOPLE, Access, AccessRefused, Principal, Role
from gateway.api.gate import (
    SESSION_COOKIE,
    ChangePasswordFirst,
    Gate,
    SignInFirst,
    form_of,
    from_own_page,
    is_navigation,
    source_of,
)
from gateway.api.own_path import own_path
from gateway.api.page_routes import LANG_COOKIE, chosen_lang, remember_lang
from gateway.api.problems import documented, http_problem
from gateway.api.session_docs import ACCOUNT_FORM, ME, PAGE, REFUSED_PAGES, SIGN_IN_FORM
from gateway.api.throttle import Throttle, client_of_scope, retry_after
from gateway.errors import GatewayError, StoreTrouble
from gateway.view import Viewed
from gateway.web.bar import Bars
from gateway.web.messages import Lang
from gateway.web.sign_in import DoorRenderer, Refusal

# Of a page that says why it did not work. What is not named here is 400.
STATUSES = {
    "bad_credentials": 401,
    "foreign_page": 403,
    "locked": 429,
    "too_many": 429,
    "busy": 503,
    "no_accounts": 503,
    "store": 503,
}
MOST_FIELD = 256  # characters; a password has fewer

LangAsked = Annotated[Lang | None, Query(description="Language; remembered in a cookie")]
LangKept = Annotated[str | None, Cookie(alias=LANG_COOKIE, include_in_schema=False)]


class Me(BaseModel):
    """Who is signed in."""

    role: Role = Field(description="What this account may do")
    name: str = Field(description="The account")
    csrf: str = Field(description="Goes into `X-CSRF-Token` of every change", repr=False)
    must_change: bool = Field(description="True while the password is one that others know")


def session_routes(
    access: Access, viewed: Viewed, *, gate: Gate, bars: Bars, renderer: DoorRenderer, throttle: Throttle
) -> APIRouter:
    """/sign-in, /sign-out, /account and /api/v1/me."""
    router = APIRouter(tags=["sign-in"])
    Person = Annotated[Principal, Depends(gate.allow(*PEOPLE))]  # noqa: N806 - a type

    @router.get(
        "/sign-in",
        summary="The page to sign in",
        response_class=HTMLResponse,
        response_description="The form",
        responses=PAGE | documented(400, 422, 500),
    )
    async def sign_in_page(
        next_path: Annotated[
            str, Query(alias="next", description="Where to go afterwards: a path of this gateway")
        ] = "",
        said: Annotated[str, Query(description="What has just happened")] = "",
        lang: LangAsked = None,
        remembered: LangKept = None,
    ) -> Response:
        """For people. Kiosks do not sign in: they have a token."""
        chosen = chosen_lang(lang, remembered)
        answer = HTMLResponse(renderer.sign_in(chosen, next_path=own_path(next_path) or "", said=said))
        remember_lang(answer, lang)
        return answer

    @router.post(
        "/sign-in",
        summary="Sign in",
        status_code=303,
        response_class=RedirectResponse,
        response_description="Signed in; the cookie `__Host-zhijiao` is the session",
        responses=documented(413, 500) | REFUSED_PAGES,
        openapi_extra=SIGN_IN_FORM,
    )
    async def sign_in(request: Request) -> Response:
        """Form fields `name`, `password`, `next`. On record before the answer, whether it works or not."""
        form = await form_of(request)
        name, password, wanted = _text(form, "name"), _text(form, "password"), own_path(_text(form, "next"))
        try:
            _check_sender(request, throttle)
            _take_turn(request, throttle)
            _check_filled(name, password)
            signed = await access.sign_in(name, password, source_of(request))
        except (AccessRefused, StoreTrouble) as exc:
            refusal = _refusal(exc)
            page = renderer.sign_in(
                _lang_of(request), next_path=wanted or "", name=name[:MOST_FIELD], refusal=refusal
            )
            return _refused(page, refusal)
        before = request.cookies.get(SESSION_COOKIE)
        if before is not None:
            await access.sign_out(before)
        answer = RedirectResponse(wanted or bars.first(signed.principal.role), status_code=303)
        answer.set_cookie(
            SESSION_COOKIE, signed.cookie, path="/", secure=True, httponly=True, samesite="strict"
        )
        return answer

    @router.post(
        "/sign-out",
        summary="Sign out",
        status_code=303,
        response_class=RedirectResponse,
        response_description="Signed out; the session has ended",
        responses=documented(400, 413, 500),
    )
    async def sign_out(_who: Person, request: Request) -> Response:
        """Form field `csrf`, or the header `X-CSRF-Token`."""
        await access.sign_out(request.cookies.get(SESSION_COOKIE, ""))
        return _to_sign_in("signed_out")

    @router.get(
        "/account",
        summary="One's own account",
        response_class=HTMLResponse,
        response_description="The form to change one's password",
        responses=PAGE | documented(400, 422, 500),
    )
    async def account_page(who: Person, lang: LangAsked = None, remembered: LangKept = None) -> Response:
        """For whoever is signed in."""
        bar = bars.of(who, "/account")
        html = renderer.account(chosen_lang(lang, remembered), bar, viewed.snapshot(), due=who.must_change)
        answer = HTMLResponse(html)
        remember_lang(answer, lang)
        return answer

    @router.post(
        "/account",
        summary="Change one's own password",
        status_code=303,
        response_class=RedirectResponse,
        response_description="Changed; all sessions of the account have ended",
        responses=documented(413, 500) | REFUSED_PAGES,
        openapi_extra=ACCOUNT_FORM,
    )
    async def change_password(who: Person, request: Request) -> Response:
        """Form fields `csrf`, `old`, `new`, `again`."""
        form = await form_of(request)
        old, new, again = (_text(form, field) for field in ("old", "new", "again"))
        try:
            _take_turn(request, throttle)
            _check_filled(old, new, again)
            _check_same(new, again)
            await access.change_password(who, old, new, source_of(request))
        except GatewayError as exc:
            refusal = _refusal(exc)
            bar = bars.of(who, "/account")
            about = viewed.snapshot()
            page = renderer.account(_lang_of(request), bar, about, due=who.must_change, refusal=refusal)
            return _refused(page, refusal)
        return _to_sign_in("password_changed")

    @router.get("/api/v1/me", summary="Who is signed in", responses=documented(400, 500) | ME)
    async def me(who: Person) -> Me:
        """For programs and scripts: the role, and the token that changes need."""
        return Me(role=who.role, name=who.name, csrf=who.csrf, must_change=who.must_change)

    return router


def add_door_handlers(app: FastAPI, renderer: DoorRenderer) -> None:
    """Send a person's browser where it must go first, and tell a person in words what is not there for him."""

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        if not is_navigation(request):
            return http_problem(error)
        page = renderer.not_shown(_lang_of(request), error.status_code)
        return HTMLResponse(page, error.status_code, headers=error.headers)

    @app.exception_handler(SignInFirst)
    async def sign_in_first(request: Request, _error: SignInFirst) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        wanted = own_path(request.url.path + query)
        asked = "" if wanted in (None, "/") else "?" + urlencode({"next": wanted})
        return RedirectResponse(f"/sign-in{asked}", status_code=303)

    @app.exception_handler(ChangePasswordFirst)
    async def change_password_first(_request: Request, _error: ChangePasswordFirst) -> Response:
        return RedirectResponse("/account", status_code=303)


def _check_sender(request: Request, throttle: Throttle) -> None:
    if not from_own_page(request):
        throttle.refused("csrf")
        raise AccessRefused("foreign_page", "the form was sent by a page of another origin")


def _check_filled(*fields: str) -> None:
    if not all(fields):
        raise AccessRefused("incomplete", "a field is empty")


def _check_same(new: str, again: str) -> None:
    if new != again:
        raise AccessRefused("not_the_same", "the new password was not typed the same twice")


def _take_turn(request: Request, throttle: Throttle) -> None:
    wait_s = throttle.sign_in.take(client_of_scope(request.scope))
    if wait_s is not None:
        throttle.refused("rate")
        raise AccessRefused("too_many", "too many tries from one address", retry_after_s=int(wait_s) + 1)


def _lang_of(request: Request) -> Lang:
    return chosen_lang(None, request.cookies.get(LANG_COOKIE))


def _text(form: FormData, field: str) -> str:
    value = form.get(field)
    return value if isinstance(value, str) else ""


def _refusal(error: GatewayError) -> Refusal:
    if isinstance(error, StoreTrouble):
        return Refusal(code="store")
    return Refusal(code=error.code, wait_s=getattr(error, "retry_after_s", None))


def _refused(page: str, refusal: Refusal) -> Response:
    status = STATUSES.get(refusal.code, 400)
    wait_s = refusal.wait_s or (5 if status in (429, 503) else None)
    return HTMLResponse(page, status, headers=None if wait_s is None else dict(retry_after(wait_s)))


def _to_sign_in(said: str) -> Response:
    answer = RedirectResponse(f"/sign-in?said={said}", status_code=303)
    answer.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return answer
