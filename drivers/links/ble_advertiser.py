"""Advertises over an adapter of this machine, as a beacon does: for simulators, the gateway itself only listens.

    async with Advertiser("hci1") as air:
        await air.begin("one", Payload(manufacturer={0x004C: body}))
        await air.end("one")

BlueZ asks back on the bus for what it is to send (org.bluez.LEAdvertisement1), so the connection stays open meanwhile
and the advertisements end with it. An adapter does not hear itself: whoever listens needs another one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from dbus_fast import AuthError, BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from drivers.errors import LinkUnavailable
from drivers.links.ble_advert import Payload
from drivers.links.ble_daemon import ADAPTER, BLUEZ
from drivers.links.ble_troubles import NOT_STARTED, lost, unavailable

MANAGER = "org.bluez.LEAdvertisingManager1"
ADVERTISEMENT = "org.bluez.LEAdvertisement1"
CALL_S = 15.0  # bluetoothd answers when the controller has taken it
NAME = "beacon"  # in errors
_ROOT = "/cn/zhijiao/advertisement"
_CODES: Mapping[str, str] = {
    "org.bluez.Error.NotReady": "powered_off",
    "org.bluez.Error.InProgress": "adapter_in_use",
    "org.freedesktop.DBus.Error.ServiceUnknown": "no_bluetoothd",
    "org.freedesktop.DBus.Error.NameHasNoOwner": "no_bluetoothd",
    "org.freedesktop.DBus.Error.AccessDenied": "no_bluetooth_permission",
    "org.freedesktop.DBus.Error.UnknownObject": "no_adapter",
}


class Advertiser:
    """Some advertisements at once, each under a key of its own."""

    def __init__(self, adapter: str | None = None) -> None:
        """`adapter`: hci1; None: the first that is switched on."""
        self._wanted = adapter
        self._adapter = ""
        self._bus: MessageBus | None = None
        self._payloads: dict[str, Payload] = {}  # by object path

    async def __aenter__(self) -> Self:
        """Raises `LinkUnavailable` (codes of `TROUBLES`, advertising_failed)."""
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            async with asyncio.timeout(CALL_S):
                self._bus = await bus.connect()
                bus.add_message_handler(self._asked)
                self._adapter = await self._found()
        except BaseException as exc:
            self._bus = None
            bus.disconnect()
            match exc:
                case AuthError() | PermissionError():
                    raise unavailable(NAME, "no_bluetooth_permission") from exc
                case TimeoutError():
                    raise unavailable(NAME, "adapter_hangs") from exc
                case OSError() | EOFError():
                    raise unavailable(NAME, "no_bluetoothd") from exc
                case _:
                    raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()  # bluetoothd ends what is registered

    async def begin(self, key: str, payload: Payload) -> None:
        """Send this from now on; raises `LinkUnavailable`. `key`: letters and digits."""
        path = f"{_ROOT}/{key}"
        self._payloads[path] = payload
        try:
            await self._ask(self._adapter, MANAGER, "RegisterAdvertisement", "oa{sv}", [path, {}])
        except BaseException:
            del self._payloads[path]
            raise

    async def end(self, key: str) -> None:
        """Send it no more; raises `LinkUnavailable`. Harmless where it is not sent."""
        path = f"{_ROOT}/{key}"
        if self._payloads.pop(path, None) is not None:
            await self._ask(self._adapter, MANAGER, "UnregisterAdvertisement", "o", [path])

    async def _found(self) -> str:
        """The adapter's path."""
        (objects,) = await self._ask("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", [])
        able = {path: of[ADAPTER] for path, of in objects.items() if MANAGER in of and ADAPTER in of}
        if self._wanted is not None:
            able = {path: of for path, of in able.items() if path.rpartition("/")[2] == self._wanted}
        if not able:
            raise unavailable(self._wanted or NAME, "no_adapter")
        on = [str(path) for path, properties in able.items() if properties["Powered"].value]
        if on:
            return on[0]
        raise unavailable(self._wanted or NAME, "powered_off")

    async def _ask(
        self, path: str, interface: str, member: str, signature: str, body: Sequence[Any]
    ) -> list[Any]:
        if self._bus is None:
            raise lost(NAME, "no_bluetoothd")
        question = Message(
            destination=BLUEZ,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        try:
            async with asyncio.timeout(CALL_S):
                reply = await self._bus.call(question)
        except TimeoutError as exc:
            raise unavailable(NAME, "adapter_hangs") from exc
        except (OSError, EOFError) as exc:
            raise unavailable(NAME, "no_bluetoothd") from exc
        if reply is None:  # the bus is closed
            raise unavailable(NAME, "no_bluetoothd")
        if reply.message_type is MessageType.ERROR:
            error = reply.error_name or ""
            code = "no_bluetoothd" if error.startswith(NOT_STARTED) else _CODES.get(error)
            if code is not None:
                raise unavailable(NAME, code)
            raise LinkUnavailable(
                "advertising_failed",
                f"{NAME}: the adapter cannot send it ({error}); end other programs that advertise",
            )
        return list(reply.body)

    def _asked(self, message: Message) -> Message | None:
        """By bluetoothd: what an advertisement holds, or that it gave it up."""
        payload = self._payloads.get(message.path or "")
        if payload is None or message.message_type is not MessageType.METHOD_CALL:
            return None
        match message.interface, message.member:
            case "org.freedesktop.DBus.Properties", "GetAll":
                return Message.new_method_return(message, "a{sv}", [_properties(payload)])
            case _, "Release" if message.interface == ADVERTISEMENT:
                del self._payloads[message.path or ""]
                return Message.new_method_return(message)
        return None


def _properties(payload: Payload) -> dict[str, Variant]:
    """`broadcast`: nobody can connect to it, and it has no name and no flags."""
    return {
        "Type": Variant("s", "broadcast"),
        "ManufacturerData": Variant(
            "a{qv}", {number: Variant("ay", data) for number, data in payload.manufacturer.items()}
        ),
        "ServiceUUIDs": Variant("as", list(payload.service)),
        "ServiceData": Variant(
            "a{sv}", {uuid: Variant("ay", data) for uuid, data in payload.service.items()}
        ),
    }
