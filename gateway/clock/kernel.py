"""What the machine says of its clocks: both readings, the kernel's word about them, the boot. Sets nothing."""

import ctypes
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import StartError

BOOT_ID_VARIABLE = "ZHIJIAO_BOOT_ID"  # set by the unit (%b): /proc may be closed to the service


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
