"""Attendance terminals that hold people of this gateway: who is released is deleted there, too, and that is said.

A terminal fetches its orders itself, and has no list of its own that could be looked into: the proof is its word,
and the event says so (`confirmed_by`).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from drivers.errors import DriverError
from drivers.terminals import Terminal
from gateway.checkin.erasure import proof
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.references import Reference
from gateway.checkin.release import erased, to_forget
from gateway.clock import Clock
from gateway.errors import StoreRefused

log = logging.getLogger(__name__)

LOOK_S = 1.0
BACKOFF_S = (5.0, 30.0, 300.0, 1800.0)


class TerminalErasing:
    """All terminals, by device id."""

    def __init__(
        self,
        terminals: Mapping[str, Terminal],
        online: Callable[[], frozenset[str]],
        references: ReferenceKeeper,
        *,
        clock: Clock,
        changed: Callable[[], None],
        counted: Callable[[str, int], None] = lambda _reason, _count: None,
    ) -> None:
        """`terminals` may come and go. `online`: the devices that answer now.

        `counted`: why something was deleted, and how many.
        """
        self._terminals = terminals
        self._online = online
        self._references = references
        self._clock = clock
        self._changed = changed
        self._counted = counted

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """By name, for as long as the gateway runs."""
        return {"forgetting": self._mind_all()}

    async def _mind_all(self) -> None:
        """Those that stand here now, and those that come."""
        minded: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                for device in self._terminals:
                    if device not in minded or minded[device].done():
                        minded[device] = tasks.create_task(self._mind(device), name=f"forgetting-{device}")
                await asyncio.sleep(LOOK_S)

    async def _mind(self, device: str) -> None:
        failures, not_before_s, told = 0, 0.0, ""
        while device in self._terminals:
            await asyncio.sleep(LOOK_S)
            if device not in self._online():
                failures, not_before_s = 0, 0.0  # when it is back: at once
                continue
            if time.monotonic() < not_before_s:
                continue
            try:
                await self.look(device)
            except (DriverError, StoreRefused) as exc:
                if exc.code != told:
                    log.warning("terminal not cleared", extra={"device": device, "code": exc.code})
                told = exc.code
                not_before_s = time.monotonic() + BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                failures += 1
            else:
                failures, told = 0, ""

    async def look(self, device: str) -> None:
        """Delete whom it is to forget; raises `DriverError` and `StoreRefused`: it is tried again."""
        terminal, keeper = self._terminals.get(device), self._references
        if terminal is None:
            return  # it was taken away
        wanted = to_forget(keeper.book, keeper.roster, terminal.serial)
        if not wanted:
            return
        gone = await terminal.forget({slot for rows in wanted.values() for slot in _slots(rows)})
        # The roster may have changed meanwhile; what was deleted was deleted, and only those rows are closed.
        for person, rows in wanted.items():
            done = [one for one in rows if one.slot in gone]
            if done:
                now_ms = self._clock.now().wall_ms
                fact = proof(terminal.serial, person, done, now_ms, by_its_word=True)
                await keeper.commit([fact], erased(done, now_ms), device)
                self._counted("release", len(done))
                self._changed()


def _slots(rows: Sequence[Reference]) -> set[int]:
    return {one.slot for one in rows if one.slot is not None}
