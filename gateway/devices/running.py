"""The devices that run: each with its driver and its supervision. They may come and go while the gateway serves."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drivers.driver import Driver
from gateway.config import DeviceConfig
from gateway.supervisor import DeviceTask
from gateway.view import DeviceView

PLACES = ("port", "listen", "address")  # settings that say where a device is, for people


@dataclass(slots=True)
class _Running:
    configured: DeviceConfig
    task: DeviceTask
    driver: Driver
    at_work: list[asyncio.Task[None]] = field(default_factory=list)


class RunningDevices:
    """All devices of the gateway, by id, in the order in which they came."""

    def __init__(
        self,
        make: Callable[[DeviceConfig], DeviceTask],
        build: Callable[[DeviceConfig, DeviceTask | None], Driver],
        ended: Callable[[str], None] = lambda _device: None,
    ) -> None:
        """`make`: its supervision; `build`: its driver, which raises `ConfigError`, also for nobody (None).

        `ended`: told of one that was taken away.
        """
        self.drivers: dict[str, Driver] = {}  # follows every change
        self._make = make
        self._build = build
        self._ended = ended
        self._running: dict[str, _Running] = {}
        self._group: asyncio.TaskGroup | None = None

    def check(self, device: DeviceConfig) -> None:
        """Whether it can be served. Raises `ConfigError`."""
        self._build(device, None)

    def put(self, device: DeviceConfig) -> None:
        """Add it, and serve it where the others are served. Raises `ConfigError`, and nothing has changed."""
        driver_host = self._make(device)
        driver = self._build(device, driver_host)
        running = self._running[device.id] = _Running(device, driver_host, driver)
        self.drivers[device.id] = driver
        if self._group is not None:
            self._serve(running, self._group)

    def start(self, group: asyncio.TaskGroup) -> None:
        """Serve all of them, and those that come."""
        self._group = group
        for running in self._running.values():
            self._serve(running, group)

    async def take_away(self, device: str) -> None:
        """End its service. What it handed over is stored."""
        self.drivers.pop(device, None)
        running = self._running.pop(device)
        await _ended(running.at_work)
        self._ended(device)

    async def restart(self, device: str) -> bool:
        """Begin its service anew, as if it had been unplugged for a moment; False where there is none of this name."""
        running, group = self._running.get(device), self._group
        if running is None or group is None:
            return False
        await _ended(running.at_work)
        if (
            self._running.get(device) is running and self._group is group
        ):  # not taken away, not ended meanwhile
            self._serve(running, group)
        return True

    async def stop(self) -> None:
        """End the service of all; they stay known."""
        self._group = None
        await _ended([task for one in self._running.values() for task in one.at_work])

    def configured(self, device: str) -> DeviceConfig | None:
        """How a device is configured; None: there is none of this name."""
        running = self._running.get(device)
        return None if running is None else running.configured

    def all_configured(self) -> Sequence[DeviceConfig]:
        """All of them."""
        return [one.configured for one in self._running.values()]

    def views(self) -> Sequence[DeviceView]:
        """What is known of each now."""
        return [one.task.view for one in self._running.values()]

    def _serve(self, running: _Running, group: asyncio.TaskGroup) -> None:
        name = running.configured.id
        running.at_work = [
            group.create_task(running.task.serve(running.driver), name=f"device-{name}"),
            group.create_task(running.task.report(), name=f"report-{name}"),
        ]


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def where_of(device: DeviceConfig) -> str:
    """Where a device is, for people."""
    return str(next((device.settings[name] for name in PLACES if name in device.settings), ""))
