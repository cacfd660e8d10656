"""The machine's clocks as stamps, with the quality of the wall time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway import RELEASED_MS
from gateway.clock.anchor import Anchor
from gateway.clock.kernel import KernelTime, read_adjtimex, read_boot_id, read_both
from gateway.clock.stamp import ClockQuality, ClockSource, Stamp

MAX_SYNCED_ERROR_MS = 1_000  # a kernel error bound above this is not "synced" (contract, time)
QUALITY_CACHE_MS = 1_000  # the quality costs a system call; stamps are taken per event
JITTER_MS = (
    2  # wall minus monotonic differs by so much between two readings; by more, and the kernel is asked
)
JUMP_MS = 20  # by more than this even on a busy machine only when the clock was set

_NO_WORD = KernelTime(synchronised=False, error_ms=None)


class Clock(Protocol):
    """What the rest of the gateway asks for time. `SystemClock` in service, `ManualClock` in tests."""

    @property
    def source(self) -> ClockSource:
        """What the last stamp rested on."""
        ...

    @property
    def anchor(self) -> Anchor | None:
        """The measurement that the wall time of this boot rests on; None where there is none."""
        ...

    def now(self) -> Stamp:
        """This moment, with the best-known wall time. Safe from any thread."""
        ...

    def machine(self) -> tuple[int, int]:
        """The machine's own wall and monotonic clock, whatever is believed of them."""
        ...

    def accept(self, anchor: Anchor) -> None:
        """Rest the wall time on this measurement until the kernel is synchronised."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about the clock at one moment; holds for a second or until the clock is set."""

    mono_ms: int
    offset_ms: int  # machine's wall minus monotonic
    quality: ClockQuality
    error_ms: int | None
    anchor: Anchor | None

    def holds(self, wall_ms: int, mono_ms: int) -> bool:
        young = 0 <= mono_ms - self.mono_ms < QUALITY_CACHE_MS
        return young and abs(wall_ms - mono_ms - self.offset_ms) <= JITTER_MS

    def stamp(self, wall_ms: int, mono_ms: int, boot_id: str) -> Stamp:
        if self.quality is not ClockQuality.HOLDOVER or self.anchor is None:
            return Stamp(wall_ms, mono_ms, boot_id, self.quality, self.error_ms)
        best_ms = self.anchor.wall_at(mono_ms)
        return Stamp(best_ms, mono_ms, boot_id, self.quality, self.anchor.error_at(mono_ms))


class SystemClock:
    """The machine's clocks. The quality is read from the kernel at most once a second.

    While the kernel is synchronised, its time is taken as it is. When it no longer is, time goes on from
    the last good measurement of this boot, so that a hand on the clock changes nothing that is recorded.
    """

    def __init__(
        self,
        boot_id: str | None = None,
        *,
        read: Callable[[], tuple[int, int]] = read_both,
        kernel_time: Callable[[], KernelTime | None] = read_adjtimex,
        timesync_flag: Path = Path("/run/systemd/timesync/synchronized"),
        rtc_flag: Path = Path("/sys/class/rtc/rtc0/hctosys"),
        anchor: Anchor | None = None,
        floor_ms: int = RELEASED_MS,
    ) -> None:
        """`anchor`: measured by an earlier process of this boot. `floor_ms`: a time that has passed."""
        self._boot_id = read_boot_id() if boot_id is None else boot_id
        self._read = read
        self._kernel_time = kernel_time
        self._timesync_flag = timesync_flag
        self._rtc_flag = rtc_flag
        self._anchor = anchor
        self._floor_ms = floor_ms
        self._known: _Known | None = None  # replaced as a whole: readable from any thread

    @property
    def source(self) -> ClockSource:
        """What the last stamp rested on."""
        known = self._known
        return ClockSource.NONE if known is None or known.anchor is None else known.anchor.source

    @property
    def anchor(self) -> Anchor | None:
        """The measurement of this boot, as of the last stamp."""
        return self._anchor

    def now(self) -> Stamp:
        """This moment on both clocks."""
        wall_ms, mono_ms = self._read()
        known = self._known
        if known is None or not known.holds(wall_ms, mono_ms):
            wall_ms, mono_ms, known = self._assess(wall_ms, mono_ms)
            self._known = known
        return known.stamp(wall_ms, mono_ms, self._boot_id)

    def machine(self) -> tuple[int, int]:
        """The machine's own clocks."""
        return self._read()

    def accept(self, anchor: Anchor) -> None:
        """Somebody else measured: the center."""
        self._anchor = anchor
        self._known = None

    def _assess(self, wall_ms: int, mono_ms: int) -> tuple[int, int, _Known]:
        """Ask the kernel. Its word counts for a wall time read before *and* after: a clock that is set
        between the two would else make 1970 the best measurement of this boot."""
        for _ in range(3):
            kernel = self._ask_kernel()
            before_ms = wall_ms - mono_ms
            wall_ms, mono_ms = self._read()
            if abs(wall_ms - mono_ms - before_ms) <= JUMP_MS:
                break
        else:
            kernel = _NO_WORD
        if wall_ms < RELEASED_MS:
            kernel = _NO_WORD  # a time before this software was made is wrong, whoever set it
        return wall_ms, mono_ms, self._judge(wall_ms, mono_ms, kernel)

    def _ask_kernel(self) -> KernelTime:
        """Its word, where `synchronised` means well enough, with the bound that it keeps to."""
        kernel = self._kernel_time()
        if kernel is None:  # timesyncd's flag tells that it has set the clock, not how well
            return KernelTime(synchronised=self._timesync_flag.exists(), error_ms=None)
        if not kernel.synchronised or kernel.error_ms is None:
            return _NO_WORD
        return KernelTime(synchronised=kernel.error_ms <= MAX_SYNCED_ERROR_MS, error_ms=kernel.error_ms)

    def _judge(self, wall_ms: int, mono_ms: int, kernel: KernelTime) -> _Known:
        offset_ms, error_ms = wall_ms - mono_ms, kernel.error_ms
        if kernel.synchronised:
            self._anchor = anchor = Anchor(ClockSource.NTP, wall_ms, mono_ms, error_ms)
            return _Known(mono_ms, offset_ms, ClockQuality.SYNCED, error_ms, anchor)
        if self._anchor is None and wall_ms >= self._floor_ms and self._set_from_rtc():
            self._anchor = Anchor(ClockSource.RTC, wall_ms, mono_ms, None)
        if self._anchor is not None:
            return _Known(mono_ms, offset_ms, ClockQuality.HOLDOVER, None, self._anchor)
        return _Known(mono_ms, offset_ms, ClockQuality.UNSYNCED, error_ms, None)

    def _set_from_rtc(self) -> bool:
        try:
            return self._rtc_flag.read_text(encoding="ascii").strip() == "1"
        except OSError:
            return False  # no clock chip
