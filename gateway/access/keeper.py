"""`Access` of the running gateway: who is let in, who has to wait, and what is on record of it.

Nobody is let in before `audit.login` is on disk, and a failure is on disk before it is told. A password is
checked, counted and decided in one turn of the hasher: twenty requests at once are twenty tries one after
another. A name that no account has costs the same hash and the same write as one that has.
"""

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Final

from gateway.access.accounts import Accounts, token_digest
from gateway.access.changes import Book
from gateway.access.denials import Denial, Denials
from gateway.access.handover import AccessSeal
from gateway.access.hashing import Hasher, is_hash, make_hash, needs_anew
from gateway.access.left_by_commands import LeftByCommands
from gateway.access.lockout import Lockout, Unsaved
from gateway.access.model import AccessRefused, Principal, Role, SignedIn
from gateway.access.names import account_name, source_of
from gateway.access.pace import Pace
from gateway.access.passwords import generated, normal
from gateway.access.sessions import Sessions, principal_of
from gateway.clock import Clock, Stamp
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.ingest import Ingest
from gateway.metrics import Metrics
from gateway.store import accounts as rows
from gateway.store.accounts import Account
from gateway.store.outbox import Outbox
from gateway.store.store import Store

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0  # one listing of a small folder; a command waits for it
SIGN_INS: Final = Pace(burst=10, step_ms=60_000)  # of one account: each is an event that stays
MOST_TYPED = 1024  # characters of a password that are looked at: hashing more would be work for a stranger


