"""A room: bluetoothd on a bus, an adapter, wearables; and the radio under test, with short times."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bleak.backends.bluezdbus import manager

from drivers.links.ble_link import BleLink
from drivers.links.ble_radio import Radio, RadioSettings
from drivers.links.ble_scanner import ScannerSettings
from tests.ble.air import Air
from tests.ble.fake_adapter import FakeAdapter
from tests.ble.fake_bluez import BluezError, FakeBluez
from tests.ble.wearable import Wearable
from tests.drivers.bench import SLOW

FIRST = "F0:F1:F2:F3:F4:01"


class Room:
    """Who is in it, and the gateway's ears. Whose bluetoothd it is, its beds say."""

    def __init__(self) -> None:
        self.air = Air()
        self._links: list[BleLink] = []

    async def close(self) -> None:
        for link in self._links:
            await link.close()

    async def wearable(
        self,
        address: str = FIRST,
        name: str = "Band-01",
        *,
        uart: bool = True,
        acknowledges: bool = True,
        every_ms: int = 50,
    ) -> Wearable:
        band = Wearable(self.air, address, name, uart=uart, acknowledges=acknowledges, every_ms=every_ms)
        return await band.on()

    def radio(
        self,
        *,
        silent_s: float = 60.0,
        patience_s: float = 5.0,
        connect_s: float = 10.0,
        attempt_s: float = 5.0,
        most_connected: int = 5,
    ) -> Radio:
        """Short times, all of them longer on a slow machine."""
        scanner = ScannerSettings(
            silent_s=silent_s * SLOW, patience_s=patience_s * SLOW, settle_s=0.3 * SLOW, retry_s=0.05 * SLOW
        )
        return Radio(
            RadioSettings(
                scanner=scanner,
                connect_s=connect_s * SLOW,
                attempt_s=attempt_s * SLOW,
                most_connected=most_connected,
            )
        )

    def link(self, radio: Radio | None = None, address: str = FIRST) -> BleLink:
        link = BleLink(address, radio or self.radio())
        self._links.append(link)
        return link


class Bed(Room):
    def __init__(self) -> None:
        super().__init__()
        self.bluez = FakeBluez()
        self.adapter = FakeAdapter(self.bluez, self.air)

    async def sending_adapter(self) -> str:
        """One to advertise with: here an adapter hears itself."""
        return "hci0"

    async def settled(self) -> None:
        """After a start of bluetoothd: here it is ready at once."""

    async def stop_bluetoothd(self) -> None:
        """As systemd does: it takes its objects away first, then its name."""
        await self.adapter.unplug()
        await asyncio.sleep(0.1)
        await self.bluez.vanish()

    async def kill_bluetoothd(self) -> None:
        await self.bluez.vanish()
        await self.adapter.silence()

    async def start_bluetoothd(self) -> None:
        await self.bluez.start()
        self.adapter = FakeAdapter(self.bluez, self.air)
        await self.adapter.plug()

    def refuse(self, call: str, *errors: str) -> None:
        """Answer the next calls of this method with these errors, one each."""
        self.bluez.fail[call] += [
            BluezError(name, text or name) for name, _, text in (e.partition(":") for e in errors)
        ]


@asynccontextmanager
async def open_bed() -> AsyncIterator[Bed]:
    bed = Bed()
    await bed.bluez.start()
    await bed.adapter.plug()
    try:
        yield bed
    finally:
        await bed.close()
        await bed.adapter.silence()
        await bed.bluez.vanish()
        await close_bleak()


async def close_bleak() -> None:
    """bleak keeps one bus for each loop until the process ends; a test's loop ends before."""
    shared = manager._global_instances.pop(asyncio.get_running_loop(), None)
    if shared is not None and shared._bus is not None:
        shared._bus.disconnect()
        with suppress(OSError, EOFError):
            await shared._bus.wait_for_disconnect()
