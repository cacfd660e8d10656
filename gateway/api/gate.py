"""Who is asking, and whether the route is for them: every route names its roles, all else is refused.

People come with the cookie of their session, kiosks with a bearer token or, in a browser, with the kiosk cookie.
What a cookie authorises to change must also carry the session's token (`X-CSRF-Token`, or `csrf` in a form).
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from fastapi import Request
from starlette.exceptions import HTTPException

from gateway.access.model import Access, Principal, Role

SESSION_COOKIE = "__Host-zhijiao"
KIOSK_COOKIE = "__Host-zhijiao-kiosk"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD"})

Allowed: TypeAlias = Callable[[Request], Awaitable[Principal]]


class Gate:
    """Makes the dependency that a route declares: `Annotated[Principal, Depends(gate.allow(Role.STAFF))]`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def allow(self, *roles: Role) -> Allowed:
        """Whoever has one of these roles; 401 for nobody, 403 for somebody else."""

        async def allowed(request: Request) -> Principal:
            asking = self._of_bearer(request) or self._of_cookies(request, roles)
            if asking is None:
                raise HTTPException(401)
            if asking.role not in roles:
                raise HTTPException(403)
            if asking.csrf and request.method not in SAFE:
                await _check_csrf(request, asking)
            return asking

        return allowed

    def _of_bearer(self, request: Request) -> Principal | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self._access.kiosk(token.strip(), _source(request)) if scheme.lower() == "bearer" else None

    def _of_cookies(self, request: Request, roles: tuple[Role, ...]) -> Principal | None:
        """A browser may hold both; the one that fits the route counts."""
        held = [
            self._access.session(request.cookies.get(SESSION_COOKIE, "")),
            self._access.kiosk(request.cookies.get(KIOSK_COOKIE, ""), _source(request)),
        ]
        found = [one for one in held if one is not None]
        return next((one for one in found if one.role in roles), found[0] if found else None)


def _source(request: Request) -> str:
    """The client's address: a kiosk's token may be bound to a network."""
    return "" if request.client is None else request.client.host


async def _check_csrf(request: Request, asking: Principal) -> None:
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        given = str((await request.form()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode(), asking.csrf.encode()):
        raise HTTPException(403)
