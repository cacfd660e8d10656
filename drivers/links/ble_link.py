"""A device with the Nordic UART service as a `Link`: bytes both ways, cut into packets anywhere.

    ble:AA:BB:CC:DD:EE:FF      6E400002 takes what we send, 6E400003 tells what the device sends

Nothing here encrypts or proves who is at the other end: without pairing a connection can be listened to, and
anybody can advertise under an address. What must not be heard or forged needs that in its own protocol.

Leaves out: services like it under other uuids, frames.
"""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from drivers.errors import DeviceMismatch, DriverError, LinkLost, LinkUnavailable
from drivers.links.ble_advert import ble_address
from drivers.links.ble_session import Notifications, OnFull, Session
from drivers.links.ble_troubles import unavailable
from drivers.links.looking_on import passed

if TYPE_CHECKING:
    from drivers.links.ble_radio import Radio

UART_SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
UART_TO_DEVICE = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
UART_FROM_DEVICE = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"


class BleLink:
    """One device, by its address."""

    def __init__(self, address: str, shared: "Radio | None" = None) -> None:
        """`address`: AA:BB:CC:DD:EE:FF; raises `ValueError`. `shared`: else that of the loop."""
        self._address = ble_address(address)
        self._shared = shared
        self._open: tuple[Session, Notifications] | None = None

    @property
    def name(self) -> str:
        """The address, as the configuration has it."""
        return f"ble:{self._address}"

    @property
    def buffered(self) -> int:
        """Bytes received and not yet taken."""
        return 0 if self._open is None else self._open[1].buffered

    async def open(self) -> None:
        """Connect; raises `LinkUnavailable` (those of `Radio.connect`, no_uart, and what breaks meanwhile)."""
        if self._open is not None:
            raise RuntimeError(f"{self.name}: opened twice")
        shared = self._shared or await radio_of_the_loop(self.name)
        session = await shared.connect(self._address, self.name)
        try:
            session.properties(UART_TO_DEVICE)
            incoming = await session.subscribe(UART_FROM_DEVICE, on_full=OnFull.BREAK)
        except BaseException as exc:
            await session.close()
            match exc:
                case DeviceMismatch():
                    raise LinkUnavailable(
                        "no_uart", f"{self.name}: has no Nordic UART service; it is another device"
                    ) from exc
                case DriverError():
                    raise LinkUnavailable(exc.code, str(exc)) from exc
                case _:
                    raise
        self._open = session, incoming

    async def send(self, data: bytes) -> None:
        """Write all of `data`, in as many packets as it takes; raises `LinkLost`."""
        session, _ = self._opened()
        passed(self.name, data, sent=True)
        size = session.write_limit(UART_TO_DEVICE)
        for begin in range(0, len(data), size):
            try:
                await session.write(UART_TO_DEVICE, data[begin : begin + size])
            except LinkLost:
                raise
            except DriverError as exc:  # the device refuses the bytes: nothing more can be said to it
                raise session.lose(LinkLost(exc.code, str(exc))) from exc

    async def receive(self) -> bytes:
        """At least one byte; what came before the link broke is handed out before `LinkLost` is raised."""
        _, incoming = self._opened()
        while not (data := await incoming.receive_all()):
            continue  # a notification may be empty
        passed(self.name, data, sent=False)
        return data

    async def close(self) -> None:
        """Disconnect and forget what was buffered. May be opened again."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened[0].close()

    def _opened(self) -> tuple[Session, Notifications]:
        if self._open is None:
            raise LinkLost("closed", f"{self.name}: not open")
        return self._open


async def radio_of_the_loop(name: str) -> "Radio":
    """Loaded where Bluetooth is used and not before: its libraries take 6 MB at the least.

    Raises `LinkUnavailable` (no_bluetooth_library); `name` is for errors.
    """
    try:
        loaded = await asyncio.to_thread(import_module, "drivers.links.ble_radio")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in {"bleak", "dbus_fast"}:
            raise
        raise unavailable(name, "no_bluetooth_library") from exc
    shared: Radio = loaded.radio()
    return shared
