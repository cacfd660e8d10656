"""How `zhijiao setup` and `zhijiao network` ask something of the gateway: a file in its folder, and its word on it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.access.handover import OK, outcomes
from gateway.cli.access_handover import WAIT_S, Result, os_user
from gateway.cli.place import configured_place
from gateway.errors import ConfigError, ContractError, StartError
from gateway.setup.requests import TAKEN, Request, What, inbox
from gateway.store.lock import is_held
from gateway.store.reading import open_for_reading
from gateway.uuid7 import uuid7

_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class SetupDesk:
    """Where requests are handed over."""

    store: Path

    @classmethod
    def of(cls, config: Path) -> "SetupDesk":
        """Of a configured gateway; raises `ConfigError` and `StartError` (state_dir)."""
        place = configured_place(config)
        if place.config is None:
            raise ConfigError("usage", "the first run belongs to a configured gateway; give --config")
        if not place.store.parent.is_dir():
            raise StartError(
                "state_dir", f"{place.store.parent}: no such folder; start the gateway once, it makes it"
            )
        return cls(place.store)

    def ask(self, what: What, values: Mapping[str, str], *, running: bool) -> Result:
        """Leave it and wait for the gateway's word. `running`: it must run, or nobody would be there to take it.

        Raises `ContractError` (the code by which the gateway refused it) and `StartError` (not_running).
        """
        held = self.store.exists() and is_held(self.store)
        if running and not held:
            raise StartError(
                "not_running", "the gateway does not run; systemctl start zhijiao, then try again"
            )
        now_ms, actor = int(time.time() * 1000), os_user()
        asked = Request(id=uuid7(now_ms), what=what, by=actor.name, uid=actor.uid or 0, values=values)
        path = inbox(self.store.parent).leave(asked.as_bytes(), now_ms)
        if not held:
            return Result.NEXT_START
        give_up = time.monotonic() + WAIT_S
        while time.monotonic() < give_up:
            time.sleep(_LOOK_S)
            if not path.exists():
                return self._judged(asked.id)
        return Result.NOT_YET

    def noted(self, key: str) -> str | None:
        """What the store keeps under a key; None where it has none, or is not there yet."""
        if not self.store.exists():
            return None
        with open_for_reading(self.store) as reading:
            return reading.state().get(key)

    def _judged(self, asked: str) -> Result:
        outcome = outcomes(self.noted(TAKEN)).get(asked)
        if outcome == OK:
            return Result.TAKEN
        raise ContractError(
            outcome or "refused", f"the gateway refused it ({outcome}); see its log: journalctl -u zhijiao"
        )
