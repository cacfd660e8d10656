"""A badge line on a bench: its host and the simulated converter."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from drivers.badge_line import BadgeLine
from drivers.badge_line_settings import BadgeLineSettings
from drivers.errors import DriverError
from drivers.events import BadgeRead
from drivers.links.link import Link
from drivers.links.memory_link import MemoryLink
from drivers.simulators.badge_line import SimulatedConverter
from drivers.simulators.wire import Wire
from firmware_protocols.wiegand.card import Card
from tests.drivers.bench import RecordingHost, until


def bits(number: int) -> str:
    return Card(number).to_bits()


def badge_settings(**settings: object) -> BadgeLineSettings:
    return BadgeLineSettings.parse("badge-1", {"port": "/dev/serial/by-id/usb-Test", **settings})


class BadgeBench:
    def __init__(self, converter: SimulatedConverter, near: Link, far: Wire, **settings: object) -> None:
        self.host = RecordingHost()
        self.converter, self.far = converter, far
        self.driver = BadgeLine(badge_settings(**settings), self.host, near)
        self.running = asyncio.create_task(self.driver.run())
        self.serving = asyncio.create_task(converter.serve(far))

    @property
    def numbers(self) -> list[str]:
        return [event.number for event in self.host.events if isinstance(event, BadgeRead)]

    async def until(self, true: Callable[[], bool]) -> None:
        await until(lambda: true() or self.running.done())
        if not true():
            await self.running

    async def end(self) -> DriverError:
        await until(self.running.done)
        error = self.running.exception()
        assert isinstance(error, DriverError)
        return error

    def restart(self) -> None:
        self.running = asyncio.create_task(self.driver.run())

    async def stop(self) -> None:
        for task in (self.running, self.serving):
            task.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await task


@asynccontextmanager
async def badge_bench(
    converter: SimulatedConverter | None = None, **settings: object
) -> AsyncIterator[BadgeBench]:
    """A driver and a converter on one wire in memory."""
    near, far = MemoryLink.pair("converter")
    await far.open()
    bench = BadgeBench(converter or SimulatedConverter(), near, far, **settings)
    try:
        await bench.until(lambda: bool(bench.host.readies))
        yield bench
    finally:
        await bench.stop()
