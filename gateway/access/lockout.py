"""Who has to wait before the next try. Decides on the monotonic clock; reads no clock and no disk.

Three counts, each against another way of guessing:

| Count | Against | Limit |
|---|---|---|
| account and source | guessing from one machine | 5 failures, then 15 minutes |
| account | guessing from many machines | 30 at once, then one in 90 s |
| source | one machine that tries many accounts | 20 at once, then one in 45 s |

One machine fails at most 5 times in 15 minutes at one account, and in that time the account forgets 10: so
it locks the account for itself and for nobody else. It takes three machines and most of an hour, or six at
once, to fill the count of an account; and even then it stays open for the machines from which its owner has
signed in before (the last 8). So strangers have 40 guesses an hour however many addresses they come from, and
the office goes on working.

A try that is refused here is not counted: waiting is not made longer by impatience. Names that no account
has are counted the same way, in memory and under a keyed hash: a typed name may be a password.
What is written down is what remains: another boot has another clock, so there it starts again.
"""

import hashlib
import hmac
import itertools
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gateway.access.pace import Pace
from gateway.store.accounts import Lock

TRIES = 5
LOCK_MS = 15 * 60_000
ACCOUNT_PACE = Pace(burst=30, step_ms=90_000)
SOURCE_PACE = Pace(burst=20, step_ms=45_000)
KNOWN_SOURCES = 8  # of each account
MOST_ENTRIES = 1024  # of sources, and of names that no account has

ALL = "*"  # in the place of a source: all of them
NOBODY = ""  # in the place of an account: all of them
_UNKNOWN = "?"  # begins the stand-in of a name that no account has

Key: TypeAlias = tuple[str, str]  # account, source


@dataclass(slots=True)
class _Entry:
    until_ms: int = 0  # locked until then, or forgotten then
    failures: int = 0
    known: int = 0  # rises with each sign-in that worked; 0: none did


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a password is not looked at, and for how long."""

    code: str  # locked, too_many
    ms: int


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What has to be written down."""

    locks: tuple[Lock, ...]
    gone: tuple[Key, ...]


