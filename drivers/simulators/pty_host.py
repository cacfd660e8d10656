"""A serial port that is not there: a pty, and a symlink that plays its name in /dev/serial/by-id.

    async with PtyHost(folder / "usb-Reader_0001-if00-port0") as host:
        ...                     # the driver opens host.link; the simulator talks through host
        host.unplug()           # the name disappears, the driver's port reports a hang-up
        host.plug()             # the name is back, on another pty

What differs from a real port: no modem lines, parity and data bits are not kept, and a driver that does not
read blocks the far end instead of losing bytes.
Leaves out: what is said over the wire, and its pace (wire.py).
"""

import asyncio
import os
import pty
import termios
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.errors import LinkLost

READ_SIZE = 4096
SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in (9600, 19200, 38400, 57600, 115200)}


class PtyHost:
    """The far end of one pluggable port. Everything here runs on the event loop and never blocks it."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._master = -1
        self._slave = -1
        self._reading: asyncio.Future[None] | None = None  # what a waiting `receive` waits for
        self._writing: asyncio.Future[None] | None = None
        self._plugged = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.plug()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    @property
    def plugged(self) -> bool:
        """Whether the port is there."""
        return self._plugged.is_set()

    async def until_plugged(self) -> None:
        """Return at once, or when the port is plugged in."""
        await self._plugged.wait()

    def plug(self) -> None:
        """Make the port; harmless when it is there already."""
        if self.plugged:
            return
        self._master, self._slave = pty.openpty()
        # Raw before anybody opens it: otherwise the line echoes and rewrites CR and LF. The far end keeps its
        # own descriptor of the slave side, or each closing by the driver would look like a hang-up here.
        tty.setraw(self._slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        fresh = self.link.with_name(f"{self.link.name}.new")
        fresh.unlink(missing_ok=True)  # left behind by a simulator that was killed
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.link)  # atomic, as udev does it
        self._plugged.set()

    def unplug(self) -> None:
        """Take the port away; harmless when it is gone already."""
        if not self.plugged:
            return
        self._plugged.clear()
        self.link.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)
        for waiting in (self._reading, self._writing):
            if waiting is not None and not waiting.done():
                waiting.set_exception(self._gone())
        self._reading = self._writing = None

    @property
    def baud(self) -> int:
        """The speed the driver asked for."""
        return SPEEDS[termios.tcgetattr(self._slave)[5]]

    async def send(self, data: bytes) -> None:
        """Write all of `data`; waits while the driver does not read. Raises `LinkLost` when unplugged."""
        rest = memoryview(data)
        while rest:
            self._require_plugged()
            try:
                rest = rest[os.write(self._master, rest) :]
            except BlockingIOError:
                await self._until_writable()

    async def receive(self) -> bytes:
        """What the driver sent, at least one byte. Raises `LinkLost` when unplugged."""
        while True:
            self._require_plugged()
            try:
                data = os.read(self._master, READ_SIZE)
            except BlockingIOError:
                await self._until_readable()
                continue
            return data

    async def _until_readable(self) -> None:
        loop = asyncio.get_running_loop()
        waiting = self._reading = loop.create_future()
        loop.add_reader(self._master, _resolve, waiting)
        try:
            await waiting
        finally:
            if self._reading is waiting:  # else unplugged meanwhile, and the number may be a new port's
                loop.remove_reader(self._master)
                self._reading = None

    async def _until_writable(self) -> None:
        loop = asyncio.get_running_loop()
        waiting = self._writing = loop.create_future()
        loop.add_writer(self._master, _resolve, waiting)
        try:
            await waiting
        finally:
            if self._writing is waiting:
                loop.remove_writer(self._master)
                self._writing = None

    def _require_plugged(self) -> None:
        if not self.plugged:
            raise self._gone()

    def _gone(self) -> LinkLost:
        return LinkLost("unplugged", f"{self.link}: unplugged")


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
