"""A gateway that waits seconds, not minutes, before it asks the center for the time.

Where the gateway itself has nobody to ask yet, the drill answers in the center's place: with the right
time, which the file of the wrong clock gives away. `floorless`: the control, which judges certificates by
the machine's clock alone.
"""

import asyncio
import os
import struct
import sys
import time
from pathlib import Path

from gateway.cli.main import main
from gateway.clock import center
from gateway.clock.keeper import CertificateTime, Timekeeper
from gateway.clock.watch import Notify

center.PATIENCE_MS = 2_000
center.LOOK_EVERY_S = 0.5
center.BETWEEN_S = 0.05
real_run = Timekeeper.run


def boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


async def right_time() -> tuple[int, int, int]:
    sent_ms = boot_ms()
    await asyncio.sleep(0.02)
    (wrong_us,) = struct.unpack("=q", Path(os.environ["WRONG_CLOCK"]).read_bytes()[:8])
    center_ms = (time.time_ns() // 1_000 - wrong_us) // 1_000
    await asyncio.sleep(0.03)
    return center_ms, sent_ms, boot_ms()


async def run(self: Timekeeper, notify: Notify, ask: center.AskTime | None = None) -> None:
    await real_run(self, notify, ask or right_time)


def no_floor(_self: Timekeeper) -> CertificateTime | None:
    return None


Timekeeper.run = run  # type: ignore[method-assign]
if "floorless" in sys.argv:
    sys.argv.remove("floorless")
    Timekeeper.certificate_time = no_floor  # type: ignore[method-assign, assignment]

if __name__ == "__main__":
    main()
