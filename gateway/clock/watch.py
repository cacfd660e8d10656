"""Notices when the machine's clock is set, and when there is a better measurement of the time.

A pairing (`ClockSynced`) is what a reader corrects every stamp of the boot by. It is told when a process
begins to rest on a measurement, when the source changes, when a synchronised clock was moved, and when it
is synchronised again after an hour or more. What could not be stored is told again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from gateway.clock.anchor import Anchor
from gateway.clock.stamp import ClockQuality, ClockSource
from gateway.clock.system import Clock

STEP_MS = 1_000  # a larger change of wall minus monotonic is a step; a leap second is exactly this
MOVED_MS = 100  # a synchronised clock that was set by more is paired anew; slewing moves both clocks alike
# Between two polls of a time server the kernel's bound may pass a second and come back, all day long.
PAIR_AGAIN_MS = 3_600_000
BURST, PACE_MS = 6, 10_000  # looks that tell something: a few at once, then one in 10 s


@dataclass(frozen=True, slots=True)
class ClockSynced:
    """Both clocks belong together like this, and the wall time is worth believing."""

    source: ClockSource
    wall_ms: int
    mono_ms: int
    step_ms: int  # how far recorded times move by it: since the last pairing, or since the watch began
    error_ms: int | None


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The machine's wall clock was set by more than a second."""

    step_ms: int


ClockNotice: TypeAlias = ClockSynced | ClockStepped
Notify: TypeAlias = Callable[[ClockNotice], Awaitable[bool]]  # False: not stored, tell it again


class ClockWatch:
    """Compares the clocks with how they stood. Steps come before pairings; many small ones add up."""

    def __init__(self, clock: Clock, *, machine_offset_ms: int | None = None) -> None:
        """`machine_offset_ms`: wall minus monotonic as an earlier process of this boot saw it last."""
        self.machine_offset_ms = 0 if machine_offset_ms is None else machine_offset_ms  # as last told
        self._knows_machine = machine_offset_ms is not None
        self._clock = clock
        self._paired: Anchor | None = None
        self._paired_before: Anchor | None = None
        self._given_offset_ms: int | None = None  # of the times that are recorded, as of the last pairing
        self._was_synced = False
        self._again = False  # synchronised again since the last pairing
        self._allowed = BURST
        self._refilled_ms: int | None = None

    def look(self) -> tuple[ClockNotice, ...]:
        """What changed since the look before."""
        wall_ms, mono_ms = self._clock.machine()
        stamp = self._clock.now()
        if not self._knows_machine:
            self.machine_offset_ms, self._knows_machine = wall_ms - mono_ms, True
        if self._given_offset_ms is None:
            self._given_offset_ms = stamp.wall_ms - stamp.mono_ms
        synced = stamp.quality is ClockQuality.SYNCED
        self._again |= synced and not self._was_synced
        self._was_synced = synced
        if not self._may_tell(mono_ms):
            return ()  # whatever it is, it adds up
        notices: tuple[ClockNotice, ...] = (
            *self._step(wall_ms - mono_ms),
            *self._pairing(self._given_offset_ms),
        )
        self._allowed -= bool(notices)
        return notices

    def not_told(self, notice: ClockNotice) -> None:
        """`notice` was not stored: it will come again, after a pause."""
        self._allowed = 0
        if isinstance(notice, ClockSynced):
            self._paired = self._paired_before
            self._given_offset_ms = notice.wall_ms - notice.mono_ms - notice.step_ms
        else:
            self.machine_offset_ms -= notice.step_ms

    async def run(
        self,
        notify: Notify,
        *,
        interval_s: float = 1.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Look once a second for ever and hand on each notice; an error of `notify` ends the watch."""
        while True:
            for notice in self.look():
                if not await notify(notice):
                    self.not_told(notice)
            await sleep(interval_s)

    def _may_tell(self, mono_ms: int) -> bool:
        """A clock that is set every second must not fill a store whose rows cannot be purged."""
        if self._refilled_ms is None or self._allowed >= BURST:
            self._refilled_ms = mono_ms
        refill = (mono_ms - self._refilled_ms) // PACE_MS
        self._refilled_ms += refill * PACE_MS
        self._allowed = min(BURST, self._allowed + refill)
        return self._allowed > 0

    def _step(self, offset_ms: int) -> tuple[ClockStepped, ...]:
        step_ms = offset_ms - self.machine_offset_ms
        if abs(step_ms) <= STEP_MS:
            return ()
        self.machine_offset_ms = offset_ms
        return (ClockStepped(step_ms),)

    def _pairing(self, given_offset_ms: int) -> tuple[ClockSynced, ...]:
        anchor = self._clock.anchor
        if anchor is None or not self._is_news(anchor):
            return ()
        step_ms = anchor.offset_ms - given_offset_ms
        self._paired_before, self._paired = self._paired, anchor
        self._given_offset_ms = anchor.offset_ms
        self._again = False
        if anchor.source is ClockSource.NTP and self._was_synced:
            self.machine_offset_ms = anchor.offset_ms  # told with the pairing
        return (ClockSynced(anchor.source, anchor.wall_ms, anchor.mono_ms, step_ms, anchor.error_ms),)

    def _is_news(self, anchor: Anchor) -> bool:
        paired = self._paired
        if paired is None or anchor.source is not paired.source:
            return True
        if anchor.source is not ClockSource.NTP:
            return anchor != paired
        moved_ms = abs(anchor.offset_ms - paired.offset_ms)
        return moved_ms > MOVED_MS or (self._again and anchor.mono_ms - paired.mono_ms >= PAIR_AGAIN_MS)
