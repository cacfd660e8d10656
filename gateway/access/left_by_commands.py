"""Changes that `zhijiao user` and `zhijiao kiosk` left: each is done or refused once, and its outcome noted.

The note stands in the transaction of the change, and the file is removed afterwards: found again after a power
cut, a change is known by its id.
"""

import logging
from pathlib import Path

from gateway.access import handover
from gateway.access.accounts import Accounts
from gateway.access.errors import AccessError
from gateway.access.handover import AccessSeal
from gateway.metrics import Metrics
from gateway.store.accounts import TAKEN
from gateway.store.inbox import Incoming
from gateway.store.outbox import Outbox
from gateway.store.store import Store
from gateway.store.taking import Taker

log = logging.getLogger(__name__)


class LeftByCommands:
    """Takes what waits, oldest first."""

    def __init__(
        self, folder: Path, seal: AccessSeal, *, store: Store, accounts: Accounts, metrics: Metrics
    ) -> None:
        self._seal = seal
        self._store = store
        self._accounts = accounts
        self._metrics = metrics
        self._taken: dict[str, str] = {}
        self._taker = Taker(handover.inbox(folder), handover.MAX_SEALED, self._take, "change of accounts")

    async def load(self) -> None:
        """Remember what was taken before, then take what waits."""
        self._taken = handover.outcomes(await self._store.read(lambda box: box.noted(TAKEN)))
        await self.take_all()

    async def look(self) -> bool:
        """Do or refuse the oldest change that was left. Raises `StoreRefused` and `OSError`: it stays."""
        return await self._taker.look()

    async def take_all(self) -> None:
        """All of them; what cannot be taken now is tried again."""
        await self._taker.take_all()

    async def _take(self, found: Incoming) -> None:
        try:
            change = self._seal.open(found.sealed)
        except AccessError as exc:
            self._refused(exc.code)
            return
        if change.id in self._taken:
            return  # the power went after the commit
        try:
            await self._accounts.apply(change, lambda box: self._note(change.id, handover.OK, box))
        except AccessError as exc:
            self._refused(exc.code)
            code = exc.code
            await self._store.run(lambda box: self._note(change.id, code, box))
            self._taken[change.id] = code
        else:
            self._metrics.access_changes.labels(result="taken").inc()
            self._taken[change.id] = handover.OK

    def _note(self, change: str, outcome: str, box: Outbox) -> None:
        box.note(TAKEN, handover.with_outcome(self._taken, change, outcome))

    def _refused(self, code: str) -> None:
        self._metrics.access_changes.labels(result="refused").inc()
        log.error("change of accounts refused", extra={"code": code})
