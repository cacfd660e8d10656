"""Test code: an `Access` in memory, with an invented account for each role and one kiosk; and applications over it."""

import secrets
from collections.abc import Callable
from typing import Any

import httpx
from fastapi import FastAPI

from gateway.access.model import PEOPLE, AccessRefused, Principal, Role, SignedIn
from gateway.api.gate import KIOSK_COOKIE, SESSION_COOKIE
from gateway.api.parts import Parts
from gateway.api.server import create_app
from gateway.errors import GatewayError
from gateway.view import Viewed

PASSWORD = "invented words for tests"
KIOSK_TOKEN = "token-of-kiosk-1"


class PasswordError(GatewayError):
    """As the real one refuses a new password."""


class MemoryAccess:
    """Implements `Access`. An account has the name of its role; `failing` is raised by the next call that writes."""

    def __init__(self) -> None:
        self.passwords = {role.value: PASSWORD for role in PEOPLE}
        self.must_change: set[str] = set()
        self.failing: GatewayError | None = None
        self.sessions: dict[str, Principal] = {}
        self.sources: list[str] = []

    async def sign_in(self, name: str, password: str, source: str) -> SignedIn:
        self.sources.append(source)
        self._fail()
        if self.passwords.get(name) != password:
            raise AccessRefused("bad_credentials", "account or password is wrong")
        return self.begin(Role(name))

    def begin(self, role: Role) -> SignedIn:
        cookie = secrets.token_urlsafe(16)
        must_change = role.value in self.must_change
        principal = Principal(role, role.value, secrets.token_urlsafe(16), must_change=must_change)
        self.sessions[cookie] = principal
        return SignedIn(principal, cookie)

    def session(self, cookie: str, *, used: bool = True) -> Principal | None:
        return self.sessions.get(cookie)

    async def sign_out(self, cookie: str) -> None:
        self.sessions.pop(cookie, None)

    def kiosk(self, token: str, source: str = "") -> Principal | None:
        return Principal(Role.KIOSK, "kiosk-1") if token == KIOSK_TOKEN else None

    async def change_password(self, by: Principal, old: str, new: str, source: str) -> None:
        self._fail()
        if self.passwords[by.name] != old:
            raise AccessRefused("bad_credentials", "account or password is wrong")
        if len(new) < 12:
            raise PasswordError("password_short", "the password is too short: at least 12 characters")
        self.passwords[by.name] = new
        self.must_change.discard(by.name)
        self.sessions = {cookie: one for cookie, one in self.sessions.items() if one.name != by.name}

    def _fail(self) -> None:
        if self.failing is not None:
            failing, self.failing = self.failing, None
            raise failing


def parts_of(viewed: Viewed, access: MemoryAccess | None = None, **more: Any) -> Parts:
    """Parts with what a test does not care for."""
    metrics: Callable[[], bytes] = bytes
    given = {"metrics": metrics, **more}
    return Parts(viewed=viewed, access=access or MemoryAccess(), **given)


def app_of(viewed: Viewed, access: MemoryAccess | None = None, **more: Any) -> FastAPI:
    """The application over them."""
    return create_app(parts_of(viewed, access, **more))


def cookies(access: MemoryAccess, role: Role) -> dict[str, str]:
    """What a browser of this role sends. (httpx itself keeps a Secure cookie to itself on http://127.0.0.1.)"""
    if role is Role.KIOSK:
        return {"Cookie": f"{KIOSK_COOKIE}={KIOSK_TOKEN}"}
    return {"Cookie": f"{SESSION_COOKIE}={access.begin(role).cookie}"}


def client_of(
    app: FastAPI, *, headers: dict[str, str] | None = None, raising: bool = True, peer: str = "127.0.0.1"
) -> httpx.AsyncClient:
    """A client on this machine, over no network."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=raising, client=(peer, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)
