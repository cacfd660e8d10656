"""The one face of every way to reach a device."""

from typing import Protocol


class Link(Protocol):
    """A byte pipe to a device. One reader, one writer. May be opened again after `close`."""

    @property
    def name(self) -> str:
        """What a technician calls it: the port path or address."""
        ...

    async def open(self) -> None:
        """Open; raises `LinkUnavailable` with cause and remedy. Never blocks the loop."""
        ...

    async def send(self, data: bytes) -> None:
        """Write all of `data`; raises `LinkLost`."""
        ...

    async def receive(self) -> bytes:
        """At least one byte, as soon as there is one; raises `LinkLost`. Cancellation loses no byte."""
        ...

    async def close(self) -> None:
        """Close; harmless when closed already. Never raises."""
        ...
