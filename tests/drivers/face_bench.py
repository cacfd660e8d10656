"""A face module's driver on a bench: its host, the simulated module, and what people were told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from drivers.errors import DriverError
from drivers.face_module import FaceModule
from drivers.face_settings import FaceSettings
from drivers.factors import Enrolment, Identified, Step
from drivers.links.link import Link
from drivers.links.memory_link import MemoryLink
from drivers.simulators.face import SimulatedFaceModule
from drivers.simulators.wire import Wire
from tests.drivers.bench import DEADLINE_S, RecordingHost, until


class FaceBench:
    def __init__(self, near: Link, far: Wire, module: SimulatedFaceModule, **settings: object) -> None:
        table = {"port": "/dev/serial/by-id/usb-Test", **settings}
        self.host = RecordingHost()
        self.module = module
        self.far = far
        self.driver = FaceModule("face-1", FaceSettings.parse("face-1", table), self.host, near)
        self.steps: list[Step] = []
        self.step_times: list[float] = []
        self.serving = asyncio.create_task(module.serve(far))
        self.running = asyncio.create_task(self.driver.run())

    def guide(self, step: Step) -> None:
        self.steps.append(step)
        self.step_times.append(asyncio.get_running_loop().time())

    async def identify(self, timeout_s: float = 10) -> Identified:
        return await self.driver.identify(timeout_s=timeout_s, guide=self.guide)

    async def enrol(self, slot: int | None = None, timeout_s: float = 50) -> Enrolment:
        return await self.driver.enrol(slot=slot, timeout_s=timeout_s, guide=self.guide)

    async def until(self, true: Callable[[], bool]) -> None:
        await until(lambda: true() or self.running.done())
        if not true():
            await self.running

    async def until_ready(self, times: int = 1) -> None:
        await self.until(lambda: len(self.host.readies) >= times)
        await asyncio.sleep(0)

    async def end(self) -> DriverError:
        async with asyncio.timeout(4 * DEADLINE_S):
            await asyncio.wait([self.running])
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
async def face_bench(
    module: SimulatedFaceModule | None = None, **settings: object
) -> AsyncIterator[FaceBench]:
    """On a wire in memory, ready to be asked."""
    near, far = MemoryLink.pair("module")
    await far.open()
    bench = FaceBench(near, far, module or SimulatedFaceModule(), **settings)
    try:
        await bench.until_ready()
        yield bench
    finally:
        await bench.stop()
