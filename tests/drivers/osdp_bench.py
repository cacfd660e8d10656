"""An OSDP driver on a bench: its host and the simulated reader."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from drivers.aes import aes
from drivers.errors import DriverError
from drivers.links.link import Link
from drivers.links.memory_link import MemoryLink
from drivers.links.shared_line import Place, SharedLine
from drivers.osdp_reader import OsdpReader
from drivers.osdp_settings import OsdpSettings
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.wire import Wire
from tests.drivers.bench import DEADLINE_S, RecordingHost, until

SCBK = bytes(range(0x10, 0x20))
CARD = "1" + "0110" * 6 + "0"


def secured(**options: object) -> SimulatedOsdpReader:
    """A reader that insists on a secure channel."""
    return SimulatedOsdpReader(scbk=SCBK, aes=aes, **options)  # type: ignore[arg-type]  # its own options


def place_at(near: Link, settings: OsdpSettings | None = None) -> Place:
    """The only place on a line of its own."""
    return Place(near.name, (settings or osdp_settings()).address, line=SharedLine(lambda _settings: near))


class OsdpBench:
    def __init__(self, reader: SimulatedOsdpReader, near: Link, far: Wire, settings: OsdpSettings) -> None:
        self.host = RecordingHost()
        self.reader = reader
        self.far = far
        self.driver = OsdpReader("door-1", settings, self.host, place_at(near, settings))
        self.running: asyncio.Task[None] = asyncio.create_task(self.driver.run())
        self.serving: asyncio.Task[None] = asyncio.create_task(reader.serve(far))

    async def until(self, true: Callable[[], bool]) -> None:
        await until(lambda: true() or self.running.done())
        if not true():
            await self.running

    async def until_ready(self, times: int = 1) -> None:
        await self.until(lambda: len(self.host.readies) >= times)

    async def end(self) -> DriverError:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([self.running])
        error = self.running.exception()
        assert isinstance(error, DriverError)
        return error

    async def until_read(self, times: int = 1) -> None:
        await self.until(lambda: len(self.host.events) >= times)

    def restart(self) -> None:
        self.running = asyncio.create_task(self.driver.run())

    async def stop(self) -> None:
        for task in (self.running, self.serving):
            task.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await task


def osdp_settings(
    scbk: bytes | None = SCBK, *, baud: int = 9600, address: int = 0, held_ms: int = 2000
) -> OsdpSettings:
    return OsdpSettings(
        port="/dev/serial/by-id/usb-Test", baud=baud, address=address, scbk=scbk, held_ms=held_ms
    )


@asynccontextmanager
async def osdp_bench(
    reader: SimulatedOsdpReader | None = None, *, settings: OsdpSettings | None = None, ready: bool = True
) -> AsyncIterator[OsdpBench]:
    """A driver and a reader on one wire in memory."""
    near, far = MemoryLink.pair("reader")
    await far.open()
    bench = OsdpBench(reader or secured(), near, far, settings or osdp_settings())
    try:
        if ready:
            await bench.until_ready()
        yield bench
    finally:
        await bench.stop()
