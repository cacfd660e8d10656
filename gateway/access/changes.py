"""A change of accounts or tokens, and what comes of it: one piece of code for the gateway and for the commands.

A change never holds a password or a token, only their hashes.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType, UnionType
from typing import Self, TypeVar

from gateway.access.errors import AccessError
from gateway.access.hashing import is_hash
from gateway.access.model import PEOPLE, Role
from gateway.access.names import lies_in, network, new_name
from gateway.evidence.canonical import Json
from gateway.store.accounts import DIGEST, Account, KioskToken

FORM = "access_form"
ValueT = TypeVar("ValueT")


class Action(StrEnum):
    """What is done; the word stands in `audit.config_changed`."""

    ADD = "account_added"
    PASSWORD = "account_password"  # noqa: S105 - the name of an action
    DISABLE = "account_disabled"
    ENABLE = "account_enabled"
    REMOVE = "account_removed"
    TOKEN = "kiosk_token_made"  # noqa: S105 - the name of an action
    REVOKE = "kiosk_token_revoked"


TOKENS = frozenset({Action.TOKEN, Action.REVOKE})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: an account in a page, or a user of the machine with a command."""

    via: str  # page, command
    name: str
    uid: int | None = None


_ACTOR: Mapping[str, type | UnionType] = {"via": str, "name": str, "uid": int | None}
_MEMBERS: Mapping[str, type | UnionType] = {
    **dict.fromkeys(("id", "action", "name", "role", "hash", "digest"), str),
    "must_change": bool,
    "source": str | None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be done. `name` is an account or a kiosk."""

    id: str  # UUIDv7: what a command left is done once
    action: Action
    name: str
    by: Actor
    role: str = ""
    hash: str = field(default="", repr=False)
    must_change: bool = False
    digest: str = field(default="", repr=False)  # hex, of a token
    source: str | None = None  # network of a kiosk

    def as_bytes(self) -> bytes:
        """To be sealed."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Inverse of `as_bytes`; raises `AccessError` (access_form)."""
        try:
            members = json.loads(raw)
            by = members.pop("by")
            sound = _fits(members, _MEMBERS) and _fits(by, _ACTOR)
            change = cls(**{**members, "action": Action(members["action"]), "by": Actor(**by)})
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise AccessError(FORM, "this is no change of accounts; give the command again") from exc
        if not sound:
            raise AccessError(FORM, "this is no change of accounts; give the command again")
        return change

    def data(self, book: "Book") -> dict[str, Json]:
        """Of `audit.config_changed`."""
        account = book.accounts.get(self.name)
        return {
            "what": self.action.value,
            "name": self.name,
            "role": Role.KIOSK.value
            if self.action in TOKENS
            else self.role or (account.role if account else None),
            "source": self.source,
            "by": self.by.name,
            "via": self.by.via,
            "uid": self.by.uid,
        }


@dataclass(frozen=True, slots=True)
class Book:
    """All accounts and tokens as of one moment."""

    accounts: Mapping[str, Account] = field(default_factory=lambda: MappingProxyType({}))
    tokens: Mapping[str, KioskToken] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, accounts: tuple[Account, ...], tokens: tuple[KioskToken, ...]) -> Self:
        """Those rows that mean something; the rest nobody can sign in with."""
        return cls(
            {one.name: one for one in accounts if one.role in PEOPLE},
            {one.kiosk: one for one in tokens},
        )

    def after(self, change: Change, now_ms: int) -> "Book":
        """What it becomes; raises `AccessError`. Times are by the clock as it stands."""
        if change.action in TOKENS:
            return replace(self, tokens=_with(self.tokens, change.name, self._token(change, now_ms)))
        return replace(self, accounts=_with(self.accounts, change.name, self._account(change, now_ms)))

    def check_known(self, name: str) -> Account:
        """The account of this name; raises `AccessError` (account_unknown)."""
        account = self.accounts.get(name)
        if account is None:
            raise AccessError("account_unknown", "there is no such account; see: zhijiao user list")
        return account

    def check_new(self, name: str) -> None:
        """Raises `AccessError` (account_exists)."""
        if name in self.accounts:
            raise AccessError("account_exists", f"there is an account {name} already; see: zhijiao user list")

    def last_admin(self, name: str) -> bool:
        """Whether nobody else could manage accounts."""
        admins = {one.name for one in self.accounts.values() if one.role == Role.ADMIN and not one.disabled}
        return admins == {name}

    def _account(self, change: Change, now_ms: int) -> Account | None:
        if change.action is Action.ADD:
            return self._new_account(change, now_ms)
        account = self.check_known(change.name)
        changed = replace(account, generation=secrets.randbits(62), changed_ms=now_ms)
        match change.action:
            case Action.REMOVE:
                return None
            case Action.PASSWORD:
                return replace(changed, hash=_hash_of(change), must_change=change.must_change)
            case _:
                return replace(changed, disabled=change.action is Action.DISABLE)

    def _new_account(self, change: Change, now_ms: int) -> Account:
        self.check_new(change.name)
        if change.role not in PEOPLE:
            raise AccessError("account_role", f"a role is one of: {', '.join(sorted(PEOPLE))}")
        return Account(
            name=new_name(change.name),
            role=change.role,
            hash=_hash_of(change),
            generation=secrets.randbits(62),
            created_ms=now_ms,
            changed_ms=now_ms,
            must_change=change.must_change,
        )

    def _token(self, change: Change, now_ms: int) -> KioskToken | None:
        if change.action is Action.REVOKE:
            if change.name not in self.tokens:
                raise AccessError("token_unknown", "this kiosk has no token; see: zhijiao kiosk list")
            return None
        try:
            digest = bytes.fromhex(change.digest)
        except ValueError:
            digest = b""
        if len(digest) != DIGEST:
            raise AccessError(FORM, "this is no token's hash; give the command again")
        source = None if change.source is None else network(change.source)
        return KioskToken(kiosk=change.name, digest=digest, created_ms=now_ms, source=source)

    def kiosk_of(self, digest: bytes, source: str) -> str | None:
        """Whose token that is, all compared in constant time, and from where it may come."""
        found = [one for one in self.tokens.values() if secrets.compare_digest(one.digest, digest)]
        return next((one.kiosk for one in found if one.source is None or lies_in(source, one.source)), None)


def _fits(members: Mapping[str, object], kinds: Mapping[str, type | UnionType]) -> bool:
    return all(isinstance(members[name], kind) for name, kind in kinds.items())


def _with(known: Mapping[str, ValueT], name: str, value: ValueT | None) -> Mapping[str, ValueT]:
    rest = {key: one for key, one in known.items() if key != name}
    return rest if value is None else {**rest, name: value}


def _hash_of(change: Change) -> str:
    if not is_hash(change.hash):
        raise AccessError(
            FORM, "this is no password's hash that this machine can check; give the command again"
        )
    return change.hash
