"""A line of wearables on a bench: its host and a simulated wearable, on a dock in memory or called over TCP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from drivers.errors import DriverError
from drivers.links.memory_link import MemoryLink
from drivers.simulators.tracker import SimulatedTracker
from drivers.tracker_line import TrackerLine, TrackerSettings
from drivers.trackers import conversation_type
from firmware_protocols.tracking import Fix
from tests.drivers.bench import RecordingHost

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
MENDED_S = 0.5


class TrackerBench:
    """A dock whose cable is put back when it was pulled, and whose driver begins anew after a fault."""

    def __init__(self, family: str, host: RecordingHost) -> None:
        self.tracker = SimulatedTracker(family)
        self.host = host
        self.near, self.far = MemoryLink.pair("dock")
        settings = TrackerSettings(family=family, port="x")
        self.converse = conversation_type(family)
        self.line = TrackerLine(settings, host, converse=self.converse, now=lambda: NOW)
        self.ends: list[str] = []  # codes by which the driver's run ended

    async def drive(self) -> None:
        """What the supervisor does."""
        while True:
            try:
                await self.near.open()
                await self.line.talk(self.near, self.converse(), silent_s=None)
            except DriverError as exc:
                self.ends.append(exc.code)
                await asyncio.sleep(MENDED_S)
                self.far.plug()
                await self.far.open()

    async def serve(self) -> None:
        while True:
            await self.tracker.serve(self.far)
            await asyncio.sleep(MENDED_S / 2)

    def walk(self, steps: int, begin: datetime = NOW) -> None:
        """A step in a second, each at another place."""
        for step in range(steps):
            self.tracker.lat = 36.5 + step / 600
            self.tracker.take_fix(begin + timedelta(seconds=step))

    @property
    def fixes(self) -> list[Fix]:
        """In the order in which they came."""
        return [one.fix for one in self.host.reports if one.fix is not None]

    @property
    def steps(self) -> list[int]:
        """Which steps of the walk came."""
        times = [fix.time for fix in self.fixes if fix.time is not None]
        return [round((_aware(time) - NOW).total_seconds()) for time in times]


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


@asynccontextmanager
async def tracker_bench(family: str, host: RecordingHost | None = None) -> AsyncIterator[TrackerBench]:
    """On a wire in memory."""
    bench = TrackerBench(family, host or RecordingHost())
    await bench.far.open()
    running = [asyncio.create_task(bench.drive()), asyncio.create_task(bench.serve())]
    try:
        yield bench
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
