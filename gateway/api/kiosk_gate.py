"""Which kiosk asks, and that a browser asks from the kiosk's own page.

A kiosk's cookie is sent by its browser whoever has it ask. What changes something must therefore carry a header
that no other origin may set without asking first, and the browser must say that its own page asks.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from fastapi import Request

from gateway.access.model import Role
from gateway.api.gate import SAFE, Gate
from gateway.api.refusals import Refused
from gateway.checkin.kiosks import Desk, Kiosks

PAGE_HEADER = "X-Kiosk-Page"

AtDesk: TypeAlias = Callable[[Request], Awaitable[Desk]]


def at_desk_of(kiosks: Kiosks, gate: Gate) -> AtDesk:
    """The dependency of every route for kiosks: the kiosk whose token came with the request."""
    allowed = gate.allow(Role.KIOSK)

    async def desk_of(request: Request) -> Desk:
        who = await allowed(request)
        desk = kiosks.find(who.name)
        if desk is None:
            raise Refused("no_such_kiosk")
        if request.method not in SAFE and "authorization" not in request.headers:
            check_own_page(request)
        return desk

    return desk_of


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
