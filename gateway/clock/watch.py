"""Notices when the machine's clock is set and when it becomes trustworthy."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from gateway.clock.stamp import ClockQuality, ClockSource
from gateway.clock.system import Clock

STEP_MS = 1_000  # a larger change of wall minus monotonic is a step; a leap second is exactly this


@dataclass(frozen=True, slots=True)
class ClockSynced:
    """Both clocks belong together like this, and the wall clock is worth believing."""

    source: ClockSource
    wall_ms: int
    mono_ms: int
    step_ms: int  # how far the wall clock was moved since the last pairing, or since the watch began
    error_ms: int | None


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set by more than a second."""

    step_ms: int


ClockNotice: TypeAlias = ClockSynced | ClockStepped


class ClockWatch:
    """Notices when the wall clock is set and when it becomes trustworthy.

    A pairing is given when the clock becomes synced, when a synced clock is stepped, and at the first
    look if the clock is synced or was set from a clock chip by then. Steps come before pairings.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reported_offset: int | None = None  # wall minus monotonic, as last told
        self._paired_offset = 0
        self._quality = ClockQuality.UNSYNCED

    def look(self) -> tuple[ClockNotice, ...]:
        """Compare with the look before and tell what changed."""
        stamp = self._clock.now()
        offset = stamp.wall_ms - stamp.mono_ms
        first = self._reported_offset is None
        if self._reported_offset is None:
            self._reported_offset = self._paired_offset = offset
        notices: list[ClockNotice] = []
        # Against the last told offset, not the last seen: many small steps add up to one.
        step_ms = offset - self._reported_offset
        stepped = abs(step_ms) > STEP_MS
        if stepped:
            self._reported_offset = offset
            notices.append(ClockStepped(step_ms))
        synced = stamp.quality is ClockQuality.SYNCED
        from_chip = stamp.quality is ClockQuality.HOLDOVER and self._clock.source is ClockSource.RTC
        became_synced = synced and self._quality is not ClockQuality.SYNCED
        if became_synced or (synced and stepped) or (first and from_chip):
            moved_ms = offset - self._paired_offset
            notices.append(
                ClockSynced(self._clock.source, stamp.wall_ms, stamp.mono_ms, moved_ms, stamp.error_ms)
            )
            self._paired_offset = self._reported_offset = offset
        self._quality = stamp.quality
        return tuple(notices)

    async def run(
        self,
        notify: Callable[[ClockNotice], Awaitable[None]],
        *,
        interval_s: float = 1.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Look once a second for ever and hand on each notice; an error of `notify` ends the watch."""
        while True:
            for notice in self.look():
                await notify(notice)
            await sleep(interval_s)
