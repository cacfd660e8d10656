"""A wearable as Bumble plays it: advertises, has a battery and the Nordic UART service."""

from collections.abc import Iterable
from typing import Self

from bumble import att, data_types
from bumble.core import UUID, AdvertisingData
from bumble.gatt import Characteristic, CharacteristicValue, Service

from drivers.links.ble_link import UART_FROM_DEVICE, UART_SERVICE, UART_TO_DEVICE
from tests.ble.air import Air

BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
BROKEN = "0000a005-0000-1000-8000-00805f9b34fb"  # answers every read with ATT error 0x80
COMPANY = 0x0B1E

_CAN = Characteristic.Properties
_MAY = Characteristic.Permissions


def _refuse(_: object) -> bytes:
    raise att.ATT_Error(0x80)


class Wearable:
    def __init__(
        self, air: Air, address: str, name: str, *, uart: bool, acknowledges: bool, every_ms: int
    ) -> None:
        self._air = air
        self.address = address
        self.device = air.peripheral(name, address, every_ms=every_ms)
        self.written: list[bytes] = []
        self.battery = Characteristic(BATTERY, _CAN.READ | _CAN.NOTIFY, _MAY.READABLE, b"\x5a")
        broken = Characteristic(BROKEN, _CAN.READ, _MAY.READABLE, CharacteristicValue(read=_refuse))
        self._from_device = Characteristic(UART_FROM_DEVICE, _CAN.NOTIFY, _MAY.READABLE, b"")
        to_device = Characteristic(
            UART_TO_DEVICE,
            (_CAN.WRITE if acknowledges else 0) | _CAN.WRITE_WITHOUT_RESPONSE,
            _MAY.WRITEABLE,
            CharacteristicValue(write=lambda _, value: self.written.append(bytes(value))),
        )
        self.device.add_service(Service(UUID("180F"), [self.battery, broken]))
        if uart:
            self.device.add_service(Service(UART_SERVICE, [self._from_device, to_device]))
        self.device.advertising_data = bytes(
            AdvertisingData(
                [
                    data_types.CompleteLocalName(name),
                    data_types.ManufacturerSpecificData(COMPANY, b"\x01\x02\x03"),
                    data_types.IncompleteListOf16BitServiceUUIDs([UUID("180F")]),
                ]
            )
        )

    async def on(self) -> Self:
        await self.device.power_on()
        await self.device.start_advertising(auto_restart=True)
        return self

    async def say(self, packets: Iterable[bytes]) -> None:
        """Over the UART, one notification each."""
        for packet in packets:
            await self.device.notify_subscribers(self._from_device, packet)

    async def tell_battery(self, percent: int) -> None:
        await self.device.notify_subscribers(self.battery, bytes([percent]))

    async def hang_up(self) -> None:
        for connection in list(self.device.connections.values()):
            await connection.disconnect()

    def walk_away(self) -> None:
        self._air.walk_away(self.device)

    def time_out(self) -> None:
        self._air.time_out(self.device)

    def come_back(self) -> None:
        self._air.come_back(self.device)

    @property
    def connected(self) -> bool:
        return bool(self.device.connections)
