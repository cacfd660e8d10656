"""A wire in memory with two ends, both a `Link`: the driver holds one, the simulator or test the other.

Obeys the same rules as a serial port: bounded buffers (a full one makes `send` wait), unplugging wakes both
ends, what came before the loss is handed out first, and opening drops what waited.
"""

import asyncio
from dataclasses import dataclass, field

from drivers.errors import LinkLost, LinkUnavailable

BUFFER_LIMIT = 4096  # bytes under way in one direction


@dataclass(slots=True)
class _Wire:
    """What both ends share; index 0 is the near end, 1 the far end."""

    name: str
    plugged: bool = True
    opened: list[bool] = field(default_factory=lambda: [False, False])
    waiting: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def change(self) -> None:
        """Wake everybody who waits; each looks again at what it waits for."""
        self.changed.set()
        self.changed.clear()


class MemoryLink:
    """One end. `MemoryLink.pair()` makes two that belong together."""

    def __init__(self, wire: _Wire, side: int) -> None:
        self._wire = wire
        self._side = side
        self._incoming = wire.waiting[side]
        self._outgoing = wire.waiting[1 - side]

    @classmethod
    def pair(cls, name: str = "memory") -> tuple["MemoryLink", "MemoryLink"]:
        """Both ends of one wire: (near, far)."""
        wire = _Wire(name)
        return cls(wire, 0), cls(wire, 1)

    @property
    def name(self) -> str:
        """What the wire was called when it was made."""
        return self._wire.name

    @property
    def buffered(self) -> int:
        """Bytes received and not yet taken."""
        return len(self._incoming)

    def unplug(self) -> None:
        """Pull the wire: both ends see `LinkLost`."""
        self._wire.plugged = False
        self._wire.opened = [False, False]
        self._wire.change()

    def plug(self) -> None:
        """Put it back; each end may be opened again."""
        self._wire.plugged = True

    async def open(self) -> None:
        """Open this end; raises `LinkUnavailable` while unplugged."""
        if not self._wire.plugged:
            raise LinkUnavailable("absent", f"{self.name}: no such wire; plug it in")
        self._incoming.clear()
        self._wire.opened[self._side] = True
        self._wire.change()

    async def send(self, data: bytes) -> None:
        """Hand all of `data` to the other end; waits while that one is behind."""
        rest = bytes(data)
        while rest:
            self._raise_if_lost()
            room = BUFFER_LIMIT - len(self._outgoing)
            if room > 0:
                self._outgoing += rest[:room]
                rest = rest[room:]
                self._wire.change()
            else:
                await self._wire.changed.wait()

    async def receive(self) -> bytes:
        """At least one byte; what came before the wire was pulled is handed out before `LinkLost`."""
        while not self._incoming:
            self._raise_if_lost()
            await self._wire.changed.wait()
        data = bytes(self._incoming)
        self._incoming.clear()
        self._wire.change()
        return data

    async def close(self) -> None:
        """Close this end."""
        self._wire.opened[self._side] = False
        self._incoming.clear()
        self._wire.change()

    def _raise_if_lost(self) -> None:
        if not self._wire.plugged:
            raise LinkLost("unplugged", f"{self.name}: unplugged; plug it in again")
        if not self._wire.opened[self._side]:
            raise LinkLost("closed", f"{self.name}: not open")
