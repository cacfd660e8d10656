"""What a simulated device needs of its wire, and bytes at the pace of a real line."""

import asyncio
from typing import Protocol

BITS_PER_BYTE = 10  # start, eight data bits, stop
BURST_S = 0.004  # a USB adapter hands over what came in a few milliseconds, not byte by byte


class Wire(Protocol):
    """The far end of a link. `MemoryLink` and `PtyHost` are wires."""

    async def send(self, data: bytes) -> None:
        """Write all of `data`; raises `LinkLost` when the wire is pulled."""
        ...

    async def receive(self) -> bytes:
        """At least one byte; raises `LinkLost` when the wire is pulled."""
        ...

    def unplug(self) -> None:
        """Pull the wire."""
        ...


class Port(Wire, Protocol):
    """A wire that can be pulled and put back. `PtyHost` and `Call` are ports."""

    @property
    def plugged(self) -> bool:
        """Whether it is there."""
        ...

    def plug(self) -> None:
        """Put it back; harmless when it is there."""
        ...

    async def until_plugged(self) -> None:
        """Return when a device can be played on it."""
        ...


class FarEnd(Protocol):
    """A simulated device."""

    async def serve(self, wire: Wire) -> None:
        """Answer until the wire is pulled."""
        ...


async def serve_port(device: FarEnd, port: Port) -> None:
    """Play it on a port whenever that is plugged in."""
    while True:
        await port.until_plugged()
        await device.serve(port)


async def send_at(wire: Wire, data: bytes, baud: int) -> None:
    """Send `data` no faster than a line of `baud` carries it."""
    loop = asyncio.get_running_loop()
    burst = max(1, int(baud * BURST_S) // BITS_PER_BYTE)
    due = loop.time()
    for start in range(0, len(data), burst):
        part = data[start : start + burst]
        await wire.send(part)
        due += len(part) * BITS_PER_BYTE / baud
        await asyncio.sleep(max(0.0, due - loop.time()))


async def emit(wire: Wire, data: bytes, baud: int | None) -> None:
    """Send `data` at the pace of a line of `baud`, or as fast as the wire takes it; nothing where there is none."""
    if not data:
        return
    if baud is None:
        await wire.send(data)
    else:
        await send_at(wire, data, baud)
