"""Which kiosk asks, and that a browser asks from the kiosk's own page.

A kiosk's cookie is sent by its browser whoever has it ask. What changes something must therefore carry a header
that no other origin may set without asking first, and the browser must say that its own page asks.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from gateway.access.model import Principal, Role
from gateway.api.gate import SAFE, Allowed, Gate
from gateway.api.refusals import Refused
from gateway.checkin.kiosks import Desk, Kiosks

PAGE_HEADER = "X-Kiosk-Page"

AskedAt: TypeAlias = Callable[[Request, Principal], Awaitable[Desk]]


@dataclass(frozen=True, slots=True)
class AtDesk:
    """The kiosk whose token came with a request."""

    asked: AskedAt  # the dependency of every route for kiosks
    _allowed: Allowed

    async def still(self, request: Request) -> Desk | None:
        """The same outside of a dependency: a token may be withdrawn while a stream runs."""
        try:
            return await self.asked(request, await self._allowed(request))
        except (HTTPException, Refused):
            return None


def at_desk_of(kiosks: Kiosks, gate: Gate) -> AtDesk:
    """For the kiosks of one gateway."""
    allowed = gate.allow(Role.KIOSK)

    async def asked(request: Request, who: Annotated[Principal, Depends(allowed)]) -> Desk:
        desk = kiosks.find(who.name)
        if desk is None:
            raise Refused("no_such_kiosk")
        if request.method not in SAFE and "authorization" not in request.headers:
            check_own_page(request)
        return desk

    return AtDesk(asked, allowed)


def check_own_page(request: Request) -> None:
    """Raise `Refused` unless the kiosk's own page asks."""
    headers = request.headers
    origin = headers.get("origin")
    if (
        PAGE_HEADER not in headers
        or headers.get("sec-fetch-site", "same-origin") != "same-origin"
        or (origin is not None and urlsplit(origin).netloc != headers.get("host"))
    ):
        raise Refused("foreign_page")
