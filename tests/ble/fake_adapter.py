"""An adapter of the fake bluetoothd: it scans with a Bumble host and tells what it hears as objects on the bus."""

from typing import Any

from bumble import data_types
from bumble.core import UUID, AdvertisingData
from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from dbus_fast import Message, Variant

from tests.ble.air import Air, HostController
from tests.ble.fake_bluez import ADAPTER, BluezError, FakeBluez, Reply
from tests.ble.fake_device import DEVICE, FakeDevice


class FakeAdapter:
    def __init__(self, bluez: FakeBluez, air: Air, name: str = "hci0") -> None:
        self.bluez = bluez
        self.path = f"/org/bluez/{name}"
        self.powered = True
        self.deaf = False  # the controller hangs: scanning "works", and nothing comes
        self.devices: dict[str, FakeDevice] = {}
        self._scans: set[str] = set()  # clients that have one
        self._air = air
        self._sent: dict[tuple[str, str], Device] = {}  # advertisements, by client and path
        self._begun = 0  # advertisements so far: Linux gives each an address of its own, time and again
        self._scanning = False
        controller = HostController(name, link=air)
        config = DeviceConfiguration(name=name, address=Address("C0:00:00:00:00:10"))
        self.host = Device.from_config_with_hci(config, controller, controller)
        self.host.on("advertisement", self._on_advertisement)

    async def plug(self) -> None:
        await self.host.power_on()
        self.bluez.add(
            self.path,
            {
                ADAPTER: {
                    "Address": Variant("s", "C0:00:00:00:00:10"),
                    "Powered": Variant("b", self.powered),
                    "Discovering": Variant("b", False),  # noqa: FBT003 - the value of a D-Bus type
                    "Roles": Variant("as", ["central", "peripheral"]),
                },
                "org.bluez.LEAdvertisingManager1": {},
            },
            self,
        )

    async def silence(self) -> None:
        """Stop and hang up without telling anybody on the bus."""
        self._scans.clear()
        await self._scan_as_wanted()
        for device in list(self.devices.values()):
            await device.hang_up()
            device.cancel_expiry()

    async def unplug(self) -> None:
        await self.silence()
        for device in list(self.devices.values()):
            device.forget()
        self.bluez.remove(self.path)

    async def power(self, *, on: bool) -> None:
        self.powered = on
        if not on:
            await self.silence()
        self.bluez.set(self.path, ADAPTER, {"Powered": Variant("b", on)})

    def client_gone(self, client: str) -> None:
        if client in self._scans:
            self._scans.discard(client)
            self.bluez.spawn(self._scan_as_wanted())
        for key in [key for key in self._sent if key[0] == client]:
            self.bluez.spawn(self._send_no_more(key))

    async def call(self, message: Message) -> Reply:
        client = message.sender or ""
        match message.member:
            case "SetDiscoveryFilter":
                pass
            case "StartDiscovery":
                self._must_be_on()
                if client in self._scans:
                    raise BluezError("InProgress", "Operation already in progress")
                self._scans.add(client)
                await self._scan_as_wanted()
            case "StopDiscovery":
                self._must_be_on()
                if client not in self._scans:
                    raise BluezError("Failed", "No discovery started")
                self._scans.discard(client)
                for device in self.devices.values():
                    self.bluez.set(device.path, DEVICE, {}, ("RSSI",))
                await self._scan_as_wanted()
            case "RegisterAdvertisement":
                self._must_be_on()
                await self._send((client, message.body[0]))
            case "UnregisterAdvertisement":
                if (client, message.body[0]) not in self._sent:
                    raise BluezError("DoesNotExist", "Does Not Exist")
                await self._send_no_more((client, message.body[0]))
            case _:
                raise BluezError("org.freedesktop.DBus.Error.UnknownMethod", str(message.member))
        return None

    async def _send(self, key: tuple[str, str]) -> None:
        if key in self._sent:
            raise BluezError("AlreadyExists", "Already Exists")
        told = await self.bluez.ask(*key, "org.bluez.LEAdvertisement1")
        if told["Type"].value != "broadcast":
            raise BluezError("InvalidArguments", "not what is tried here")
        parts: list[Any] = [
            data_types.ManufacturerSpecificData(number, bytes(data.value))
            for number, data in told["ManufacturerData"].value.items()
        ]
        parts += [
            data_types.ServiceData16BitUUID(UUID(uuid[4:8]), bytes(data.value))
            for uuid, data in told["ServiceData"].value.items()
        ]
        device = self._air.peripheral("", f"C0:00:00:00:01:{self._begun:02X}", every_ms=50)
        device.advertising_data = bytes(AdvertisingData(parts))
        if len(device.advertising_data) > 31:
            raise BluezError("InvalidLength", "Advertising data too long")
        self._sent[key] = device
        self._begun += 1
        await device.power_on()
        await device.start_advertising(auto_restart=True)

    async def _send_no_more(self, key: tuple[str, str]) -> None:
        await self._sent.pop(key).stop_advertising()

    def _must_be_on(self) -> None:
        if not self.powered:
            raise BluezError("NotReady", "Resource Not Ready")

    async def _scan_as_wanted(self) -> None:
        wanted = self.powered and bool(self._scans)
        if wanted == self._scanning:
            return
        self._scanning = wanted
        if wanted:
            await self.host.start_scanning(filter_duplicates=False)
        else:
            await self.host.stop_scanning()

    def _on_advertisement(self, advertisement: Any) -> None:
        if self.deaf or not self._scans:
            return
        address = advertisement.address.to_string(with_type_qualifier=False)
        device = self.devices.get(address)
        if device is None:
            device = self.devices[address] = FakeDevice(self.bluez, self, advertisement.address)
        device.heard(advertisement.data_bytes, advertisement.rssi)
