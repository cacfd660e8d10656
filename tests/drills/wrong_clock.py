"""A wrong clock for a real process: what its wall clock, its time since boot and its kernel say, set while it runs.

The library is compiled when a drill wants it. A machine without a C compiler skips the drill and says so.
"""

import mmap
import shutil
import struct
import subprocess
import time
import uuid
from pathlib import Path

from tests.broker import skip_or_fail

SOURCE = Path(__file__).with_name("wrong_clock.c")
BOOTED_MS = 40_000  # every machine is 40 s old when its gateway starts
AT_1970_MS = 61_000


def true_ms() -> int:
    """The right time, which only the drill knows."""
    return time.time_ns() // 1_000_000


class WrongClock:
    """The clocks of one machine. `env` goes to the gateway's process."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            skip_or_fail("cc", "gcc libc6-dev")
        library, self._file = folder / "wrong_clock.so", folder / "wrong_clock"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True, timeout=60)
        self._file.write_bytes(bytes(24))
        with self._file.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 24)
        self.env = {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(self._file)}
        self.boot_ids: list[str] = []
        self.boot()

    def boot(self) -> None:
        """A new boot without a clock chip: 1970, and no time server."""
        self.boot_ids.append(uuid.uuid4().hex)
        self.env["ZHIJIAO_BOOT_ID"] = self.boot_ids[-1]
        since_boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000 - BOOTED_MS * 1_000
        self._set(1, since_boot_us)
        self.lose_time_server()
        self._set(0, (AT_1970_MS - true_ms()) * 1_000)

    def step(self, ms: int) -> None:
        """A hand on the clock: the kernel is then not synchronised."""
        self.lose_time_server()
        self._set(0, self._get(0) + ms * 1_000)

    def time_server(self, *, off_ms: int, error_ms: int) -> None:
        """A time server sets the clock, right to `off_ms`."""
        self._set(0, off_ms * 1_000)
        self._set(2, error_ms * 1_000)

    def lose_time_server(self) -> None:
        """The kernel is not synchronised any more."""
        self._set(2, -1)

    def close(self) -> None:
        """The process that uses it has ended."""
        self._map.close()

    def _set(self, place: int, value: int) -> None:
        struct.pack_into("=q", self._map, 8 * place, value)

    def _get(self, place: int) -> int:
        (value,) = struct.unpack_from("=q", self._map, 8 * place)
        return int(value)
