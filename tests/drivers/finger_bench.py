"""A fingerprint driver on a bench: its host, the simulated module, and a hand that does what it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from drivers.errors import DriverError
from drivers.factors import FactorDevice, Step
from drivers.fingerprint_reader import FingerprintReader, FingerprintSettings
from drivers.links.link import Link
from drivers.links.memory_link import MemoryLink
from drivers.simulators.fingerprint import Finger, SimulatedModule
from drivers.simulators.wire import Wire
from firmware_protocols.zfm.family import Family
from tests.drivers.bench import DEADLINE_S, RecordingHost, until

LI, WANG = Finger("Li"), Finger("Wang")


class Hand:
    """Presses the fingers of a list one after the other, when it is asked to."""

    def __init__(self, module: SimulatedModule, *fingers: Finger) -> None:
        self.module = module
        self.fingers = list(fingers)
        self.told: list[str] = []

    def __call__(self, step: Step) -> None:
        self.told.append(str(step))
        if step is Step.LIFT:
            self.module.lift()
        elif self.fingers:
            self.module.press(self.fingers.pop(0))


class FingerBench:
    def __init__(self, module: SimulatedModule, near: Link, far: Wire, **settings: object) -> None:
        self.host = RecordingHost()
        self.module = module
        self.far = far
        self.driver = FingerprintReader(
            "finger-1", finger_settings(module.family, **settings), self.host, near
        )
        self.device: FactorDevice = self.driver
        self.running: asyncio.Task[None] = asyncio.create_task(self.driver.run())
        self.serving: asyncio.Task[None] = asyncio.create_task(module.serve(far))

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

    def restart(self) -> None:
        self.running = asyncio.create_task(self.driver.run())

    async def change(self, module: SimulatedModule) -> None:
        """Put another module on the same wire."""
        self.serving.cancel()
        await asyncio.wait([self.serving])
        self.module = module
        self.serving = asyncio.create_task(module.serve(self.far))

    async def stop(self) -> None:
        for task in (self.running, self.serving):
            task.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await task


def finger_settings(of: Family, **settings: object) -> FingerprintSettings:
    table = {"port": "/dev/serial/by-id/usb-Test", "family": str(of), **settings}
    return FingerprintSettings.parse("finger-1", table)


@asynccontextmanager
async def finger_bench(
    module: SimulatedModule | None = None, *, ready: bool = True, **settings: object
) -> AsyncIterator[FingerBench]:
    """A driver and a module on one wire in memory."""
    near, far = MemoryLink.pair("module")
    await far.open()
    bench = FingerBench(module or SimulatedModule(), near, far, **settings)
    try:
        if ready:
            await bench.until_ready()
        yield bench
    finally:
        await bench.stop()
