"""The machine's clocks as stamps, with the quality of the wall time."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gateway.clock.kernel import KernelTime, read_adjtimex, read_boot_id, read_both
from gateway.clock.stamp import ClockQuality, ClockSource, Stamp

MAX_SYNCED_ERROR_MS = 1_000  # a kernel error bound above this is not "synced" (contract, time)
QUALITY_CACHE_MS = 1_000  # the quality costs a system call; stamps are taken per event
RTC_PLAUSIBLE_MS = 1_704_067_200_000  # 2024-01-01: an earlier clock chip lost its battery


class Clock(Protocol):
    """What the rest of the gateway asks for time. `SystemClock` in service, `ManualClock` in tests."""

    @property
    def source(self) -> ClockSource:
        """What the quality of the last stamp rested on."""
        ...

    def now(self) -> Stamp:
        """This moment. Safe from any thread."""
        ...

    def note_synced_in_boot(self) -> None:
        """Tell the clock that it was synced earlier in this boot (an earlier process stored that)."""
        ...


class SystemClock:
    """The machine's clocks. The quality is read from the kernel at most once a second."""

    def __init__(
        self,
        boot_id: str | None = None,
        *,
        read: Callable[[], tuple[int, int]] = read_both,
        kernel_time: Callable[[], KernelTime | None] = read_adjtimex,
        timesync_flag: Path = Path("/run/systemd/timesync/synchronized"),
        rtc_flag: Path = Path("/sys/class/rtc/rtc0/hctosys"),
    ) -> None:
        self._boot_id = read_boot_id() if boot_id is None else boot_id
        self._read = read
        self._kernel_time = kernel_time
        self._timesync_flag = timesync_flag
        self._rtc_flag = rtc_flag
        self._was_synced = False
        # (read at, quality, error, source), replaced as a whole: readable from any thread
        self._known: tuple[int, ClockQuality, int | None, ClockSource] | None = None

    @property
    def source(self) -> ClockSource:
        """What the quality of the last stamp rested on."""
        return ClockSource.NONE if self._known is None else self._known[3]

    def now(self) -> Stamp:
        """This moment on both clocks."""
        wall_ms, mono_ms = self._read()
        known = self._known
        if known is None or not 0 <= mono_ms - known[0] < QUALITY_CACHE_MS:
            known = (mono_ms, *self._assess(wall_ms))
            self._known = known
        return Stamp(wall_ms, mono_ms, self._boot_id, known[1], known[2])

    def note_synced_in_boot(self) -> None:
        """An earlier process of this boot saw a synchronised clock: at worst this is holdover."""
        self._was_synced = True
        self._known = None

    def _assess(self, wall_ms: int) -> tuple[ClockQuality, int | None, ClockSource]:
        kernel = self._kernel_time()
        if kernel is None:
            # The flag file tells that timesyncd has set the clock, not how well.
            kernel = KernelTime(synchronised=self._timesync_flag.exists(), error_ms=None)
            synced = kernel.synchronised
        else:
            synced = (
                kernel.synchronised and kernel.error_ms is not None and kernel.error_ms <= MAX_SYNCED_ERROR_MS
            )
        if synced:
            self._was_synced = True
            return ClockQuality.SYNCED, kernel.error_ms, ClockSource.NTP
        error_ms = kernel.error_ms if kernel.synchronised else None
        if self._was_synced:
            return ClockQuality.HOLDOVER, error_ms, ClockSource.NTP
        if wall_ms >= RTC_PLAUSIBLE_MS and self._set_from_rtc():
            return ClockQuality.HOLDOVER, error_ms, ClockSource.RTC
        return ClockQuality.UNSYNCED, error_ms, ClockSource.NONE

    def _set_from_rtc(self) -> bool:
        try:
            return self._rtc_flag.read_text(encoding="ascii").strip() == "1"
        except OSError:
            return False  # no clock chip
