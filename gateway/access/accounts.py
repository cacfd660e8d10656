"""Accounts and tokens of the running gateway: whatever changes them passes here and is an event.

One transaction holds a change and its `audit.config_changed`. Sessions need no telling: they name the
generation of their account, and every change gives it another one.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from gateway.access.changes import TOKENS, Action, Actor, Book, Change
from gateway.access.errors import AccessError
from gateway.access.hashing import Hasher
from gateway.access.model import AccessRefused, Principal, Role
from gateway.access.pace import Pace
from gateway.access.passwords import generated, new_password
from gateway.clock import Clock
from gateway.ingest.ingest import Ingest
from gateway.store import accounts as rows
from gateway.store.accounts import Account, KioskToken
from gateway.store.outbox import Outbox
from gateway.store.store import Store
from gateway.uuid7 import uuid7

log = logging.getLogger(__name__)

PAGE = "page"
# Of one account in a page: each is an event that stays.
CHANGES_PACE = Pace(burst=20, step_ms=60_000)
TOKEN_BYTES = 32
# Every other change makes the account a fresh one: nobody waits for it, and no machine is known to it.
_LOCKS_STAY = frozenset({Action.DISABLE, *TOKENS})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account as a list shows it."""

    name: str
    role: Role
    disabled: bool
    must_change: bool
    created_ms: int
    changed_ms: int


def new_token() -> tuple[str, str]:
    """A kiosk's token, to be shown once, and its hash in hex."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, token_digest(token).hex()


def token_digest(token: str) -> bytes:
    """A token is random, so a plain hash is enough."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


