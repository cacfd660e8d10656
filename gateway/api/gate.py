"""Who is asking, and whether the route is for them: every route names its roles, all else is refused.

People come with the cookie of their session, kiosks with a bearer token or, in a browser, with the kiosk cookie.
What a cookie authorises to change must come from a page of this gateway and, for people, carry the session's token
(`X-CSRF-Token`, or `csrf` in a form). A browser that only wants to see a page is sent to sign in.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from gateway.access.model import Access, Principal, Role

SESSION_COOKIE = "__Host-zhijiao"
KIOSK_COOKIE = "__Host-zhijiao-kiosk"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD"})
# All that is left to somebody whose password was made by another.
OPEN_BEFORE_CHANGE = frozenset({"/account", "/sign-out", "/api/v1/me"})

Allowed: TypeAlias = Callable[[Request], Awaitable[Principal]]


class SignInFirst(Exception):  # noqa: N818 - named for the condition
    """A person's browser asks for a page and nobody is signed in."""


class ChangePasswordFirst(Exception):  # noqa: N818 - named for the condition
    """A person's browser asks for a page before the password that others know was changed."""


class NotAllowed(HTTPException):
    """403, with a code that says which rule it was."""

    def __init__(self, code: str) -> None:
        super().__init__(403)
        self.code = code


class Allow:
    """The dependency of one route. Its roles can be read, for the description and for the test of all routes."""

    def __init__(self, gate: "Gate", roles: tuple[Role, ...]) -> None:
        self.roles = frozenset(roles)
        self._gate = gate

    async def __call__(self, request: Request) -> Principal:
        """Who asks; 401 for nobody, 403 for somebody else."""
        asking = self._gate.of_bearer(request)
        if asking is None:
            asking = self._gate.of_cookies(request, self.roles)
            if asking is None:
                raise self._nobody(request)
            if request.method not in SAFE:
                await self._check_own_page(request, asking)
        if asking.role not in self.roles:
            self._gate.refused("forbidden")
            raise NotAllowed("not_allowed")
        if asking.must_change and request.url.path not in OPEN_BEFORE_CHANGE:
            raise ChangePasswordFirst if is_navigation(request) else NotAllowed("password_change_due")
        return asking

    def _nobody(self, request: Request) -> Exception:
        if is_navigation(request) and self.roles != {Role.KIOSK}:
            return SignInFirst()
        self._gate.refused("unauthenticated")
        return HTTPException(401, headers={"WWW-Authenticate": 'Bearer realm="zhijiao"'})

    async def _check_own_page(self, request: Request, asking: Principal) -> None:
        if not from_own_page(request) or (asking.csrf and not await _has_token(request, asking.csrf)):
            self._gate.refused("csrf")
            raise NotAllowed("foreign_page")


class AllowHereOr(Allow):
    """Likewise, and whoever asks on this machine itself, without any sign-in."""

    async def __call__(self, request: Request) -> Principal:
        """Nobody in particular where it comes from this machine."""
        if is_here(request):
            return Principal(Role.TECHNICIAN, "")
        return await super().__call__(request)


class Gate:
    """Makes the dependency that a route declares: `Annotated[Principal, Depends(gate.allow(Role.STAFF))]`."""

    def __init__(self, access: Access, refused: Callable[[str], None] = lambda _reason: None) -> None:
        self._access = access
        self.refused = refused  # counts, by reason

    def allow(self, *roles: Role) -> Allow:
        """Whoever has one of these roles."""
        return Allow(self, roles)

    def allow_here_or(self, *roles: Role) -> Allow:
        """Whoever asks on this machine, or has one of these roles."""
        return AllowHereOr(self, roles)

    def stays(self, request: Request) -> Callable[[], bool]:
        """Whether the session with which a stream began still lasts. Asking is no use of it."""
        cookie = request.cookies.get(SESSION_COOKIE)
        if cookie is None:
            return lambda: True  # it came otherwise: whoever let it in knows how long
        return lambda: self._access.session(cookie, used=False) is not None

    def of_bearer(self, request: Request) -> Principal | None:
        """The kiosk of a bearer token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self._access.kiosk(token.strip(), source_of(request))

    def of_cookies(self, request: Request, roles: frozenset[Role]) -> Principal | None:
        """A browser may hold both; the one that fits the route counts."""
        session, kiosk = request.cookies.get(SESSION_COOKIE), request.cookies.get(KIOSK_COOKIE)
        held = [
            None if session is None else self._access.session(session),
            None if kiosk is None else self._access.kiosk(kiosk, source_of(request)),
        ]
        found = [one for one in held if one is not None]
        return next((one for one in found if one.role in roles), found[0] if found else None)


def is_navigation(request: Request) -> bool:
    """A person's browser goes to a page, as opposed to a script or a program that asks for data."""
    return (
        request.method in SAFE
        and "text/html" in request.headers.get("accept", "")
        and request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    )


def from_own_page(request: Request) -> bool:
    """No browser says that another origin sent this. A program says nothing, and needs its cookie and token."""
    headers = request.headers
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    sent = urlsplit(origin) if origin != "null" else None
    return sent is not None and (sent.scheme, sent.netloc) == (request.url.scheme, headers.get("host"))


def source_of(request: Request) -> str:
    """The address of whoever asks."""
    return "" if request.client is None else request.client.host


def is_here(request: Request) -> bool:
    """It comes from this machine itself, over its loopback."""
    try:
        return ipaddress.ip_address(source_of(request)).is_loopback
    except ValueError:
        return False


async def form_of(request: Request) -> FormData:
    """The fields of a form; 400 where it brings a file."""
    return await request.form(max_files=0)


async def _has_token(request: Request, token: str) -> bool:
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        given = str((await form_of(request)).get(CSRF_FIELD, ""))
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())
