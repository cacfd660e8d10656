"""What the gateway's supervisor knows of a driver."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Protocol

from drivers.events import DeviceEvent, DeviceReady
from drivers.listening import Listened
from drivers.terminals import Record
from firmware_protocols.tracking import TrackerReport


class Host(Protocol):
    """What a driver may tell the gateway. Implemented by the supervisor; by a list in tests."""

    async def committed(self, events: Sequence[DeviceEvent]) -> None:
        """Hand over events; returns when they are on disk. Only then may the device be confirmed anything.

        Raises `EventsRefused` when they could not be stored: the device must not be confirmed.
        """
        ...

    async def recorded(self, records: Sequence[Record]) -> None:
        """Hand over records out of a terminal's own memory; returns when they are on disk, now or since earlier.

        Raises `EventsRefused` when they could not be stored: the terminal must send them again.
        """
        ...

    async def heard(self, reports: Sequence[TrackerReport]) -> None:
        """Hand over what wearables said; returns when what is kept of it is on disk.

        Raises `EventsRefused` when it could not be stored: the wearable must not be answered.
        """
        ...

    def beacons(self) -> Collection[str]:
        """Beacons that somebody is bound to now, as `drivers.beacons` calls them. Of others nothing is told."""
        ...

    async def listened(self, what: Listened) -> None:
        """Hand over what listening for them came to; what follows of it is on disk when it returns.

        What the disk does not take is due again at the next handing over.
        """
        ...

    def ready(self, info: DeviceReady) -> None:
        """The device answered; called once per opened link, before its first event."""
        ...

    def noise(self, reason: str, length: int) -> None:
        """Bytes that nobody could use: noise, damaged frames, frames not asked for. Counted per device and reason."""
        ...


class EventsRefused(Exception):  # noqa: N818 - named for the condition
    """The gateway could not store the events (disk full, read-only). Nothing was counted."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Driver(Protocol):
    """One device. Built by the registry from its configuration."""

    def run(self) -> Awaitable[None]:
        """Open the link and serve the device until it is lost; raises a `DriverError`. Closes the link."""
        ...


Settings = Mapping[str, object]
