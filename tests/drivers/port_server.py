"""Port servers: raw bytes, and RFC 2217 as pyserial's own server side has it, over a pty."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import serial
from serial import rfc2217

from drivers.links.serial_link import SerialLink


@asynccontextmanager
async def raw_server(path: str) -> AsyncIterator[int]:
    """What comes by TCP goes to the port and back."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = SerialLink(path)
        await port.open()

        async def back() -> None:
            while True:
                writer.write(await port.receive())
                await writer.drain()

        answering = asyncio.create_task(back())
        try:
            with suppress(OSError):
                while data := await reader.read(4096):
                    await port.send(data)
        finally:
            answering.cancel()
            writer.transport.abort()
            await port.close()
            served.set()

    served = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            await served.wait()


class WithoutModemLines(serial.Serial):
    """A port that has none, as a pty."""

    cts = dsr = ri = cd = property(lambda _self: False)

    def _update_dtr_state(self) -> None:
        """Nothing to set."""

    def _update_rts_state(self) -> None:
        """Nothing to set."""


class Rfc2217Server:
    """pyserial's `PortManager`, for one caller at a time. Runs in threads; `drop` ends the connection."""

    def __init__(self, path: str) -> None:
        self.serial = WithoutModemLines(path, 9600, timeout=0.05)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connection: socket.socket | None = None
        self._over = False
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def write(self, data: bytes) -> None:
        """Of `PortManager`: what it has to say to the caller."""
        if self._connection is not None:
            self._connection.sendall(data)

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._over = True
        with suppress(OSError):
            self.drop()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # a thread that waits in accept is not woken by close
        self._serving.join(5)
        self._listener.close()
        self.serial.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while not self._over:
                self._connection, _ = self._listener.accept()
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                manager = rfc2217.PortManager(self.serial, self)  # type: ignore[arg-type]  # the types name its other side
                forth = threading.Thread(target=self._forth, args=(self._connection, manager), daemon=True)
                forth.start()
                with suppress(OSError):
                    while data := self._connection.recv(4096):
                        self.serial.write(b"".join(manager.filter(data)))
                self._connection.close()
                self._connection = None
                forth.join()

    def _forth(self, connection: socket.socket, manager: rfc2217.PortManager) -> None:
        with suppress(OSError, TypeError):
            while self._connection is connection:
                data = self.serial.read(max(1, self.serial.in_waiting))
                if data:
                    connection.sendall(b"".join(manager.escape(data)))
