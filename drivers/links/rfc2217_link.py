"""A port server that takes the settings of the line (RFC 2217), as a `Link`; pyserial speaks to it in threads.

Obeys what `serial_link` obeys: the loop is never blocked, and what waits for the driver is bounded, back to the sender.
"""

import asyncio
import queue
import threading
from contextlib import suppress

from serial import rfc2217

from drivers.errors import LinkLost
from drivers.links.looking_on import passed
from drivers.links.remote_address import BUFFER_LIMIT, address_of, no_server
from drivers.links.serial_port import SerialSettings

READ_SIZE = 4096
WAKE_S = 0.25  # how soon the reading thread sees that the link was closed


class _Port(rfc2217.Serial):
    """pyserial's, which leaves its socket open where the other side has closed already."""

    def close(self) -> None:
        """Close, also after an opening that failed."""
        connection = vars(self).get("_socket")
        super().close()
        if connection is not None:
            connection.close()


class Rfc2217Link:
    """A port server that takes the settings of the line; pyserial speaks to it in threads."""

    def __init__(self, port: str, settings: SerialSettings | None = None) -> None:
        """Raises `ValueError` for an address that is none."""
        address_of(port)
        self._port = port
        self._settings = settings or SerialSettings()
        self._serial: _Port | None = None
        self._buffer = bytearray()
        self._lost: LinkLost | None = LinkLost("closed", f"{port}: not open")
        self._readable = asyncio.Event()
        self._room = threading.Event()

    @property
    def name(self) -> str:
        """The address as it was configured."""
        return self._port

    async def open(self) -> None:
        """Connect and set the line; raises `LinkUnavailable` (no_server)."""
        opening = asyncio.get_running_loop().run_in_executor(None, self._open)
        try:
            self._serial = await asyncio.wait_for(asyncio.shield(opening), self._settings.open_timeout_s)
        except TimeoutError:
            opening.add_done_callback(_close_late)
            raise no_server(self._port, "no answer as RFC 2217 has it") from None
        except (OSError, ValueError) as exc:  # SerialException is an OSError
            raise no_server(self._port, "not reachable, or it does not speak RFC 2217") from exc
        self._lost = None
        self._buffer.clear()
        self._readable.clear()
        self._room.set()
        loop = asyncio.get_running_loop()
        reading = threading.Thread(target=self._read, args=(self._serial, loop), daemon=True)
        reading.start()

    def _open(self) -> _Port:
        settings = self._settings
        port = _Port(
            self._port,
            settings.baud,
            bytesize=settings.data_bits,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            timeout=WAKE_S,
        )
        # Its own reader then stops taking from the connection, and the sender is held up, as a serial line holds it.
        inner: queue.Queue[bytes] = vars(port)["_read_buffer"]
        inner.maxsize = BUFFER_LIMIT
        return port

    async def send(self, data: bytes) -> None:
        """Write all of `data`; raises `LinkLost`."""
        port = self._serial
        if self._lost is not None or port is None:
            raise self._lost or LinkLost("closed", f"{self._port}: not open")
        passed(self._port, data, sent=True)
        try:
            async with asyncio.timeout(self._settings.write_timeout_s):
                await asyncio.get_running_loop().run_in_executor(None, port.write, data)
        except (OSError, TimeoutError) as exc:
            raise self._lose(
                LinkLost("write_failed", f"{self._port}: takes no data; check the port server")
            ) from exc

    async def receive(self) -> bytes:
        """At least one byte; what came before the connection broke is handed out first. Raises `LinkLost`."""
        while not self._buffer:
            if self._lost is not None:
                raise self._lost
            await self._readable.wait()
        data = bytes(self._buffer)
        self._buffer.clear()
        self._room.set()
        if self._lost is None:
            self._readable.clear()
        passed(self._port, data, sent=False)
        return data

    async def close(self) -> None:
        """Disconnect and forget what was buffered. May be opened again."""
        port, self._serial = self._serial, None
        if port is None:
            return
        self._lose(LinkLost("closed", f"{self._port}: closed by the gateway"))
        self._buffer.clear()
        closing = asyncio.get_running_loop().run_in_executor(None, _close, port)
        await asyncio.wait([closing], timeout=self._settings.close_timeout_s)

    def _read(self, port: _Port, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own, until the port is closed or the connection broken."""
        with suppress(RuntimeError):  # the loop has ended
            while port.is_open:
                try:
                    data = port.read(max(1, min(port.in_waiting, READ_SIZE)))
                except (
                    OSError,
                    TypeError,
                    AttributeError,
                ):  # pyserial, closed while it reads, stumbles over None
                    lost = LinkLost("closed", f"{self._port}: the port server closed the connection")
                    loop.call_soon_threadsafe(self._lose_of, port, lost)
                    return
                if data:
                    loop.call_soon_threadsafe(self._take, port, data)
                    self._room.wait(WAKE_S * 40)

    def _take(self, port: _Port, data: bytes) -> None:
        if port is self._serial:
            self._buffer += data
            self._readable.set()
            if len(self._buffer) >= BUFFER_LIMIT:
                self._room.clear()

    def _lose_of(self, port: _Port, error: LinkLost) -> None:
        if port is self._serial:
            self._lose(error)

    def _lose(self, error: LinkLost) -> LinkLost:
        if self._lost is None:
            self._lost = error
            self._readable.set()
            self._room.set()
        return self._lost


def _close(port: _Port) -> None:
    with suppress(OSError):
        port.close()


def _close_late(opening: "asyncio.Future[_Port]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        threading.Thread(target=_close, args=(opening.result(),), daemon=True).start()