class Accounts:
    """What an administrator may do in a page, and what a command has left for it."""

    def __init__(
        self,
        *,
        store: Store,
        ingest: Ingest,
        clock: Clock,
        hasher: Hasher,
        kiosks: frozenset[str],
        forget: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        """`forget`: what locks the account of this name is gone; `changed`: called after every change."""
        self.book = Book()
        self.kiosks = kiosks
        self._store = store
        self._ingest = ingest
        self._clock = clock
        self._hasher = hasher
        self._forget = forget
        self._changed = changed
        self._one = asyncio.Lock()
        self._paces: dict[str, int] = {}
        self._begun: set[asyncio.Task[None]] = set()

    # -- an administrator, in a page; each raises `AccessError`, `AccessRefused` and `StoreRefused` ---------------

    def all(self, by: Principal) -> list[AccountView]:
        """Every account, by name."""
        _require_admin(by)
        return [view_of(one) for _, one in sorted(self.book.accounts.items())]

    def tokens(self, by: Principal) -> list[KioskToken]:
        """Every kiosk that has a token; the token itself is nowhere."""
        _require_admin(by)
        return [one for _, one in sorted(self.book.tokens.items())]

    async def add(self, by: Principal, name: str, role: Role, password: str | None = None) -> str:
        """Make an account; its password, generated where none is given. It must be changed at the first sign-in."""
        _require_admin(by)
        return await self._with_password(by, Action.ADD, name, password, role=role)

    async def reset_password(self, by: Principal, name: str, password: str | None = None) -> str:
        """Give somebody a password that he must change; ends his sessions."""
        _require_admin(by)
        return await self._with_password(by, Action.PASSWORD, name, password)

    async def disable(self, by: Principal, name: str) -> None:
        """Nobody signs in with it; its sessions end now. The last administrator stays."""
        await self._manage(by, Action.DISABLE, name)

    async def enable(self, by: Principal, name: str) -> None:
        """As it was before, with the old password."""
        await self._manage(by, Action.ENABLE, name)

    async def remove(self, by: Principal, name: str) -> None:
        """The account is gone. The last administrator stays."""
        await self._manage(by, Action.REMOVE, name)

    async def make_token(self, by: Principal, kiosk: str, source: str | None = None) -> str:
        """A new token for a kiosk, shown once; an older one is no longer worth anything."""
        _require_admin(by)
        self._take_pace(by)
        token, digest = new_token()
        await self.apply(self._change(by, Action.TOKEN, kiosk, digest=digest, source=source))
        return token

    async def revoke_token(self, by: Principal, kiosk: str) -> None:
        """The kiosk is nobody until it gets another one."""
        await self._manage(by, Action.REVOKE, kiosk)

    async def change_own(self, by: Principal, new: str) -> None:
        """A new password for whoever asks, after the old one was checked (`AccessKeeper.change_password`)."""
        self._take_pace(by)
        text = new_password(new, by.name)
        async with self._hasher.turn():
            digest = await self._hasher.make(text)
        await self.apply(self._change(by, Action.PASSWORD, by.name, hash=digest))

    # -- one change -----------------------------------------------------------------------------------

    async def apply(self, change: Change, note: Callable[[Outbox], None] | None = None) -> None:
        """Do it and say so, in one transaction, with `note`. Raises `AccessError` and `StoreRefused`: not done.

        A browser that goes away must not leave memory behind the disk: what was begun is finished without it.
        """
        task = asyncio.create_task(self._apply(change, note))
        self._begun.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever still waits

    async def _apply(self, change: Change, note: Callable[[Outbox], None] | None) -> None:
        async with self._one:
            if change.action is Action.TOKEN and change.name not in self.kiosks:
                raise AccessError("kiosk_unknown", "no kiosk of this name is configured; see [[kiosk]] id")
            lessens = change.action in (Action.DISABLE, Action.REMOVE)
            if lessens and change.by.via == PAGE and self.book.last_admin(change.name):
                raise AccessError(
                    "last_admin", "nobody else could manage accounts; make another administrator first"
                )
            after = self.book.after(change, self._clock.now().wall_ms)
            await self._ingest.record_with(
                "audit.config_changed", change.data(self.book), partial(_write, change, after, note)
            )
            self.book = after
        if change.action not in _LOCKS_STAY:
            self._forget(change.name)
        log.info(
            "access changed", extra={"what": change.action.value, "of": change.name, "via": change.by.via}
        )
        self._changed()

    async def rehash(self, account: Account, digest: str) -> None:
        """The same password in another hash; sessions go on. Nothing where the account is another one by now."""
        async with self._one:
            if self.book.accounts.get(account.name) != account:
                return
            anew = replace(account, hash=digest)
            await self._store.run(lambda _box: rows.put_account(anew.name, anew))
            self.book = replace(self.book, accounts={**self.book.accounts, anew.name: anew})

    async def _with_password(
        self, by: Principal, action: Action, name: str, password: str | None, *, role: str = ""
    ) -> str:
        self._take_pace(by)
        text = generated() if password is None else new_password(password, name)
        async with self._hasher.turn():
            digest = await self._hasher.make(text)
        change = self._change(by, action, name, role=role, hash=digest, must_change=True)
        await self.apply(change)
        return text

    async def _manage(self, by: Principal, action: Action, name: str) -> None:
        _require_admin(by)
        self._take_pace(by)
        await self.apply(self._change(by, action, name))

    def _change(self, by: Principal, action: Action, name: str, **members: str | bool | None) -> Change:
        change_id = uuid7(self._clock.now().wall_ms)
        return Change(id=change_id, action=action, name=name, by=Actor(PAGE, by.name), **members)  # type: ignore[arg-type]

    def _take_pace(self, by: Principal) -> None:
        now_ms = self._clock.now().mono_ms
        clear_ms = self._paces.get(by.name, 0)
        if wait_ms := CHANGES_PACE.wait_ms(clear_ms, now_ms):
            raise AccessRefused(
                "too_many", "too many changes in a short time; wait", retry_after_s=-(-wait_ms // 1000)
            )
        self._paces[by.name] = CHANGES_PACE.after(clear_ms, now_ms)


def view_of(account: Account) -> AccountView:
    """Without its hash."""
    return AccountView(
        name=account.name,
        role=Role(account.role),
        disabled=account.disabled,
        must_change=account.must_change,
        created_ms=account.created_ms,
        changed_ms=account.changed_ms,
    )


def _write(change: Change, after: Book, note: Callable[[Outbox], None] | None, box: Outbox) -> None:
    if change.action in TOKENS:
        rows.put_token(change.name, after.tokens.get(change.name))
    else:
        rows.put_account(change.name, after.accounts.get(change.name))
        if change.action not in _LOCKS_STAY:
            rows.forget_locks(change.name)
    if note is not None:
        note(box)


def _require_admin(by: Principal) -> None:
    if by.role is not Role.ADMIN:
        raise AccessError("not_admin", "only an administrator manages accounts")