class Lockout:
    """The counts of all accounts and sources."""

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}
        self._unsaved: set[Key] = set()
        self._secret = secrets.token_bytes(32)
        self._signed_in = itertools.count(1)

    def restore(self, locks: Iterable[Lock], boot: str, now_ms: int) -> None:
        """At a start: of this boot time has gone on, of another one it begins where it was written."""
        for lock in locks:
            pair = lock.account != NOBODY and lock.source != ALL
            most = LOCK_MS if pair else _pace_of((lock.account, lock.source)).longest_ms
            remaining = min(max(0, lock.remaining_ms), most)  # damage locks nobody out for good
            goes_on = lock.boot == boot and lock.mono_ms <= now_ms
            began = lock.mono_ms if goes_on else now_ms
            if not goes_on:  # else every further start in this boot would begin it again
                self._unsaved.add((lock.account, lock.source))
            self._entries[lock.account, lock.source] = _Entry(
                began + remaining, min(max(0, lock.failures), TRIES), max(0, lock.known)
            )
        newest = max((entry.known for entry in self._entries.values()), default=0)
        self._signed_in = itertools.count(newest + 1)

    def stand_in(self, typed: str) -> str:
        """For a name that no account has."""
        return _UNKNOWN + hmac.digest(self._secret, typed.encode(errors="replace"), hashlib.sha256).hex()

    def wait(self, account: str, source: str, now_ms: int) -> Wait | None:
        """Whether the password is not to be looked at now."""
        pair = self._entries.get((account, source), _Entry())
        if pair.failures >= TRIES and now_ms < pair.until_ms:
            return Wait("locked", pair.until_ms - now_ms)
        if not pair.known and (ms := self._pace_wait((account, ALL), now_ms)):
            return Wait("locked", ms)
        if ms := self._pace_wait((NOBODY, source), now_ms):
            return Wait("too_many", ms)
        return None

    def failed(self, account: str, source: str, now_ms: int) -> None:
        """The password was wrong."""
        self.tidy(now_ms)
        pair = self._entry((account, source))
        pair.failures = (pair.failures if now_ms < pair.until_ms else 0) + 1
        pair.until_ms = now_ms + LOCK_MS
        for key in ((account, ALL), (NOBODY, source)):
            entry = self._entry(key)
            entry.until_ms = _pace_of(key).after(entry.until_ms, now_ms)
        self._make_room()

    def succeeded(self, account: str, source: str, now_ms: int) -> None:
        """It was right: from here the account stays open while others guess. Its failures are forgotten."""
        self.tidy(now_ms)
        pair = self._entry((account, source))
        pair.failures, pair.until_ms, pair.known = 0, 0, next(self._signed_in)
        known = sorted((entry.known, key) for key, entry in self._of(account) if entry.known)
        for _, key in known[:-KNOWN_SOURCES]:
            self._entry(key).known = 0

    def forget(self, account: str) -> None:
        """The account was removed, and its rows with it."""
        for key, _ in self._of(account):
            del self._entries[key]
            self._unsaved.discard(key)

    def tidy(self, now_ms: int) -> None:
        """Forget what is over: after a reboot it would begin again."""
        for key, entry in list(self._entries.items()):
            if entry.until_ms > now_ms:
                continue
            if not entry.known:
                self._drop(key)
            elif entry.failures:
                self._entry(key).failures = 0

    def unsaved(self, boot: str, now_ms: int) -> Unsaved:
        """What changed since the last `saved`. Of names that no account has, nothing is ever written."""
        locks = [
            Lock(
                account=account,
                source=source,
                failures=entry.failures,
                known=entry.known,
                boot=boot,
                mono_ms=now_ms,
                remaining_ms=max(0, entry.until_ms - now_ms),
            )
            for (account, source), entry in self._entries.items()
            if (account, source) in self._unsaved
        ]
        return Unsaved(tuple(locks), tuple(key for key in self._unsaved if key not in self._entries))

    def saved(self, what: Unsaved) -> None:
        """It is on disk. What changed since stays unsaved."""
        for lock in what.locks:
            key = (lock.account, lock.source)
            entry = self._entries.get(key)
            if entry is None or (entry.failures, entry.known) != (lock.failures, lock.known):
                continue
            if max(entry.until_ms, lock.mono_ms) == lock.mono_ms + lock.remaining_ms:
                self._unsaved.discard(key)
        self._unsaved.difference_update(key for key in what.gone if key not in self._entries)

    def locked(self, accounts: Collection[str], now_ms: int) -> frozenset[str]:
        """Which of these are locked for somebody now; for a list of accounts."""
        return frozenset(
            account
            for (account, source), entry in self._entries.items()
            if account in accounts
            and now_ms < entry.until_ms
            and (
                entry.failures >= TRIES
                or (source == ALL and ACCOUNT_PACE.wait_ms(entry.until_ms, now_ms) > 0)
            )
        )

    def _pace_wait(self, key: Key, now_ms: int) -> int:
        entry = self._entries.get(key)
        return 0 if entry is None else _pace_of(key).wait_ms(entry.until_ms, now_ms)

    def _entry(self, key: Key) -> _Entry:
        """To be changed."""
        if not key[0].startswith(_UNKNOWN):
            self._unsaved.add(key)
        return self._entries.setdefault(key, _Entry())

    def _of(self, account: str) -> list[tuple[Key, _Entry]]:
        return [(key, entry) for key, entry in self._entries.items() if key[0] == account]

    def _make_room(self) -> None:
        """Only of what anybody can make at will: sources, and names that no account has."""
        sources = [key for key in self._entries if key[0] == NOBODY]
        unknown = [key for key in self._entries if key[0].startswith(_UNKNOWN)]
        for keys in (sources, unknown):
            keys.sort(key=lambda key: self._entries[key].until_ms)
            for key in keys[: max(0, len(keys) - MOST_ENTRIES)]:
                self._drop(key)

    def _drop(self, key: Key) -> None:
        del self._entries[key]
        if not key[0].startswith(_UNKNOWN):
            self._unsaved.add(key)


def _pace_of(key: Key) -> Pace:
    return SOURCE_PACE if key[0] == NOBODY else ACCOUNT_PACE
