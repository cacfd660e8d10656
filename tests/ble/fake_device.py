"""A device of the fake bluetoothd: heard, connected with a Bumble host, its characteristics as objects on the bus."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from bumble.core import UUID, BaseBumbleError, PhysicalTransport
from bumble.device import Connection, Device, Peer
from bumble.hci import Address
from dbus_fast import Message, Variant

from tests.ble.fake_bluez import BluezError, FakeBluez, Reply

DEVICE = "org.bluez.Device1"
SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
TEMPORARY_S = 30.0  # bluetoothd forgets a device that was not heard for so long

_FLAGS = {0x02: "read", 0x04: "write-without-response", 0x08: "write", 0x10: "notify", 0x20: "indicate"}
_UUID_SIZES = {0x02: 2, 0x03: 2, 0x06: 16, 0x07: 16}
T = TypeVar("T")


def long_uuid(uuid: UUID) -> str:
    raw = uuid.to_bytes()
    return uuid128(raw)


def uuid128(raw: bytes) -> str:
    if len(raw) == 16:
        text = raw[::-1].hex()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    return f"{int.from_bytes(raw, 'little'):08x}-0000-1000-8000-00805f9b34fb"


def properties_of(advertisement: bytes) -> dict[str, Variant]:
    """Advertising structures as Device1 has them."""
    found: dict[str, Variant] = {}
    uuids: list[str] = []
    at = 0
    while at + 1 < len(advertisement) and advertisement[at]:
        size, kind = advertisement[at], advertisement[at + 1]
        value = advertisement[at + 2 : at + 1 + size]
        at += size + 1
        if kind in _UUID_SIZES:
            width = _UUID_SIZES[kind]
            uuids += [uuid128(value[k : k + width]) for k in range(0, len(value) - width + 1, width)]
        elif kind in {0x08, 0x09}:
            found["Name"] = Variant("s", value.decode("utf-8", "replace"))
        elif kind == 0x16:
            found["ServiceData"] = Variant("a{sv}", {uuid128(value[:2]): Variant("ay", bytes(value[2:]))})
        elif kind == 0xFF:
            company = int.from_bytes(value[:2], "little")
            found["ManufacturerData"] = Variant("a{qv}", {company: Variant("ay", bytes(value[2:]))})
    if uuids:
        found["UUIDs"] = Variant("as", sorted(uuids))
    return found


class Adapter(Protocol):
    """What a device knows of its adapter."""

    path: str
    powered: bool
    host: Device
    devices: dict[str, "FakeDevice"]


class FakeDevice:
    def __init__(self, bluez: FakeBluez, adapter: Adapter, address: Address) -> None:
        self.bluez = bluez
        self.adapter = adapter
        self._address = address
        self._name = address.to_string(with_type_qualifier=False)
        self.path = f"{adapter.path}/dev_{self._name.replace(':', '_')}"
        self.peer: Peer | None = None
        self._connection: Connection | None = None
        self._connecting = False
        self._characteristics: dict[str, FakeCharacteristic] = {}
        self._down: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._expiry: asyncio.TimerHandle | None = None

    # -- heard ------------------------------------------------------------------------------------------

    def heard(self, advertisement: bytes, rssi: int) -> None:
        told = properties_of(advertisement) | {"RSSI": Variant("n", rssi)}
        known = self.bluez.objects.get(self.path)
        if known is None:
            fresh = {
                "Address": Variant("s", self._name),
                "AddressType": Variant("s", "random"),
                "Alias": told.get("Name", Variant("s", self._name.replace(":", "-"))),
                "Paired": _bool(value=False),
                "Connected": _bool(value=False),
                "ServicesResolved": _bool(value=False),
                "UUIDs": Variant("as", []),
                "Adapter": Variant("o", self.adapter.path),
            }
            self.bluez.add(self.path, {DEVICE: fresh | told}, self)
        else:
            # Each report is told, for its strength, even where nothing else has changed.
            before = known[DEVICE]
            changed = {k: v for k, v in told.items() if k == "RSSI" or before.get(k) != v}
            self.bluez.set(self.path, DEVICE, changed)
        self._expire_later()

    def _expire_later(self) -> None:
        self.cancel_expiry()
        self._expiry = asyncio.get_running_loop().call_later(TEMPORARY_S, self._expired)

    def cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()

    def _expired(self) -> None:
        if self._connection is None:
            self.forget()

    def forget(self) -> None:
        self.cancel_expiry()
        self._drop_services()
        self.bluez.remove(self.path)
        self.adapter.devices.pop(self._name, None)

    # -- connected --------------------------------------------------------------------------------------

    async def call(self, message: Message) -> Reply:
        if message.interface == CHARACTERISTIC:
            return await self._characteristics[message.path or ""].call(message)
        match message.member:
            case "Connect":
                await self._connect()
            case "Disconnect":
                if self._connecting:  # it ends the attempt
                    await self.adapter.host.cancel_connection()
                elif self._connection is None:
                    raise BluezError("NotConnected", "Not Connected")
                else:
                    await self.hang_up()
            case _:
                raise BluezError("org.freedesktop.DBus.Error.UnknownMethod", str(message.member))
        return None

    async def hang_up(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect()

    def client_gone(self, client: str) -> None:
        for characteristic in self._characteristics.values():
            characteristic.notified.discard(client)

    async def _connect(self) -> None:
        if not self.adapter.powered:
            raise BluezError("NotReady", "Resource Not Ready")
        if any(device._connecting for device in self.adapter.devices.values()):
            raise BluezError("InProgress", "Operation already in progress")
        self._connecting = True
        try:
            connection = await self.adapter.host.connect(
                self._address, transport=PhysicalTransport.LE, timeout=20
            )
        except (BaseBumbleError, TimeoutError) as exc:
            raise BluezError("Failed", "le-connection-abort-by-local") from exc
        finally:
            self._connecting = False
        self._connection = connection
        self.peer = Peer(connection)
        self._down = asyncio.get_running_loop().create_future()
        connection.on("disconnection", self._on_disconnected)
        self._tell(Connected=True)
        self.bluez.spawn(self._discover(self.peer))

    async def _discover(self, peer: Peer) -> None:
        try:
            mtu = await peer.request_mtu(517)
            services = await peer.discover_services()
            for service in services:
                await service.discover_characteristics()
        except (BaseBumbleError, TimeoutError, asyncio.CancelledError):  # the link was lost meanwhile
            return
        self._drop_services()
        for service in services:
            if long_uuid(service.uuid).startswith("00001800-"):  # bluetoothd keeps GAP for itself
                continue
            path = f"{self.path}/service{service.handle:04x}"
            uuid = Variant("s", long_uuid(service.uuid))
            about = {"UUID": uuid, "Device": Variant("o", self.path), "Primary": _bool(value=True)}
            self.bluez.add(path, {SERVICE: about}, self)
            for proxy in service.characteristics:
                one = FakeCharacteristic(self, path, proxy, mtu)
                self._characteristics[one.path] = one
        uuids = Variant("as", sorted(long_uuid(service.uuid) for service in services))
        self.bluez.set(self.path, DEVICE, {"UUIDs": uuids, "ServicesResolved": _bool(value=True)})

    async def unless_down(self, work: Coroutine[Any, Any, T]) -> T:
        """The result, but an error at once when the link is lost."""
        task = asyncio.ensure_future(work)
        both: set[asyncio.Future[Any]] = {task, self._down}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() or task.cancelled():  # Bumble cancels what it was asked when the link is lost
            task.cancel()
            raise BluezError("Failed", "Operation failed with ATT error: 0x0e (fake: link down)")
        return task.result()

    def _on_disconnected(self, _: int) -> None:
        self._connection = self.peer = None
        if not self._down.done():
            self._down.set_result(None)
        for characteristic in self._characteristics.values():
            characteristic.notified.clear()
            characteristic.subscribed = False
        self._tell(ServicesResolved=False)
        self._tell(Connected=False)
        self._expire_later()

    def _drop_services(self) -> None:
        for path in sorted((p for p in self.bluez.objects if p.startswith(f"{self.path}/")), reverse=True):
            self.bluez.remove(path)
        self._characteristics.clear()

    def _tell(self, **states: bool) -> None:
        self.bluez.set(self.path, DEVICE, {name: _bool(value=state) for name, state in states.items()})


class FakeCharacteristic:
    def __init__(self, device: FakeDevice, service_path: str, proxy: Any, mtu: int) -> None:
        self._device = device
        self._proxy = proxy
        # bluetoothd names the object by the declaration, which is one below the value.
        self.path = f"{service_path}/char{proxy.handle - 1:04x}"
        self.notified: set[str] = set()
        self.subscribed = False
        flags = [name for bit, name in _FLAGS.items() if int(proxy.properties) & bit]
        about = {
            "UUID": Variant("s", long_uuid(proxy.uuid)),
            "Service": Variant("o", service_path),
            "Value": Variant("ay", b""),
            "Flags": Variant("as", flags),
            "MTU": Variant("q", mtu),
        }
        if {"notify", "indicate"} & set(flags):
            about["Notifying"] = _bool(value=False)
        device.bluez.add(self.path, {CHARACTERISTIC: about}, device)

    async def call(self, message: Message) -> Reply:
        if self._device.peer is None:
            raise BluezError("Failed", "Not connected")
        match message.member:
            case "ReadValue":
                value = bytes(await self._device.unless_down(self._proxy.read_value()))
                self._told(value)  # it does: subscribers see what somebody read
                return "ay", [value]
            case "WriteValue":
                kind = message.body[1].get("type")
                acknowledged = kind is None or kind.value != "command"
                data = bytes(message.body[0])
                await self._device.unless_down(self._proxy.write_value(data, with_response=acknowledged))
            case "StartNotify":
                if not self.subscribed:
                    await self._device.unless_down(self._proxy.subscribe(self._notified))
                    self.subscribed = True
                self.notified.add(message.sender or "")
                self._device.bluez.set(self.path, CHARACTERISTIC, {"Notifying": _bool(value=True)})
            case _:
                raise BluezError("org.freedesktop.DBus.Error.UnknownMethod", str(message.member))
        return None

    def _notified(self, value: bytes) -> None:
        if self.notified:
            self._told(bytes(value))

    def _told(self, value: bytes) -> None:
        self._device.bluez.set(self.path, CHARACTERISTIC, {"Value": Variant("ay", value)})


def _bool(*, value: bool) -> Variant:
    return Variant("b", value)
