"""Who is signed in: in memory only, so a restart signs everybody out.

The cookie is a random number of 256 bits and is kept as its hash. A session ends after 15 minutes without use,
8 hours after it began, and as soon as its account is another than the one that signed in.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

from gateway.access.model import Principal, Role, SignedIn
from gateway.store.accounts import Account

IDLE_MS = 15 * 60_000
ABSOLUTE_MS = 8 * 3_600_000
OF_ACCOUNT = 4  # the one that was not used for longest ends
IN_ALL = 64
SECRET = 32  # bytes


@dataclass(slots=True)
class Session:
    """One browser of one person."""

    account: str
    generation: int  # of the account when it began
    source: str
    began_ms: int
    used_ms: int
    csrf: str = field(repr=False)


class Sessions:
    """All sessions, by the hash of their cookie. Times are monotonic."""

    def __init__(self) -> None:
        self._all: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._all)

    def begin(self, account: Account, source: str, now_ms: int) -> SignedIn:
        """A new session; where there are too many, the one that was not used for longest ends."""
        self.sweep(now_ms)
        own = [digest for digest, one in self._all.items() if one.account == account.name]
        self._shrink(own, OF_ACCOUNT - 1)
        self._shrink(list(self._all), IN_ALL - 1)
        cookie, csrf = secrets.token_urlsafe(SECRET), secrets.token_urlsafe(SECRET)
        session = Session(account.name, account.generation, source, now_ms, now_ms, csrf)
        self._all[_digest(cookie)] = session
        return SignedIn(_principal(account, session), cookie)

    def find(self, cookie: str, now_ms: int, *, used: bool) -> Session | None:
        """The session of a cookie; `used`: somebody is at it now. None: none, or it has ended."""
        digest = _digest(cookie)
        session = self._all.get(digest)
        if session is None:
            return None
        if _over(session, now_ms):
            del self._all[digest]
            return None
        if used:
            session.used_ms = now_ms
        return session

    def end(self, cookie: str) -> Session | None:
        """End it; the session that was ended."""
        return self._all.pop(_digest(cookie), None)

    def end_all(self, account: str) -> int:
        """End all of an account; how many."""
        own = [digest for digest, one in self._all.items() if one.account == account]
        self._shrink(own, 0)
        return len(own)

    def sweep(self, now_ms: int) -> None:
        """Forget those that are over."""
        self._all = {digest: one for digest, one in self._all.items() if not _over(one, now_ms)}

    def _shrink(self, digests: list[bytes], most: int) -> None:
        digests.sort(key=lambda digest: self._all[digest].used_ms)
        for digest in digests[: max(0, len(digests) - most)]:
            del self._all[digest]


def principal_of(account: Account | None, session: Session) -> Principal | None:
    """Who that is; None where the account has become another one, or is gone."""
    if account is None or account.disabled or account.generation != session.generation:
        return None
    return _principal(account, session)


def _principal(account: Account, session: Session) -> Principal:
    return Principal(Role(account.role), account.name, session.csrf, must_change=account.must_change)


def _over(session: Session, now_ms: int) -> bool:
    return now_ms - session.used_ms >= IDLE_MS or now_ms - session.began_ms >= ABSOLUTE_MS


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode(errors="replace")).digest()
