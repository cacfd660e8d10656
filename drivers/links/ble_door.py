"""The door to bleak: a scanner and a peripheral with deadlines, and its exceptions as ours.

The only file that imports bleak. It is imported when Bluetooth is used, not before.

Obeys:
  * every call has a deadline. bluetoothd may take a call and never answer it; bleak waits for ever then, and so
    does the tidying up that it does when it is cancelled, so it is cancelled more than once (`_within`);
  * stopping and disconnecting never raise: after a restart of bluetoothd bleak's own `stop` does
    ("No discovery started"), and there is nothing left to be stopped.

Leaves out: pairing, passive scanning, choosing among adapters (bleak takes any that is switched on, and
another one after the next start).
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
    BleakGATTProtocolError,
)

from drivers.errors import DeviceFault, DriverError, LinkLost, LinkUnavailable
from drivers.links.ble_advert import Advert
from drivers.links.ble_troubles import NOT_STARTED, TROUBLES, unavailable

START_S = 15.0  # StartDiscovery answers within a second; a hung controller never does
STOP_S = 5.0
DISCONNECT_S = 12.0  # BlueZ takes 2 s, and bleak gives it 10 s more
GATT_S = 10.0  # one read, write or subscription; ATT itself gives up after 30 s and breaks the connection
GRACE_S = 3.0  # for a call that was given up to tidy up: Disconnect takes 2 s
MOST_VALUE = (
    512  # bytes of an attribute's value (Bluetooth Core, Vol 3 Part F 3.2.9); a packet of 517 holds 514
)
LEAST_PACKET = 23  # bytes of a packet that nobody agreed upon a larger one for, three of them ATT's own
NO_RSSI = -127  # bleak's word for "none": a property of the device changed, but nothing was heard

_REASONS: Mapping[BleakBluetoothNotAvailableReason, str] = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: "no_adapter",
    BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE: "no_adapter",
    BleakBluetoothNotAvailableReason.POWERED_OFF: "powered_off",
    BleakBluetoothNotAvailableReason.DENIED_BY_USER: "no_bluetooth_permission",
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: "no_bluetooth_permission",
    BleakBluetoothNotAvailableReason.DENIED_BY_UNKNOWN: "no_bluetooth_permission",
}
_DBUS_ERRORS: Mapping[str, str] = {
    "org.freedesktop.DBus.Error.ServiceUnknown": "no_bluetoothd",
    "org.freedesktop.DBus.Error.NameHasNoOwner": "no_bluetoothd",
    "org.freedesktop.DBus.Error.NoReply": "no_bluetoothd",  # it died over the call
    "org.freedesktop.DBus.Error.Disconnected": "no_bluetoothd",
    "org.freedesktop.DBus.Error.AccessDenied": "no_bluetooth_permission",
    "org.bluez.Error.NotReady": "powered_off",
    "org.bluez.Error.InProgress": "adapter_in_use",
}
# While scanning is started the only object that is asked is the adapter.
_DBUS_ERRORS_OF_SCANNING: Mapping[str, str] = {
    **_DBUS_ERRORS,
    "org.freedesktop.DBus.Error.UnknownObject": "no_adapter",
    "org.freedesktop.DBus.Error.UnknownMethod": "no_adapter",
}
T = TypeVar("T")


class AirScanner:
    """One scan. Started once, stopped once: after a restart of bluetoothd only a new one hears anything."""

    def __init__(self, on_advert: Callable[[Advert], None]) -> None:
        self._on_advert = on_advert
        self._scanner = BleakScanner(self._heard)

    async def start(self) -> None:
        """Begin to listen; raises `LinkUnavailable` with a code of `TROUBLES`, or scan_failed."""
        try:
            await _within(START_S, self._scanner.start())
        except _FAILURES as exc:
            raise _of_scanning(exc) from exc

    async def stop(self) -> None:
        """Listen no more. Never raises."""
        with suppress(*_FAILURES):
            await _within(STOP_S, self._scanner.stop())

    def _heard(self, device: BLEDevice, data: AdvertisementData) -> None:
        if data.rssi == NO_RSSI:
            return
        self._on_advert(
            Advert(
                address=device.address,
                rssi=data.rssi,
                heard_at=asyncio.get_running_loop().time(),
                name=data.local_name,
                manufacturer_data=data.manufacturer_data,
                service_data=data.service_data,
                service_uuids=frozenset(data.service_uuids),
                device=device,
            )
        )


class Peripheral:
    """One connection to a device that was heard."""

    def __init__(self, advert: Advert, name: str, on_lost: Callable[[], None]) -> None:
        if not isinstance(advert.device, BLEDevice):
            raise TypeError("an advertisement that did not come from the scanner cannot be connected to")
        self._name = name
        self._client = BleakClient(advert.device, disconnected_callback=lambda _: on_lost())

    async def connect(self, timeout_s: float) -> None:
        """Connect and learn the services; raises `LinkUnavailable`."""
        try:
            # bleak's own deadline comes first: it ends the attempt in bluetoothd as well, which the next one needs.
            await _within(timeout_s + GRACE_S, self._client.connect(timeout=timeout_s))
        except TimeoutError as exc:
            raise LinkUnavailable(
                "connect_failed",
                f"{self._name}: heard, but did not connect within {timeout_s:g} s; bring it nearer, and see that "
                "no phone is connected to it",
            ) from exc
        except _FAILURES as exc:
            raise _of_connecting(self._name, exc) from exc

    def properties(self, uuid: str) -> frozenset[str] | None:
        """What a characteristic can (read, write, notify, ...); None where the device has none of this uuid."""
        found = self._find(uuid)
        return None if found is None else frozenset(found.properties)

    def write_limit(self, uuid: str) -> int:
        """Bytes that one write takes, by the size of packet that both sides agreed upon."""
        found = self._find(uuid)
        if found is None:
            return LEAST_PACKET - 3
        size: int = found.max_write_without_response_size
        return min(size, MOST_VALUE)

    async def read(self, uuid: str) -> bytes:
        """The value of a characteristic; raises `LinkLost`, `DeviceFault`."""
        return bytes(await self._ask(self._client.read_gatt_char(uuid)))

    async def write(self, uuid: str, data: bytes, *, response: bool) -> None:
        """Write one value; raises `LinkLost`, `DeviceFault`."""
        await self._ask(self._client.write_gatt_char(uuid, data, response=response))

    async def notify(self, uuid: str, heard: Callable[[bytes], None]) -> None:
        """Let the device tell its values; raises `LinkLost`, `DeviceFault`."""

        def told(_: BleakGATTCharacteristic, value: bytearray) -> None:
            heard(bytes(value))

        await self._ask(self._client.start_notify(uuid, told))

    async def disconnect(self) -> None:
        """Hang up. Never raises."""
        with suppress(*_FAILURES):
            await _within(DISCONNECT_S, self._client.disconnect())

    def _find(self, uuid: str) -> BleakGATTCharacteristic | None:
        try:
            return self._client.services.get_characteristic(uuid)
        except BleakError:  # services are gone with the connection, or two characteristics have this uuid
            return None

    async def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await _within(GATT_S, work)
        except BleakGATTProtocolError as exc:
            raise DeviceFault(
                "att_error",
                f"{self._name}: refused with ATT error {int(exc.code):#04x}; is it the device of the configuration, "
                "and does it want to be paired?",
            ) from exc
        except TimeoutError as exc:
            raise LinkLost(
                "gatt_failed", f"{self._name}: no answer for {GATT_S:g} s; bring it nearer"
            ) from exc
        except _FAILURES as exc:
            code = _dbus_code(exc, _DBUS_ERRORS) or "gatt_failed"
            text = TROUBLES.get(code, "the connection broke; bring the device nearer")
            raise LinkLost(code, f"{self._name}: {text}") from exc


# What bleak and dbus-fast raise for a fault outside of this program; EOFError is a D-Bus connection that ended.
_FAILURES = (BleakError, OSError, EOFError, TimeoutError)


async def _within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; raises `TimeoutError` when it takes longer, even where it does not end by one cancel."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        task.add_done_callback(_seen)
        for _ in range(3):
            if task.done():
                break
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE_S)


def _seen(task: asyncio.Future[T]) -> None:
    """Look at the outcome, so that asyncio does not report an error that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _dbus_code(exc: BaseException, table: Mapping[str, str]) -> str | None:
    match exc:
        case BleakBluetoothNotAvailableError():
            return _REASONS.get(exc.reason)
        case BleakDBusError() if exc.dbus_error.startswith(NOT_STARTED):
            return "no_bluetoothd"
        case BleakDBusError():
            return table.get(exc.dbus_error)
        case TimeoutError():
            return "adapter_hangs"
        case PermissionError():
            return "no_bluetooth_permission"
        case OSError() | EOFError():  # no socket, nobody at it, or it closed
            return "no_bluetoothd"
        case _:
            return None


def _of_scanning(exc: BaseException) -> LinkUnavailable:
    code = _dbus_code(exc, _DBUS_ERRORS_OF_SCANNING)
    if code is not None:
        return unavailable("Bluetooth", code)
    return LinkUnavailable(
        "scan_failed", f"Bluetooth: cannot scan ({_named(exc)}); {TROUBLES['adapter_hangs']}"
    )


def _of_connecting(name: str, exc: BaseException) -> DriverError:
    code = _dbus_code(exc, _DBUS_ERRORS)
    if code is not None:
        return unavailable(name, code)
    return LinkUnavailable(
        "connect_failed", f"{name}: heard, but did not connect ({_named(exc)}); bring it nearer"
    )


def _named(exc: BaseException) -> str:
    return exc.dbus_error if isinstance(exc, BleakDBusError) else type(exc).__name__