class AccessKeeper:
    """Sign-in, sessions and tokens; `accounts` is what an administrator reaches."""

    def __init__(
        self,
        *,
        folder: Path,
        seal: AccessSeal,
        store: Store,
        ingest: Ingest,
        clock: Clock,
        metrics: Metrics,
        kiosks: frozenset[str],
    ) -> None:
        """`kiosks`: the ids of the configured ones; the token of another one is worth nothing."""
        self._store = store
        self._ingest = ingest
        self._clock = clock
        self._metrics = metrics
        self._hasher = Hasher()
        self._lockout = Lockout()
        self._sessions = Sessions()
        self._denials = Denials()
        self._sign_ins: dict[str, int] = {}
        self._nobody = ""  # a hash that nothing fits
        self.accounts = Accounts(
            store=store,
            ingest=ingest,
            clock=clock,
            hasher=self._hasher,
            kiosks=kiosks,
            forget=self._lockout.forget,
            changed=self._count,
        )
        self.left = LeftByCommands(folder, seal, store=store, accounts=self.accounts, metrics=metrics)

    # -- running --------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what is kept, then take what commands left. Damaged rows are left out, and said."""
        now = self._clock.now()
        kept = await self._store.read(lambda _box: rows.everything())
        self.accounts.book = Book.of(kept.accounts, kept.tokens)
        unusable = sum(
            one.name not in self.accounts.book.accounts or not is_hash(one.hash) for one in kept.accounts
        )
        if kept.damaged or unusable:
            log.error(
                "accounts, tokens or locks not usable; see zhijiao user list and zhijiao kiosk list",
                extra={"damaged": kept.damaged, "accounts": unusable},
            )
        self._lockout.restore(kept.locks, now.boot_id, now.mono_ms)
        await self._save_locks()
        self._nobody = await asyncio.get_running_loop().run_in_executor(None, make_hash, generated())
        self._count()
        await self.left.load()

    async def run(self) -> None:
        """For as long as the gateway runs."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.left.take_all()
            now_ms = self._now().mono_ms
            for denial in self._denials.due(now_ms):
                await self._record_denial(denial)
            self._lockout.tidy(now_ms)
            await self._save_locks()
            self._sessions.sweep(now_ms)
            self._count()

    async def close(self) -> None:
        """The gateway stops: what was left out is told."""
        for denial in self._denials.rest():
            await self._record_denial(denial)

    # -- `Access` -------------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, source: str) -> SignedIn:
        """Check a password; see `Access.sign_in`. `too_many` also where one account signs in all the time."""
        place = source_of(source)
        try:
            known = account_name(name)  # any spelling of a name is one, also of a name that no account has
            account = await self._checked(known, known or name[:MOST_TYPED], password, place)
            signed = await self._let_in(account, place)
        except AccessRefused as exc:
            self._metrics.sign_ins.labels(result=exc.code).inc()
            raise
        except StoreRefused:
            self._metrics.sign_ins.labels(result="store").inc()
            raise
        self._metrics.sign_ins.labels(result="ok").inc()
        await self._rehash(account, password)
        self._count()
        return signed

    def session(self, cookie: str, *, used: bool = True) -> Principal | None:
        """See `Access.session`."""
        session = self._sessions.find(cookie, self._now().mono_ms, used=used)
        if session is None:
            return None
        found = principal_of(self.accounts.book.accounts.get(session.account), session)
        if found is None:
            self._sessions.end(cookie)
        return found

    async def sign_out(self, cookie: str) -> None:
        """The session ends at once; where the store does not take the event, the loss is counted."""
        alive = self.session(cookie, used=False)
        session = self._sessions.end(cookie)
        self._count()
        if session is not None and alive is not None:
            data: dict[str, Json] = {
                "account": session.account,
                "role": alive.role.value,
                "source": session.source,
            }
            await self._ingest.record("audit.logout", data)

    def kiosk(self, token: str, source: str = "") -> Principal | None:
        """See `Access.kiosk`."""
        found = self.accounts.book.kiosk_of(token_digest(token), source)
        return Principal(Role.KIOSK, found) if found in self.accounts.kiosks else None

    # -- an account's own password ------------------------------------------------------------------------

    async def change_password(self, by: Principal, old: str, new: str, source: str) -> None:
        """See `Access.change_password`.

        Somebody at a forgotten screen must not guess it either: failures count like those of a sign-in.
        """
        account = await self._checked(by.name, by.name, old, source_of(source))
        await self.accounts.change_own(by, new)
        self._sessions.end_all(account.name)
        self._count()

    # -- one try ----------------------------------------------------------------------------------------

    async def _checked(self, name: str | None, typed: str, password: str, source: str) -> Account:
        """Whose password that is; raises `AccessRefused`, which is counted, on disk and on record by then."""
        account = None if name is None else self.accounts.book.accounts.get(name)
        try:
            async with self._hasher.turn():
                return await self._try(account, typed, password, source)
        except AccessRefused as exc:
            await self._deny(exc.code, source, account)
            raise

    async def _try(self, account: Account | None, typed: str, password: str, source: str) -> Account:
        if not self.accounts.book.accounts:
            raise AccessRefused("no_accounts", "nobody can sign in yet: zhijiao user add NAME --role admin")
        counted = self._lockout.stand_in(typed) if account is None else account.name
        wait = self._lockout.wait(counted, source, self._now().mono_ms)
        if wait is not None:
            raise AccessRefused(wait.code, "too many failed tries; wait", retry_after_s=-(-wait.ms // 1000))
        text = normal(password[:MOST_TYPED])
        fits = await self._hasher.verify(self._nobody if account is None else account.hash, text)
        # It may have been disabled, or got another password, while the hash was computed.
        same = account is not None and self.accounts.book.accounts.get(account.name) == account
        if account is None or not fits or account.disabled or not same or len(password) > MOST_TYPED:
            self._lockout.failed(counted, source, self._now().mono_ms)
            raise AccessRefused("bad_credentials", "account or password is wrong")
        return account

    async def _let_in(self, account: Account, source: str) -> SignedIn:
        now = self._now()
        clear_ms = self._sign_ins.get(account.name, 0)
        if wait_ms := SIGN_INS.wait_ms(clear_ms, now.mono_ms):
            await self._deny("too_many", source, account)
            raise AccessRefused(
                "too_many", "too many sign-ins in a short time; wait", retry_after_s=-(-wait_ms // 1000)
            )
        self._sign_ins[account.name] = SIGN_INS.after(clear_ms, now.mono_ms)
        self._lockout.succeeded(account.name, source, now.mono_ms)
        data: dict[str, Json] = {"account": account.name, "role": account.role, "source": source}
        await self._record("audit.login", data)
        return self._sessions.begin(account, source, self._now().mono_ms)

    async def _rehash(self, account: Account, password: str) -> None:
        """Today's parameters; where that does not work now, the next sign-in tries again."""
        if not needs_anew(account.hash):
            return
        try:
            async with self._hasher.turn():
                digest = await self._hasher.make(normal(password))
            await self.accounts.rehash(account, digest)
        except (AccessRefused, StoreRefused) as exc:
            log.warning("password not hashed anew", extra={"code": exc.code})

    # -- on record ------------------------------------------------------------------------------------

    async def _deny(self, code: str, source: str, account: Account | None) -> None:
        name = None if account is None else account.name
        denial = self._denials.note(code, source, name, self._now().mono_ms)
        if denial is not None:
            await self._record_denial(denial)
            return
        await self._save_locks()

    async def _save_locks(self) -> None:
        """What the store does not take stays in memory, where it counts, and goes with the next one."""
        unsaved = self._unsaved()
        if not unsaved.locks and not unsaved.gone:
            return
        try:
            await self._store.run(partial(_write_locks, unsaved))
        except StoreRefused as exc:
            log.warning("failed sign-in not on disk", extra={"code": exc.code})
        else:
            self._lockout.saved(unsaved)

    async def _record_denial(self, denial: Denial) -> None:
        """Where the store takes nothing it is told later: the counts in memory stand, so nobody guesses more."""
        try:
            await self._record("audit.denied", denial.data())
        except StoreRefused as exc:
            self._denials.undone(denial)
            log.warning("refused sign-in not on record yet", extra={"code": exc.code})

    async def _record(self, kind: str, data: dict[str, Json]) -> None:
        """With what the locks have come to. Raises `StoreRefused`."""
        unsaved = self._unsaved()
        await self._ingest.record_with(kind, data, partial(_write_locks, unsaved))
        self._lockout.saved(unsaved)

    def _unsaved(self) -> Unsaved:
        now = self._now()
        return self._lockout.unsaved(now.boot_id, now.mono_ms)

    def _count(self) -> None:
        self._metrics.sessions.set(len(self._sessions))
        self._metrics.accounts.set(sum(not one.disabled for one in self.accounts.book.accounts.values()))
        self._metrics.kiosk_tokens.set(
            sum(kiosk in self.accounts.kiosks for kiosk in self.accounts.book.tokens)
        )

    def _now(self) -> Stamp:
        return self._clock.now()


def _write_locks(unsaved: Unsaved, _box: Outbox) -> None:
    rows.put_locks(unsaved.locks, unsaved.gone)
