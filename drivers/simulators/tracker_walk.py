"""Somebody who wears a simulated wearable: a fix now and then, and a battery that runs down.

async with Call("127.0.0.1", 8090) as call:
    await run_tracker(SimulatedTracker("gt06"), call, interval_s=5, tell=print)
"""

import asyncio
from collections.abc import Callable

from drivers.simulators.tracker import SimulatedTracker
from drivers.simulators.wire import Port, serve_port

FIXES_PER_PCT = 20


async def run_tracker(
    tracker: SimulatedTracker, port: Port, *, interval_s: float, tell: Callable[[str], None]
) -> None:
    """For ever. No line tells a place."""
    serving = asyncio.create_task(serve_port(tracker, port), name="simulated wearable")
    taken = 0
    try:
        while True:
            tracker.take_fix()
            taken += 1
            if taken % FIXES_PER_PCT == 0:
                tracker.battery_pct = max(1, tracker.battery_pct - 1)
                tracker.beat()
            tell(f"fixes taken {taken}, records delivered {tracker.delivered}, kept {len(tracker.kept)}")
            await asyncio.sleep(interval_s)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
