"""A watch on bluetoothd: whether somebody owns the name org.bluez, and whether an adapter goes away or off.

bleak does not look. When bluetoothd restarts, its scanner is silent for ever and its clients still say that they
are connected; when the adapter is switched off, a scan goes on and hears nothing.
dbus-fast, which bleak brings along, is imported in the drivers by this file and by the simulators' advertiser.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from dbus_fast import AuthError, BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from drivers.links.ble_changes import Change
from drivers.links.ble_troubles import unavailable

BLUEZ = "org.bluez"
ADAPTER = "org.bluez.Adapter1"
CALL_S = 5.0  # of the bus itself, which answers at once

_DBUS = "org.freedesktop.DBus"
_RULES = (
    f"type='signal',sender='{_DBUS}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    f"type='signal',sender='{BLUEZ}',member='PropertiesChanged',arg0='{ADAPTER}'",
    f"type='signal',sender='{BLUEZ}',member='InterfacesRemoved',arg0path='/org/bluez/'",
)


class DaemonWatch:
    """One connection to the system bus, for as long as somebody holds it."""

    def __init__(self) -> None:
        self._bus: MessageBus | None = None
        self._waiting: asyncio.Task[None] | None = None  # for the bus to end
        self._tell: set[Callable[[Change], None]] = set()
        self._holders = 0
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def held(self, tell: Callable[[Change], None]) -> AsyncIterator[None]:
        """Be told each change in the meantime; raises `LinkUnavailable` (no_bluetoothd, no_bluetooth_permission)."""
        self._holders += 1
        self._tell.add(tell)
        try:
            await self.ensure()
            yield
        finally:
            self._tell.discard(tell)
            self._holders -= 1
            async with self._one:
                if not self._holders:
                    await self._close()

    async def ensure(self) -> None:
        """Connect again where the bus has ended; raises `LinkUnavailable`."""
        async with self._one:
            if self._bus is not None and self._bus.connected:
                return
            await self._close()
            try:
                async with asyncio.timeout(CALL_S):
                    self._bus = await self._connected()
            except (AuthError, PermissionError) as exc:
                raise unavailable("Bluetooth", "no_bluetooth_permission") from exc
            except (OSError, EOFError, TimeoutError) as exc:  # no socket, nobody at it, or it closed
                raise unavailable("Bluetooth", "no_bluetoothd") from exc
            self._waiting = asyncio.create_task(self._until_it_ends(self._bus), name="D-Bus ends")

    async def _connected(self) -> MessageBus:
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            await bus.connect()
            bus.add_message_handler(self._on_message)
            for rule in _RULES:
                await bus.call(
                    Message(
                        destination=_DBUS,
                        path="/org/freedesktop/DBus",
                        interface=_DBUS,
                        member="AddMatch",
                        signature="s",
                        body=[rule],
                    )
                )
        except BaseException:
            bus.disconnect()
            raise
        return bus

    async def _until_it_ends(self, bus: MessageBus) -> None:
        with suppress(OSError, EOFError):
            await bus.wait_for_disconnect()
        if bus is self._bus:  # else it was ended here
            self._changed(Change.GONE)

    async def _close(self) -> None:
        waiting, self._waiting = self._waiting, None
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()
        if waiting is not None:  # not cancelled: dbus-fast hands the same future to all who wait for the end
            await asyncio.wait({waiting}, timeout=CALL_S)

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        match message.member, message.body:
            case "NameOwnerChanged", [str(name), str(), str(owner)] if name == BLUEZ:
                # A name that passes from one to the next without a pause is a restart as well.
                self._changed(Change.CAME if owner else Change.GONE)
            case "PropertiesChanged", [str(interface), dict(changed), list()] if interface == ADAPTER:
                if "Powered" in changed and not changed["Powered"].value:
                    self._changed(Change.POWERED_OFF)
            case "InterfacesRemoved", [str(), list(interfaces)] if ADAPTER in interfaces:
                self._changed(Change.ADAPTER_REMOVED)

    def _changed(self, change: Change) -> None:
        for tell in tuple(self._tell):
            tell(change)
