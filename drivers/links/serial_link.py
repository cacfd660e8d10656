"""A serial port as a `Link`: opened and closed in a thread, read and written by the event loop.

Obeys:
  * the loop is never blocked: a wedged USB adapter hangs `open`, and a tty with output left to drain holds
    `close` for 30 s. Both run in a daemon thread of their own, with a deadline; not in the loop's executor,
    because a call that hangs for ever must neither eat a shared worker nor keep the process from ending;
  * reading stops (`remove_reader`) while the driver is behind, and goes on when it has caught up: the
    kernel's buffer then holds the pressure, ours stays bounded;
  * the first cause of a loss stays the answer until the link is opened again.

Leaves out: ports without a file descriptor (rfc2217://, loop://), modem lines, frames.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import serial

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links.looking_on import passed
from drivers.links.serial_port import SerialSettings, close_port, open_port

# Bytes waiting for the driver; at or above it the port is not read. What waits during one commit is committed
# together next: with 4 KiB a disk of 10 ms held a device of 300-byte records to 1,000 a second, with 16 to 2,300.
BUFFER_LIMIT = 65_536
READ_SIZE = 4096  # bytes a read; about what the kernel's tty buffer holds

T = TypeVar("T")


class SerialLink:
    """One serial port, named by a path that survives replugging (/dev/serial/by-id/...)."""

    def __init__(self, port: str, settings: SerialSettings | None = None) -> None:
        self._port = port
        self._settings = settings or SerialSettings()
        self._serial: serial.Serial | None = None
        self._fd = -1
        self._reading = False
        self._buffer = bytearray()
        self._lost: LinkLost | None = LinkLost("closed", f"{port}: not open")
        self._readable = asyncio.Event()  # bytes are waiting, or the link is lost
        self._writable: asyncio.Future[None] | None = None
        self._thread_done: Callable[[], bool] = lambda: True  # of the last opening or closing

    @property
    def name(self) -> str:
        """The port path."""
        return self._port

    @property
    def buffered(self) -> int:
        """Bytes received and not yet taken."""
        return len(self._buffer)

    async def open(self) -> None:
        """Open and lock; raises `LinkUnavailable` (absent, in_use, permission, not_a_port, open_failed)."""
        if self._serial is not None:
            raise RuntimeError(f"{self._port}: opened twice")
        if not self._thread_done():  # else each retry would leave one more hanging thread behind
            raise self._hangs("an earlier call to it has not returned")
        opening = self._in_thread(lambda: open_port(self._port, self._settings))
        try:
            await asyncio.wait([opening], timeout=self._settings.open_timeout_s)
            if not opening.done():
                raise self._hangs(f"not open after {self._settings.open_timeout_s:g} s")
            self._serial = opening.result()
        finally:
            if self._serial is None:  # too late or cancelled: a port that opens after all is closed again
                opening.add_done_callback(self._discard)
        self._fd = self._serial.fileno()
        self._lost = None
        self._buffer.clear()
        self._readable.clear()
        self._watch()

    async def send(self, data: bytes) -> None:
        """Write all of `data`; raises `LinkLost` when the port is gone or takes nothing for too long."""
        passed(self._port, data, sent=True)
        rest = memoryview(data)
        while rest:
            self._raise_if_lost()
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._until_writable()
            except OSError as exc:
                raise self._lose(_cause(self._port, exc, "write_failed")) from exc

    async def receive(self) -> bytes:
        """At least one byte; what came before the link broke is handed out before `LinkLost` is raised."""
        # Nothing is awaited between waking up and taking the bytes: a cancelled caller leaves them here.
        while not self._buffer:
            self._raise_if_lost()
            await self._readable.wait()
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._lost is None:
            self._readable.clear()
            self._watch()
        passed(self._port, data, sent=False)
        return data

    async def close(self) -> None:
        """Close and forget what was buffered. May be opened again."""
        port, self._serial = self._serial, None
        if port is None:
            return
        self._unwatch()
        self._lose(LinkLost("closed", f"{self._port}: closed by the gateway"))
        self._fd = -1
        self._buffer.clear()
        await asyncio.wait(
            [self._in_thread(lambda: close_port(port))], timeout=self._settings.close_timeout_s
        )

    def _on_readable(self) -> None:
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return
        except OSError as exc:
            self._lose(_cause(self._port, exc, "read_failed"))
            return
        if not data:  # a hung-up tty is readable for ever and gives nothing
            self._lose(_unplugged(self._port))
            return
        self._buffer += data
        self._readable.set()
        if len(self._buffer) >= BUFFER_LIMIT:
            self._unwatch()

    def _watch(self) -> None:
        if not self._reading:
            asyncio.get_running_loop().add_reader(self._fd, self._on_readable)
            self._reading = True

    def _unwatch(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._reading = False

    async def _until_writable(self) -> None:
        loop = asyncio.get_running_loop()
        writable = self._writable = loop.create_future()
        loop.add_writer(self._fd, _resolve, writable)
        try:
            async with asyncio.timeout(self._settings.write_timeout_s):
                await writable
        except TimeoutError as exc:
            text = (
                f"{self._port}: takes no data for {self._settings.write_timeout_s:g} s; check cable and power"
            )
            raise self._lose(LinkLost("write_failed", text)) from exc
        finally:
            self._stop_writing()

    def _stop_writing(self) -> None:
        """Wake the waiting `send`. Done before the descriptor is closed: its number may be another's after."""
        if self._writable is not None:
            asyncio.get_running_loop().remove_writer(self._fd)
            _resolve(self._writable)
            self._writable = None

    def _lose(self, error: LinkLost) -> LinkLost:
        """Keep the first cause, stop watching the descriptor (a dead one spins), wake everybody who waits."""
        if self._lost is None:
            self._lost = error
            self._unwatch()
            self._stop_writing()
            self._readable.set()
        return self._lost

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _hangs(self, how: str) -> LinkUnavailable:
        return LinkUnavailable(
            "open_failed", f"{self._port}: the adapter hangs ({how}); unplug it and plug it in again"
        )

    def _discard(self, opening: asyncio.Future[serial.Serial]) -> None:
        if opening.exception() is None:
            port = opening.result()
            self._in_thread(lambda: close_port(port))

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody waits, the process is leaving
                try:
                    result = work()
                except LinkUnavailable as error:
                    loop.call_soon_threadsafe(future.set_exception, error)
                else:
                    loop.call_soon_threadsafe(future.set_result, result)

        threading.Thread(target=run, name=f"serial {self._port}", daemon=True).start()
        self._thread_done = future.done
        return future


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _unplugged(port: str) -> LinkLost:
    return LinkLost("unplugged", f"{port}: unplugged; plug it in again, it is picked up by itself")


def _cause(port: str, exc: OSError, code: str) -> LinkLost:
    if exc.errno in {
        errno.EIO,
        errno.ENODEV,
        errno.ENXIO,
    }:  # the kernel's words for a tty whose device has left
        return _unplugged(port)
    return LinkLost(code, f"{port}: {os.strerror(exc.errno or 0)}; unplug the adapter and plug it in again")
