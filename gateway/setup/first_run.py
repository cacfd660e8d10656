"""The first run: what the technician's page asks and does before a center's first check-in."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gateway.config.values import Address
from gateway.errors import StoreTrouble
from gateway.network.trial import Network
from gateway.setup.center_name import CenterName
from gateway.setup.checklist import Known, Step, steps
from gateway.setup.verified import checkin_verified
from gateway.view import Snapshot

LOOK_EVERY_S = 5.0


class FirstRun:
    """Of one gateway."""

    def __init__(
        self,
        name: CenterName,
        network: Network,
        *,
        known: Callable[[], Known],
        store: Path,
        https: Address | None,
        provable: bool,
    ) -> None:
        """`known`: what the parts know now; `https`: where the pages are served on the network.

        `provable`: the center acknowledges events itself.
        """
        self.name, self.network, self.https = name, network, https
        self._known = known
        self._store = store
        self._provable = provable
        self._verified = False
        self._looked_s: float | None = None

    def begins(self) -> bool:
        """Nobody has been here yet."""
        return self.name.now is None

    async def look(self) -> None:
        """Ask what is not known from memory: the network, and whether a check-in was acknowledged."""
        now_s = asyncio.get_running_loop().time()
        if self._looked_s is not None and now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now_s
        await self.network.look()
        if self._provable and not self._verified:
            try:
                self._verified = await asyncio.to_thread(checkin_verified, self._store)
            except StoreTrouble:
                return  # the store's own card says what it has

    def steps(self, snapshot: Snapshot) -> Sequence[Step]:
        """What is done and what is missing, as far as it is known now."""
        known = replace(
            self._known(), address=self._address(), verified=self._verified if self._provable else None
        )
        return steps(snapshot, known)

    def opens_at(self, host: str) -> str | None:
        """Where this page will be at an address of this machine; None: not over the network."""
        return None if self.https is None else f"https://{host}:{self.https.port}/setup"

    def _address(self) -> bool | None:
        view = self.network.view
        return None if view.trouble is not None else any(one.addresses for one in view.interfaces)
