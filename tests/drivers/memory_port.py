"""A port in memory: what a simulated device is plugged into, in skipped time."""

import asyncio

from drivers.links.memory_link import MemoryLink


class MemoryPort:
    """The far end of a wire in memory, to be pulled and put back."""

    def __init__(self) -> None:
        self.near, self.far = MemoryLink.pair("port")
        self._plugged = asyncio.Event()
        self._plugged.set()

    @property
    def plugged(self) -> bool:
        return self._plugged.is_set()

    def plug(self) -> None:
        self.far.plug()
        self._plugged.set()

    def unplug(self) -> None:
        self._plugged.clear()
        self.far.unplug()

    async def until_plugged(self) -> None:
        await self._plugged.wait()
        await self.far.open()

    async def send(self, data: bytes) -> None:
        await self.far.send(data)

    async def receive(self) -> bytes:
        return await self.far.receive()
