"""Who may sign in, which kiosk holds which token, and who has to wait: rows, no decisions.

Of a password the store has an Argon2id hash, of a token its SHA-256. The functions without a `Reading` run
inside a transaction of the db thread. A row that damage has bent is left out and counted, never guessed at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from peewee import SQL, Model

from gateway.store.models import AccountRow, KioskTokenRow, LockoutRow
from gateway.store.reading import Reading

TAKEN = "access_taken"  # state: what became of the newest changes that commands left

DIGEST = 32  # bytes
_ACCOUNT = "name, role, hash, generation, created_ms, changed_ms, disabled, must_change"
_TOKEN = "kiosk, digest, created_ms, source"  # noqa: S105 - names of columns
_LOCK = "account, source, failures, known, boot, mono_ms, remaining_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody of the office who may sign in."""

    name: str
    role: str
    hash: str  # of the password, with its parameters
    generation: int  # random, another one whenever sessions must end
    created_ms: int  # by the clock as it stood then
    changed_ms: int
    disabled: bool = False
    must_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KioskToken:
    """What a kiosk is known by."""

    kiosk: str
    digest: bytes
    created_ms: int
    source: str | None  # the network it must come from; None: any


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """How far an account, a source, or both together are from being refused; see `gateway.access.lockout`."""

    account: str
    source: str
    failures: int
    known: int
    boot: str
    mono_ms: int  # when this was written
    remaining_ms: int  # from then on


@dataclass(frozen=True, slots=True)
class Kept:
    """All of it; `damaged` rows were left out."""

    accounts: tuple[Account, ...]
    tokens: tuple[KioskToken, ...]
    locks: tuple[Lock, ...]
    damaged: int


def everything() -> Kept:
    """What is kept."""
    return _kept(_raw(AccountRow, _ACCOUNT), _raw(KioskTokenRow, _TOKEN), _raw(LockoutRow, _LOCK))


def put_account(name: str, account: Account | None) -> None:
    """Replace the account of this name; None removes it."""
    AccountRow.delete().where(AccountRow.name == name).execute()
    if account is not None:
        AccountRow.create(**asdict(account))


def put_token(kiosk: str, token: KioskToken | None) -> None:
    """Replace the token of this kiosk; None removes it."""
    KioskTokenRow.delete().where(KioskTokenRow.kiosk == kiosk).execute()
    if token is not None:
        KioskTokenRow.create(**asdict(token))


def put_locks(locks: Iterable[Lock], gone: Iterable[tuple[str, str]]) -> None:
    """Write these, forget those of (account, source)."""
    for lock in locks:
        LockoutRow.insert(**asdict(lock)).on_conflict_replace().execute()
    for account, source in gone:
        LockoutRow.delete().where((LockoutRow.account == account) & (LockoutRow.source == source)).execute()


def forget_locks(account: str) -> None:
    """Nobody waits for this account any more."""
    LockoutRow.delete().where(LockoutRow.account == account).execute()


def look(reading: Reading) -> Kept:
    """The same from beside a running gateway; a store that no gateway of this release has opened has none."""
    if not reading.one("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'account'"):
        return Kept((), (), (), 0)
    return _kept(
        reading.all(f"SELECT {_ACCOUNT} FROM account"),  # noqa: S608
        reading.all(f"SELECT {_TOKEN} FROM kiosk_token"),  # noqa: S608
        reading.all(f"SELECT {_LOCK} FROM lockout"),  # noqa: S608
    )


def _raw(table: type[Model], columns: str) -> list[tuple[object, ...]]:
    """As it stands, under names that the mapper does not know: it would mend or raise over what damage left."""
    query = table.select(*(SQL(f"{name} AS raw_{name}") for name in columns.split(", "))).tuples()
    return list(cast("Iterable[tuple[object, ...]]", query))


def _kept(
    accounts: Sequence[tuple[object, ...]],
    tokens: Sequence[tuple[object, ...]],
    locks: Sequence[tuple[object, ...]],
) -> Kept:
    sound_accounts = [one for row in accounts if (one := _account(row)) is not None]
    sound_tokens = [token for row in tokens if (token := _token(row)) is not None]
    sound_locks = [lock for row in locks if (lock := _lock(row)) is not None]
    damaged = len(accounts) + len(tokens) + len(locks)
    damaged -= len(sound_accounts) + len(sound_tokens) + len(sound_locks)
    return Kept(tuple(sound_accounts), tuple(sound_tokens), tuple(sound_locks), damaged)


def _account(row: tuple[object, ...]) -> Account | None:
    match row:
        case (str(), str(), str(), int(), int(), int(), 0 | 1, 0 | 1):
            found: dict[str, Any] = dict(zip(_ACCOUNT.split(", "), row, strict=True))
            flags = {name: bool(found[name]) for name in ("disabled", "must_change")}
            return Account(**{**found, **flags})
    return None


def _token(row: tuple[object, ...]) -> KioskToken | None:
    match row:
        case (str(kiosk), bytes(digest), int(created), (str() | None) as source) if len(digest) == DIGEST:
            return KioskToken(kiosk=kiosk, digest=digest, created_ms=created, source=source)
    return None


def _lock(row: tuple[object, ...]) -> Lock | None:
    match row:
        case (str(), str(), int(), int(), str(), int(), int()):
            found: dict[str, Any] = dict(zip(_LOCK.split(", "), row, strict=True))
            return Lock(**found)
    return None
