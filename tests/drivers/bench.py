"""A driver on a bench: a host that remembers, a loop without waiting, a reader at the other end."""

import asyncio
import functools
import os
import selectors
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import ParamSpec

from drivers.driver import EventsRefused
from drivers.errors import DriverError
from drivers.events import CardRead, CardRefused, DeviceEvent, DeviceReady
from drivers.idcard_reader import IdCardReader, IdCardSettings
from drivers.links.link import Link
from drivers.links.memory_link import MemoryLink
from drivers.listening import Listened
from drivers.simulators.idcard import SimulatedReader
from drivers.simulators.wire import Wire
from drivers.terminals import Record
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.tracking import TrackerReport

SLOW = float(os.environ.get("SLOW", "1"))  # times longer than here: an emulated machine
DEADLINE_S = 20.0 * SLOW

P = ParamSpec("P")


class _Skipping(selectors.DefaultSelector):
    """Where a loop would wait, time passes at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits and nothing will ever happen"
            self.now += max(timeout, 0.0)
        return ready


class SkippedTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer. For tests without threads and real descriptors."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def in_skipped_time(test: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """Run an async test on a loop of its own, in which no second of waiting costs a second."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=SkippedTimeLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(DEADLINE_S):
        while not true():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.002)


class RecordingHost:
    """The gateway, as far as a driver knows it."""

    def __init__(self) -> None:
        self.events: list[DeviceEvent] = []
        self.times: list[float] = []
        self.readies: list[DeviceReady] = []
        self.noises: Counter[str] = Counter()  # bytes by reason
        self.refusing = False
        self.offered_at: list[float] = []
        self.commit_s = 0.0
        self.records: list[Record] = []
        self.reports: list[TrackerReport] = []
        self.bound: set[str] = set()
        self.handed: list[Listened] = []

    async def recorded(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(self.commit_s)
        if self.refusing:
            raise EventsRefused("store_full", "no room")
        self.records += records

    async def heard(self, reports: Sequence[TrackerReport]) -> None:
        await asyncio.sleep(self.commit_s)
        if self.refusing:
            raise EventsRefused("store_full", "no room")
        self.reports += reports

    def beacons(self) -> Collection[str]:
        return frozenset(self.bound)

    async def listened(self, what: Listened) -> None:
        self.handed.append(what)

    async def committed(self, events: Sequence[DeviceEvent]) -> None:
        self.offered_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.commit_s)
        if self.refusing:
            raise EventsRefused("store_full", "no room left")
        self.events += events
        self.times += [asyncio.get_running_loop().time()] * len(events)

    def ready(self, info: DeviceReady) -> None:
        self.readies.append(info)

    def noise(self, reason: str, length: int) -> None:
        self.noises[reason] += length

    @property
    def read(self) -> list[CardRead]:
        return [event for event in self.events if isinstance(event, CardRead)]

    @property
    def refused(self) -> list[CardRefused]:
        return [event for event in self.events if isinstance(event, CardRefused)]


class Bench:
    """A driver, its host, and the simulated reader it talks to."""

    def __init__(self, host: RecordingHost, reader: SimulatedReader, driver: IdCardReader, far: Wire) -> None:
        self.host = host
        self.reader = reader
        self.driver = driver
        self.far = far
        self.running: asyncio.Task[None] = asyncio.create_task(driver.run())
        self.serving: asyncio.Task[None] = asyncio.create_task(reader.serve(far))

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so, while the driver runs."""
        await until(lambda: true() or self.running.done())
        if not true():
            await self.running

    async def until_ready(self) -> None:
        await self.until(lambda: bool(self.host.readies))

    async def until_events(self, count: int) -> None:
        await self.until(lambda: len(self.host.events) >= count)

    async def until_looked(self, times: int) -> None:
        """Wait until the driver has looked for a card so often; each look asks twice at most."""
        enough = self.reader.asked[Command.FIND_CARD] + 2 * times
        await self.until(lambda: self.reader.asked[Command.FIND_CARD] >= enough)

    async def end(self) -> DriverError:
        """How the driver's run ended."""
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([self.running])
        error = self.running.exception()
        assert isinstance(error, DriverError)
        return error

    def restart(self) -> None:
        """What the supervisor does after a fault."""
        self.running = asyncio.create_task(self.driver.run())

    async def stop(self) -> None:
        for task in (self.running, self.serving):
            task.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await task


def idcard_settings(**settings: object) -> IdCardSettings:
    table: Mapping[str, object] = {"port": "/dev/serial/by-id/usb-Test", **settings}
    return IdCardSettings.parse("door-1", table)


@asynccontextmanager
async def memory_bench(
    reader: SimulatedReader | None = None, *, host: RecordingHost | None = None, **settings: object
) -> AsyncIterator[Bench]:
    """A driver and a reader on one wire in memory."""
    near, far = MemoryLink.pair("reader")
    await far.open()
    bench = make_bench(near, far, reader, host, **settings)
    try:
        yield bench
    finally:
        await bench.stop()


def make_bench(
    near: Link, far: Wire, reader: SimulatedReader | None, host: RecordingHost | None, **settings: object
) -> Bench:
    recording = host or RecordingHost()
    driver = IdCardReader(idcard_settings(**settings), recording, near)
    return Bench(recording, reader or SimulatedReader(), driver, far)
