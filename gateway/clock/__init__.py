"""Two clocks and how far the wall clock can be trusted. It never sets a clock and never waits for one.

Every fact the gateway records carries a `Stamp`: the best-known wall time, the monotonic time that runs
since boot (`CLOCK_BOOTTIME`, suspended time included), the boot it belongs to, and the quality of the wall
time. Recorded stamps are never rewritten; a `ClockSynced` pairs both clocks, so that a reader can correct
every stamp of that boot: utc = utc_sync - (mono_sync - mono_stamp).

Quality: `synced` = the kernel says synchronised and bounds its error to one second; `holdover` = time goes
on from an earlier measurement of this boot: a time server's, the center's, or a clock chip's at the start;
`unsynced` = the machine's clock as it stands, 1970 included. Reasons: docs/decisions/0011.
"""

from gateway.clock.anchor import DRIFT_PPM, Anchor
from gateway.clock.center import AskTime, CenterTime, TimeRefused
from gateway.clock.keeper import CertificateTime, Timekeeper
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
from gateway.clock.system import MAX_SYNCED_ERROR_MS, QUALITY_CACHE_MS, Clock, SystemClock
from gateway.clock.watch import STEP_MS, ClockNotice, ClockStepped, ClockSynced, ClockWatch

__all__ = [
    "BOOT_ID_VARIABLE",
    "DRIFT_PPM",
    "MAX_SYNCED_ERROR_MS",
    "QUALITY_CACHE_MS",
    "STEP_MS",
    "Anchor",
    "AskTime",
    "CenterTime",
    "CertificateTime",
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
    "TimeRefused",
    "Timekeeper",
    "iso_ms",
    "parse_iso_ms",
    "read_adjtimex",
    "read_boot_id",
    "read_both",
    "timex_layout",
]
