"""A TCP port that devices call: each connection is a `Link` of its own, and so many at a time.

Reading stops while the driver is behind: the kernel's window then holds the pressure.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from drivers.errors import LinkLost, LinkUnavailable

READ_SIZE = 4096
BUFFER_LIMIT = 65_536  # bytes received and not yet taken, of one connection
SEND_S = 20.0  # a device that takes nothing for so long is gone

Serve: TypeAlias = Callable[["CallerLink", str], Awaitable[None]]


class CallerLink:
    """One connection. It is open from the beginning and cannot be opened again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name

    @property
    def name(self) -> str:
        """The listener, and which of its calls."""
        return self._name

    async def open(self) -> None:
        """It is."""

    async def send(self, data: bytes) -> None:
        """Write all of `data`; raises `LinkLost`."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(SEND_S):
                await self._writer.drain()
        except (OSError, TimeoutError) as exc:
            raise LinkLost("write_failed", f"{self._name}: takes nothing more") from exc

    async def receive(self) -> bytes:
        """At least one byte; raises `LinkLost`."""
        try:
            data = await self._reader.read(READ_SIZE)
        except OSError as exc:
            raise LinkLost("read_failed", f"{self._name}: the connection broke") from exc
        if not data:
            raise LinkLost("closed", f"{self._name}: the device closed the connection")
        return data

    async def close(self) -> None:
        """Close at once."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()


class Listener:
    """A port, for as long as it is open."""

    def __init__(self, host: str, port: int, *, most: int) -> None:
        """`most`: connections served at a time; as many again wait for one to end, more are closed at once."""
        self._host = host
        self._port = port
        self._most = most
        self._server: asyncio.Server | None = None
        self._calls: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue(most)

    @property
    def port(self) -> int:
        """The port that was taken, where 0 was asked for."""
        if self._server is None:
            raise RuntimeError("not open")
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Listen; raises `LinkUnavailable` (in_use, absent, permission, open_failed)."""
        try:
            self._server = await asyncio.start_server(
                self._called, self._host, self._port, limit=BUFFER_LIMIT
            )
        except OSError as exc:
            codes = {errno.EADDRINUSE: "in_use", errno.EADDRNOTAVAIL: "absent", errno.EACCES: "permission"}
            raise LinkUnavailable(
                codes.get(exc.errno or 0, "open_failed"),
                f"{self._host}:{self._port} cannot be listened on ({exc.strerror}); is it an address of this "
                "machine, and the port free?",
            ) from exc

    def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._calls.put_nowait((reader, writer))
        except asyncio.QueueFull:
            writer.transport.abort()

    async def serve(self, serve: Serve) -> None:
        """Serve calls until cancelled, each in a task of its own. What `serve` raises ends all of it."""
        free = asyncio.Semaphore(self._most)
        count = 0
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                reader, writer = await self._calls.get()
                count += 1
                link = CallerLink(reader, writer, f"{self._host}:{self._port} call {count}")
                tasks.create_task(self._one(serve, link, writer, free), name=f"call-{count}")

    async def _one(
        self, serve: Serve, link: CallerLink, writer: asyncio.StreamWriter, free: asyncio.Semaphore
    ) -> None:
        peer = writer.get_extra_info("peername")
        try:
            await serve(link, str(peer[0]) if peer else "")
        finally:
            free.release()
            await link.close()

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
