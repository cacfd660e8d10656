"""The line before the adapter: one connects at a time, so many are connected, and who failed waits longer.

BlueZ makes one connection at a time; a second attempt meanwhile fails, or aborts the first. An adapter holds few
connections (most CSR sticks 5, those of a Raspberry Pi 7).

    pause     by device: after a failure, so that one that is half out of range does not hold the line
    slot      as many as the adapter holds, first come first served; kept until the device is disconnected
    turn      one, first come first served; kept for one attempt

Who waits brings the deadline along (`asyncio.timeout`); who gives up leaves the line without disturbing it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from drivers.errors import LinkUnavailable

MOST_CONNECTED = 5
MOST_WAITING = 64  # in line; a center has tens of wearables
MOST_REMEMBERED = 256  # devices that failed lately
PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # after the first failure in a row, the second, ...


@dataclass(frozen=True, slots=True)
class _Failed:
    times: int
    not_before: float  # the loop's clock


class ConnectQueue:
    """The line of one adapter."""

    def __init__(self, *, most_connected: int = MOST_CONNECTED, most_waiting: int = MOST_WAITING) -> None:
        self._slots = asyncio.Semaphore(most_connected)
        self._turn = asyncio.Lock()
        self._most_waiting = most_waiting
        self._waiting = 0
        self._failed: dict[str, _Failed] = {}

    @property
    def waiting(self) -> int:
        """How many stand in line, for a slot or for their turn."""
        return self._waiting

    async def pause(self, address: str) -> None:
        """Wait until this device may be tried again."""
        failed = self._failed.get(address)
        if failed is not None:
            await asyncio.sleep(failed.not_before - asyncio.get_running_loop().time())

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[None]:
        """One of the adapter's connections; raises `LinkUnavailable` (in_line) where too many wait already."""
        await self._stand_in_line(name, self._slots)
        try:
            yield
        finally:
            self._slots.release()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """The time for one attempt; raises `LinkUnavailable` (in_line)."""
        await self._stand_in_line(name, self._turn)
        try:
            yield
        finally:
            self._turn.release()

    def failed(self, address: str) -> None:
        """An attempt failed: the next one of this device waits longer."""
        before = self._failed.pop(address, None)
        times = 1 if before is None else before.times + 1
        pause_s = PAUSES_S[min(times, len(PAUSES_S)) - 1]
        self._failed[address] = _Failed(times, asyncio.get_running_loop().time() + pause_s)
        if len(self._failed) > MOST_REMEMBERED:
            del self._failed[next(iter(self._failed))]  # whoever failed longest ago

    def worked(self, address: str) -> None:
        """It is connected: its failures are forgotten."""
        self._failed.pop(address, None)

    async def _stand_in_line(self, name: str, line: asyncio.Semaphore | asyncio.Lock) -> None:
        if self._waiting >= self._most_waiting:
            raise LinkUnavailable(
                "in_line",
                f"{name}: {self._waiting} devices wait to be connected already; use fewer, or one more box",
            )
        self._waiting += 1
        try:
            await line.acquire()
        finally:
            self._waiting -= 1
