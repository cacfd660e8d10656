"""Two clocks and how far the wall clock can be trusted. It never sets a clock and never waits for one.

Every fact the gateway records carries a `Stamp`: wall time as it was believed, the monotonic time that
runs since boot (`CLOCK_BOOTTIME`, suspended time included), the boot it belongs to, and the quality of
the wall time. Recorded stamps are never rewritten; a later `ClockSynced` pairs both clocks, so that a
reader can correct every stamp of that boot: utc = utc_sync - (mono_sync - mono_stamp).

Quality: `synced` = the kernel says synchronised and bounds its error to one second; `holdover` = was
synced in this boot, or set from a real-time clock chip; `unsynced` = anything else, 1970 included.
"""

from gateway.clock.kernel import (
    BOOT_ID_VARIABLE,
    KernelTime,
    read_adjtimex,
    read_boot_id,
    read_both,
    timex_layout,
)
from gateway.clock.manual import ManualClock
from gateway.clock.stamp import ClockQuality, ClockSource, Stamp, iso_ms, parse_iso_ms
from gateway.clock.system import MAX_SYNCED_ERROR_MS, QUALITY_CACHE_MS, RTC_PLAUSIBLE_MS, Clock, SystemClock
from gateway.clock.watch import STEP_MS, ClockNotice, ClockStepped, ClockSynced, ClockWatch

__all__ = [
    "BOOT_ID_VARIABLE",
    "MAX_SYNCED_ERROR_MS",
    "QUALITY_CACHE_MS",
    "RTC_PLAUSIBLE_MS",
    "STEP_MS",
    "Clock",
    "ClockNotice",
    "ClockQuality",
    "ClockSource",
    "ClockStepped",
    "ClockSynced",
    "ClockWatch",
    "KernelTime",
    "ManualClock",
    "Stamp",
    "SystemClock",
    "iso_ms",
    "parse_iso_ms",
    "read_adjtimex",
    "read_boot_id",
    "read_both",
    "timex_layout",
]
