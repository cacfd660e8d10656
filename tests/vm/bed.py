"""The room of `tests/ble` with nothing in it replaced but the radio: Linux, bluetoothd, and a controller of Bumble's.

    bleak - D-Bus - bluetoothd - /dev/vhci - Bumble's controller - the air - wearables

What the tests ask of the other bluetoothd, that it fail, wait, or tell what it was asked, cannot be had of the real
one: such a test is marked `fake_bluez` and left out.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bumble import hci
from bumble.transport import open_transport
from bumble.transport.common import Transport
from dbus_fast import BusType, Message, Variant
from dbus_fast.aio import MessageBus

from drivers.links.ble_daemon import ADAPTER, BLUEZ
from tests.ble.air import Air, HostController
from tests.ble.bed import Room, close_bleak

BLUETOOTHD = "/usr/libexec/bluetooth/bluetoothd"
LOG = Path("/run/bluetoothd.log")
UP_S = 60.0  # bluetoothd needs a second, its adapter another; the rest is for a machine that is busy
_PROPERTIES = "org.freedesktop.DBus.Properties"
# Bumble never says that an enhanced connection is complete, so the kernel must not ask for it.
_NOT_BUMBLES = hci.LeFeatureMask.LL_PRIVACY | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING


class Adapter:
    """A controller in the machine, and its switch."""

    def __init__(self, air: Air, name: str = "hci0") -> None:
        self._air = air
        self.path = f"/org/bluez/{name}"
        self._transport: Transport | None = None

    @property
    def plugged(self) -> bool:
        return self._transport is not None

    async def plug(self) -> None:
        """Plug it in and switch it on, as a machine does that has `AutoEnable`."""
        self._transport = await open_transport("vhci")
        controller = HostController(
            "vhci", host_source=self._transport.source, host_sink=self._transport.sink, link=self._air
        )
        controller.le_features &= ~_NOT_BUMBLES
        await self.power(on=True)

    async def unplug(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def power(self, *, on: bool) -> None:
        """bluetoothd says for half a second that a new adapter is unknown or busy."""
        await taken(self.path, _PROPERTIES, "Set", "ssv", [ADAPTER, "Powered", Variant("b", on)])


class VmBed(Room):
    def __init__(self, log: BinaryIO) -> None:
        """`log`: what bluetoothd says."""
        super().__init__()
        self.adapter = Adapter(self.air)
        self._second: Adapter | None = None
        self._log = log
        self._daemon: asyncio.subprocess.Process | None = None

    async def sending_adapter(self) -> str:
        """One more: an adapter does not hear itself."""
        self._second = Adapter(self.air, "hci1")
        await self._second.plug()
        return "hci1"

    async def start_bluetoothd(self) -> None:
        """Start it, and switch the adapter on that it finds."""
        self._daemon = await asyncio.create_subprocess_exec(BLUETOOTHD, "-n", stderr=self._log)
        await taken("/", "org.freedesktop.DBus.Peer", "Ping")
        if self.adapter.plugged:
            await self.adapter.power(on=True)

    async def settled(self) -> None:
        """Where one was killed over a scan the kernel goes on with it, and the next is refused for ten seconds."""
        await taken(self.adapter.path, ADAPTER, "StartDiscovery")  # ends with its connection

    async def unplug_all(self) -> None:
        for adapter in (self._second, self.adapter):
            if adapter is not None:
                await adapter.unplug()

    async def stop_bluetoothd(self) -> None:
        await self._end(signal.SIGTERM)

    async def kill_bluetoothd(self) -> None:
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        daemon, self._daemon = self._daemon, None
        if daemon is not None and daemon.returncode is None:
            daemon.send_signal(how)
            await daemon.wait()


async def taken(
    path: str, interface: str, member: str, signature: str = "", body: Sequence[Any] = ()
) -> None:
    """Ask bluetoothd, until it does not refuse."""
    question = Message(
        destination=BLUEZ,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(body),
    )
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    refused: str | None = "nothing asked"
    try:
        async with asyncio.timeout(UP_S):
            while (refused := _error(await bus.call(question))) is not None:
                question.serial = 0
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"bluetoothd goes on answering {member} with {refused}") from None
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


def _error(reply: Message | None) -> str | None:
    return None if reply is None else reply.error_name or None


@asynccontextmanager
async def open_vm_bed() -> AsyncIterator[VmBed]:
    with LOG.open("ab") as log:  # noqa: ASYNC230 - before anything waits for it
        bed = VmBed(log)
        try:
            await bed.start_bluetoothd()
            await bed.adapter.plug()
            yield bed
        finally:
            await bed.close()
            await close_bleak()
            await bed.stop_bluetoothd()
            await bed.unplug_all()
