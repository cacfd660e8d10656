"""Which device stands at which kiosk, now. What is handed out here follows every change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from drivers.driver import Driver
from drivers.factors import FactorDevice
from drivers.terminals import Terminal
from gateway.config import KioskConfig

DriverT = TypeVar("DriverT")


class Chosen(Mapping[str, DriverT]):
    """Those drivers that a condition names, whatever comes and goes."""

    def __init__(self, drivers: Mapping[str, Driver], wanted: Callable[[str, Driver], bool]) -> None:
        self._drivers = drivers
        self._wanted = wanted

    def __getitem__(self, device: str) -> DriverT:
        """The driver; `KeyError` also where it is another kind of device, or stands elsewhere."""
        driver = self._drivers[device]
        if not self._wanted(device, driver):
            raise KeyError(device)
        return cast("DriverT", driver)

    def __iter__(self) -> Iterator[str]:
        """Their names as of now: what changes meanwhile disturbs nobody."""
        return iter([name for name, driver in self._drivers.items() if self._wanted(name, driver)])

    def __len__(self) -> int:
        """How many there are now."""
        return sum(1 for _ in self)


class Places:
    """The kiosks of the configuration, and the devices that stand at each."""

    def __init__(self, kiosks: Sequence[KioskConfig], drivers: Mapping[str, Driver]) -> None:
        """`drivers`: of all devices by id; those who change it call `move`."""
        self._kiosks = {one.id: one for one in kiosks}
        self._at = {one.id: list(one.devices) for one in kiosks}
        self._drivers = drivers

    def kiosks(self) -> list[KioskConfig]:
        """All of them as they are now."""
        return [self.kiosk(name) for name in self._kiosks]

    def kiosk(self, name: str) -> KioskConfig:
        """One of them."""
        return replace(self._kiosks[name], devices=tuple(self._at[name]))

    def at(self, kiosk: str) -> Sequence[str]:
        """The devices that stand there; the list itself, which follows every change."""
        return self._at[kiosk]

    def kiosk_of(self, device: str) -> str | None:
        """Where a device stands; None: at no kiosk."""
        return next((name for name, devices in self._at.items() if device in devices), None)

    def move(self, device: str, kiosk: str | None) -> None:
        """It stands there from now on."""
        for devices in self._at.values():
            if device in devices:
                devices.remove(device)
        if kiosk is not None:
            self._at[kiosk].append(device)

    def modules(self) -> Mapping[str, FactorDevice]:
        """All fingerprint and face modules."""
        return Chosen(self._drivers, lambda _name, driver: isinstance(driver, FactorDevice))

    def terminals(self) -> Mapping[str, Terminal]:
        """All attendance terminals."""
        return Chosen(self._drivers, lambda _name, driver: isinstance(driver, Terminal))

    def modules_at(self, kiosk: str) -> Mapping[str, FactorDevice]:
        """Those that stand at one kiosk."""
        at = self._at[kiosk]
        return Chosen(self._drivers, lambda name, driver: name in at and isinstance(driver, FactorDevice))
