"""All that a running gateway does about time: the clock, what is remembered of it, who is told.

The floor is a time that has certainly passed: when this software was made, the newest time of a time
server, the newest event that was recorded by one. Certificates are judged by it while the clock is not
set. Neither a center nor a clock chip raises it: one that was wrong once would shut this gateway out for
good, for its certificates would be expired for ever and the right time would be refused.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway import RELEASED_MS
from gateway.clock import memory
from gateway.clock.center import AskTime, CenterTime
from gateway.clock.kernel import read_boot_id
from gateway.clock.memory import Memory
from gateway.clock.stamp import ClockQuality, ClockSource, Stamp
from gateway.clock.system import Clock, SystemClock
from gateway.clock.watch import ClockNotice, ClockWatch, Notify

log = logging.getLogger(__name__)

KEEP_EVERY_S = 600.0  # seldom: every write wears the card
MACHINE_MAY_DIFFER_MS = 60_000  # no certificate is so short-lived that a minute matters
# So long a center's time judges certificates. It is asked again every three hours; where a wrong one keeps
# us from asking, this ends it.
CENTER_JUDGES_MS = 6 * 3_600_000


@dataclass(frozen=True, slots=True)
class CertificateTime:
    """The time to judge certificates by, where the machine's clock cannot be trusted."""

    at_ms: int
    passed_only: bool  # it is only known to have passed: "not yet valid" cannot be said by it


class Timekeeper:
    """The clock of one gateway and its memory. Build with `load`."""

    def __init__(self, clock: Clock, boot_id: str, path: Path, remembered: Memory) -> None:
        self.clock = clock
        self._boot_id = boot_id
        self._path = path
        self._good_ms = remembered.good_wall_ms
        self._event_ms = 0
        self._watch = ClockWatch(clock, machine_offset_ms=remembered.of_boot(boot_id).machine_offset_ms)

    @classmethod
    def load(cls, path: Path) -> "Timekeeper":
        """The machine's clock, resting on what an earlier process of this boot measured."""
        boot_id, remembered = read_boot_id(), memory.load(path)
        clock = SystemClock(
            boot_id,
            anchor=remembered.of_boot(boot_id).anchor,
            floor_ms=max(RELEASED_MS, remembered.good_wall_ms),
        )
        return cls(clock, boot_id, path, remembered)

    @property
    def floor_ms(self) -> int:
        """A wall time that has passed."""
        return max(RELEASED_MS, self._good_ms, self._event_ms)

    def saw_events(self, recorded: Iterable[tuple[ClockQuality, int]]) -> None:
        """Quality and recorded time of the newest events, newest first."""
        # An event does not say whose holdover it was: a clock chip's or a center's counts for nothing here.
        good = (wall_ms for quality, wall_ms in recorded if quality is ClockQuality.SYNCED)
        self._event_ms = next(good, 0)

    def certificate_time(self) -> CertificateTime | None:
        """What to judge certificates by; None: the machine's clock will do."""
        stamp = self.clock.now()
        if not self._vouched_for(stamp):
            # What the clock shows is no bound: nobody says that it has passed.
            return CertificateTime(self.floor_ms, passed_only=True)
        wall_ms, _ = self.clock.machine()
        if abs(wall_ms - stamp.wall_ms) > MACHINE_MAY_DIFFER_MS:
            return CertificateTime(stamp.wall_ms, passed_only=False)
        return None

    def _vouched_for(self, stamp: Stamp) -> bool:
        """Whether somebody says of this time that it is right, and can be held to it."""
        if stamp.quality is not ClockQuality.HOLDOVER:
            return stamp.quality is ClockQuality.SYNCED
        source, anchor = self.clock.source, self.clock.anchor
        if source is ClockSource.CENTER and anchor is not None:
            return stamp.mono_ms - anchor.mono_ms < CENTER_JUDGES_MS
        return source is ClockSource.NTP

    async def run(self, notify: Notify, ask: AskTime | None = None) -> None:
        """Watch the clock, keep the memory, and ask the center where it can be asked. For ever."""

        async def tell(notice: ClockNotice) -> bool:
            told = await notify(notice)
            if told:
                await self.keep()
            return told

        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run(tell), name="clock-watch")
            group.create_task(self._keep_now_and_then(), name="clock-memory")
            if ask is not None:
                center = CenterTime(self.clock, ask, lambda: self.floor_ms)
                group.create_task(center.run(), name="clock-center")

    async def keep(self) -> None:
        """Write down how the clocks stand. A disk that refuses costs nothing but a floor that is older."""
        stamp = self.clock.now()
        self._good_ms = good_ms(stamp, self.clock.source, self._good_ms)
        now = Memory(
            good_wall_ms=self._good_ms,
            boot_id=self._boot_id,
            machine_offset_ms=self._watch.machine_offset_ms,
            anchor=self.clock.anchor,
        )
        try:
            await asyncio.get_running_loop().run_in_executor(None, memory.save, self._path, now)
        except OSError as exc:
            log.warning("clock state not remembered on disk", extra={"cause": exc.strerror})

    async def _keep_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            await self.keep()


def good_ms(stamp: Stamp, source: ClockSource, before_ms: int) -> int:
    """The newest time that a time server vouched for.

    Its word replaces an earlier one also backwards: one that was wrong must not stay for ever.
    """
    if stamp.quality is ClockQuality.SYNCED:
        return stamp.wall_ms
    if stamp.quality is ClockQuality.HOLDOVER and source is ClockSource.NTP:
        return max(before_ms, stamp.wall_ms - (stamp.error_ms or 0))
    return before_ms
