"""Roles, who is asking, and what the pages and the API ask of `access`. Values and a protocol only."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway.errors import ContractError


class Role(StrEnum):
    """What somebody is here. Nothing is allowed that a route does not allow to a role by name."""

    KIOSK = "kiosk"  # 报到机: a device, by its token
    STAFF = "staff"  # 工作人员
    TECHNICIAN = "technician"  # 技术员
    AUDITOR = "auditor"  # 驻检室: reads the evidence, changes nothing
    ADMIN = "admin"  # 管理员: accounts


PEOPLE = frozenset(Role) - {Role.KIOSK}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, after the token or session was checked."""

    role: Role
    name: str  # account of a person of the office, or id of a kiosk; goes into events and logs
    csrf: str = field(default="", repr=False)  # of the session; a kiosk with a bearer token has none
    must_change: bool = False  # the password was made by somebody else: a new one is due before anything else


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun. `cookie` is shown once and kept here as a hash only."""

    principal: Principal
    cookie: str = field(repr=False)


class AccessRefused(ContractError):  # noqa: N818 - named for the condition
    """Nobody was let in. The code says why, for the page and the metric.

    bad_credentials (also where there is no such account), locked, busy (a password is being checked),
    too_many (rate limit), no_accounts.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class Access(Protocol):
    """What the routes ask. Calls that write raise `StoreRefused` when the store takes nothing."""

    async def sign_in(self, name: str, password: str, source: str) -> SignedIn:
        """Check a password; `source`: the client's address. Raises `AccessRefused`. Recorded either way."""
        ...

    def session(self, cookie: str, *, used: bool = True) -> Principal | None:
        """Whose session that is, and that it is in use; None: there is none, or it has ended.

        Not `used`: a page that is only open, with nobody at it, asks whether it may stay so.
        """
        ...

    async def sign_out(self, cookie: str) -> None:
        """End a session. Nothing when there is none."""
        ...

    def kiosk(self, token: str, source: str = "") -> Principal | None:
        """Which kiosk holds this token; None: none does, or not from this address where it is bound to a network."""
        ...

    async def change_password(self, by: Principal, old: str, new: str, source: str) -> None:
        """A new password for whoever asks; all his sessions end. Recorded.

        Raises `AccessRefused` as `sign_in` does where `old` is wrong, and another `GatewayError` whose code begins
        with `password_` where `new` is not taken; its text says what is.
        """
        ...
