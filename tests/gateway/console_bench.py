"""A technician's console over two devices and two kiosks, with drivers that only wait. Nothing is stored."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from drivers.driver import Driver
from drivers.errors import SettingsError
from drivers.probing import Answer, Finding, Question
from gateway.checkin.kiosks import Kiosks
from gateway.checkin.modules import Modules
from gateway.config import DeviceConfig, KioskConfig
from gateway.config.added import Added
from gateway.devices.console import Console
from gateway.devices.places import Places
from gateway.devices.running import RunningDevices, where_of
from gateway.devices.search import SearchView
from gateway.errors import ConfigError, StoreRefused
from gateway.ingest.facts import Fact
from gateway.view import DeviceView

READER = DeviceConfig(id="idcard-1", kind="idcard.sam", settings={"port": "/dev/a", "baud": 115200})
TERMINAL = DeviceConfig(id="terminal-1", kind="terminal.zk_adms", settings={"serial": "Z1"})
KIOSKS = (
    KioskConfig(id="kiosk-1", devices=("idcard-1",)),
    KioskConfig(id="kiosk-2", devices=("terminal-1",), terminal=True),
)
FOUND = Answer(Question("idcard.sam", {"baud": 115200}), sure=True, model="SAM", serial="S-2")
UNSURE = Answer(Question("finger.zfm", {"family": "grow"}), sure=False)


class Waiting:
    """A driver that waits, and knows whether it is asked to."""

    def __init__(self) -> None:
        self.running = 0

    async def run(self) -> None:
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1


class Task:
    """As `DeviceTask`, as far as it is needed."""

    def __init__(self, device: DeviceConfig) -> None:
        self.view = DeviceView(
            id=device.id, kind=device.kind, state="online", since_ms=0, port=where_of(device)
        )

    async def serve(self, driver: Waiting) -> None:
        await driver.run()

    async def report(self) -> None:
        await asyncio.Event().wait()


class Records:
    """Where facts go."""

    def __init__(self) -> None:
        self.facts: list[Mapping[str, Any]] = []
        self.notes: dict[str, str | None] = {}
        self.full = False

    async def store(
        self, facts: Sequence[Fact], device: str, *, notes: Mapping[str, str | None] | None = None
    ) -> object:
        assert device == "gateway"
        await asyncio.sleep(0.01)  # a disk takes its time
        if self.full:
            raise StoreRefused("store_full", "the disk is full")
        self.facts += [{"type": one.type, **one.data} for one in facts]
        self.notes.update(notes or {})
        return None


class Cleared:
    """Alarms that end with a device."""

    def __init__(self) -> None:
        self.cleared: list[tuple[str, str]] = []

    async def clear(self, kind: str, about: str) -> None:
        self.cleared.append((kind, about))


class ConsoleBench:
    """The console and what it changes."""

    def __init__(
        self, folder: Path, added: Mapping[str, Added] | None = None, *, terminals_come: bool = False
    ) -> None:
        self.records, self.alarms, self.built = Records(), Cleared(), list[Waiting]()
        anything: Any = None
        self.running = RunningDevices(cast("Any", Task), self._build)
        for device in (READER, TERMINAL):
            self.running.put(device)
        self.places = Places(KIOSKS, self.running.drivers)
        self.kiosks = Kiosks(
            self.places,
            directory=lambda _kiosk: anything,
            recorder=anything,
            new_id=str,
            changed=lambda: None,
            stamp=anything,
            zone=anything,
        )
        modules = Modules(
            self.places.modules(), self.running.views, anything, clock=anything, changed=lambda: None
        )
        self.file = folder / "devices.toml"
        self.modules = modules
        self.console = Console(
            self.running,
            self.places,
            self.kiosks,
            modules,
            added=added or {},
            file=self.file,
            store=folder / "events.db",
            records=self.records,
            alarms=cast("Any", self.alarms),
            gateway="gw-370102-01",
            now_ms=lambda: 1_795_000_000_000,
            changed=lambda: None,
            terminals_come=terminals_come,
        )

    def _build(self, device: DeviceConfig, task: object) -> Driver:
        if device.settings.get("baud") == 1:
            raise ConfigError("out_of_range", str(SettingsError("out_of_range", "'baud'")))
        driver = Waiting()
        if task is not None:
            self.built.append(driver)
        return driver

    def find(self, port: str, *answers: Answer) -> None:
        """A search has found this."""
        view = self.console.search.view
        self.console.search.view = SearchView(began_ms=1, findings=[*view.findings, Finding(port, answers)])
