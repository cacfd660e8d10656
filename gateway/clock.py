"""Two clocks and how far the wall clock can be trusted. It never sets a clock and never waits for one.

Every fact the gateway records carries a `Stamp`: wall time as it was believed, the monotonic time that
runs since boot (`CLOCK_BOOTTIME`, suspended time included), the boot it belongs to, and the quality of
the wall time. Recorded stamps are never rewritten; a later `ClockSynced` pairs both clocks, so that a
reader can correct every stamp of that boot: utc = utc_sync - (mono_sync - mono_stamp).

Quality: `synced` = the kernel says synchronised and bounds its error to one second; `holdover` = was
synced in this boot, or set from a real-time clock chip; `unsynced` = anything else, 1970 included.
"""

import asyncio
import ctypes
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from gateway.errors import StartError

MAX_SYNCED_ERROR_MS = 1_000  # a kernel error bound above this is not "synced" (contract, time)
STEP_MS = 1_000  # a larger change of wall minus monotonic is a step; a leap second is exactly this
QUALITY_CACHE_MS = 1_000  # the quality costs a system call; stamps are taken per event
RTC_PLAUSIBLE_MS = 1_704_067_200_000  # 2024-01-01: an earlier clock chip lost its battery
BOOT_ID_VARIABLE = "ZHIJIAO_BOOT_ID"  # set by the unit (%b): /proc may be closed to the service

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO_MS = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)


class ClockQuality(StrEnum):
    """How far the wall time can be trusted."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSYNCED = "unsynced"


class ClockSource(StrEnum):
    """What the wall time rests on."""

    NTP = "ntp"
    RTC = "rtc"
    CENTER = "center"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment on both clocks."""

    wall_ms: int  # UTC since 1970
    mono_ms: int  # since boot
    boot_id: str  # 32 hex digits
    quality: ClockQuality
    error_ms: int | None  # bound of the wall time's error; None where nobody knows it


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


def iso_ms(wall_ms: int) -> str:
    """`2026-11-22T01:02:02.004Z`; the one written form of a time everywhere."""
    moment = _EPOCH + timedelta(milliseconds=wall_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z".rjust(24, "0")


def parse_iso_ms(text: str) -> int:
    """Milliseconds since 1970 of exactly the form `iso_ms` writes; anything else is a ValueError."""
    match = _ISO_MS.fullmatch(text)
    if match is None:
        raise ValueError("not a time of the form 2026-11-22T01:02:02.004Z")
    year, month, day, hour, minute, second, milli = map(int, match.groups())
    moment = datetime(year, month, day, hour, minute, second, milli * 1000, tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def timex_layout(
    long: type[ctypes.c_long] | type[ctypes.c_int32] | type[ctypes.c_int64],
) -> type[ctypes.Structure]:
    """`struct timex` of Linux for a given C `long`: 208 bytes with 64 bits, 128 with 32.

    The plain `adjtimex` symbol of a 32-bit libc keeps this layout also where time_t is 64 bits wide:
    programs built for wide time are redirected to another symbol, which ctypes is not.
    """
    fields: Sequence[tuple[str, type]] = [
        ("modes", ctypes.c_uint),
        ("offset", long),
        ("freq", long),
        ("maxerror", long),  # microseconds
        ("esterror", long),
        ("status", ctypes.c_int),
        ("constant", long),
        ("precision", long),
        ("tolerance", long),
        ("time_sec", long),
        ("time_usec", long),
        ("tick", long),
        ("ppsfreq", long),
        ("jitter", long),
        ("shift", ctypes.c_int),
        ("stabil", long),
        ("jitcnt", long),
        ("calcnt", long),
        ("errcnt", long),
        ("stbcnt", long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    ]
    return type("Timex", (ctypes.Structure,), {"_fields_": fields})


_TIME_ERROR = 5  # return value of adjtimex: the clock is not synchronised
_STA_UNSYNC = 0x0040
_SATURATED_US = 16_000_000  # the kernel stops counting its error here and means "unknown"
_Timex: Final = timex_layout(ctypes.c_long)
_libc: Final = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class KernelTime:
    """The kernel's own word about its clock."""

    synchronised: bool
    error_ms: int | None  # None: it does not know


def read_adjtimex() -> KernelTime | None:
    """Ask the kernel; None where a sandbox forbids the call. Changes nothing."""
    request = _Timex()  # modes = 0: read only
    state = _libc.adjtimex(ctypes.byref(request))
    if state == -1:
        return None  # EPERM under a seccomp filter; whatever it was, recording goes on without it
    maxerror_us = int(request.maxerror)
    unknown = maxerror_us < 0 or maxerror_us >= _SATURATED_US
    return KernelTime(
        synchronised=state != _TIME_ERROR and not request.status & _STA_UNSYNC,
        error_ms=None if unknown else -(-maxerror_us // 1000),
    )


def read_boot_id(proc: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """The identity of this boot, 32 hex digits: from the environment, else from the kernel."""
    given = os.environ.get(BOOT_ID_VARIABLE)
    if given is None:
        try:
            given = proc.read_text(encoding="ascii")
        except OSError as exc:
            raise StartError(
                "boot_id",
                f"{proc}: {exc.strerror}; the service cannot tell one boot from the next. "
                f"Set {BOOT_ID_VARIABLE} (in a systemd unit: Environment={BOOT_ID_VARIABLE}=%b)",
            ) from exc
    boot_id = given.strip().replace("-", "").lower()
    if re.fullmatch(r"[0-9a-f]{32}", boot_id) is None:
        raise StartError("boot_id", f"{BOOT_ID_VARIABLE} is not a boot id: 32 hexadecimal digits are wanted")
    return boot_id


def read_both() -> tuple[int, int]:
    """(wall, monotonic) in ms as of one moment: a pause of the process between the reads would look like a step."""
    for _ in range(3):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if after - before < 1_000_000:
            break
    return wall // 1_000_000, (before + after) // 2_000_000


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


class ManualClock:
    """A clock that moves only when told: the one to inject in tests and simulations."""

    def __init__(
        self,
        wall_ms: int = 1_795_309_322_000,  # 2026-11-22T01:02:02Z
        mono_ms: int = 123_455_331,
        *,
        boot_id: str = "87389cf03c0f4376b8caa195260ea502",
        quality: ClockQuality = ClockQuality.SYNCED,
        error_ms: int | None = 12,
        source: ClockSource = ClockSource.NTP,
    ) -> None:
        self.wall_ms = wall_ms
        self.mono_ms = mono_ms
        self.boot_id = boot_id
        self.quality = quality
        self.error_ms = error_ms
        self.source = source

    def now(self) -> Stamp:
        """The moment it was set to."""
        return Stamp(self.wall_ms, self.mono_ms, self.boot_id, self.quality, self.error_ms)

    def note_synced_in_boot(self) -> None:
        """Unsynced becomes holdover, as with the real one."""
        if self.quality is ClockQuality.UNSYNCED:
            self.set_quality(ClockQuality.HOLDOVER, source=ClockSource.NTP)

    def advance(self, ms: int) -> None:
        """Time passes on both clocks."""
        self.wall_ms += ms
        self.mono_ms += ms

    def step(self, ms: int) -> None:
        """Somebody sets the wall clock."""
        self.wall_ms += ms

    def set_quality(
        self, quality: ClockQuality, *, error_ms: int | None = None, source: ClockSource = ClockSource.NONE
    ) -> None:
        """What the kernel says changes."""
        self.quality = quality
        self.error_ms = error_ms
        self.source = source


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
