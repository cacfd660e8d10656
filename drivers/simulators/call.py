"""A device that calls the gateway over TCP, and calls again when the line breaks: a wire like the others.

async with Call("127.0.0.1", 8090) as call:
    await call.until_plugged()      # and the device is played on it, whenever it is
    call.unplug()                   # the line is cut, and nobody calls until `plug`
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from drivers.errors import LinkLost

READ_SIZE = 4096
AGAIN_S = 0.2  # between two attempts; a real device takes longer


class Call:
    """One device's line. Plugged in means that it may call."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._plugged = asyncio.Event()
        self._name = f"{host}:{port}"

    async def __aenter__(self) -> Self:
        self.plug()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    @property
    def plugged(self) -> bool:
        """Whether it may call."""
        return self._plugged.is_set()

    def plug(self) -> None:
        """Let it call."""
        self._plugged.set()

    def unplug(self) -> None:
        """Cut the line at once; it may not call."""
        self._plugged.clear()
        self.hang_up()

    def hang_up(self) -> None:
        """End this call, if there is one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()

    async def until_plugged(self) -> None:
        """Wait until it may call and is answered. A call that is still there is ended."""
        if self._streams is not None:
            self.hang_up()
            await asyncio.sleep(AGAIN_S)
        while True:
            await self._plugged.wait()
            with suppress(OSError):
                self._streams = await asyncio.open_connection(self._host, self._port)
                if self.plugged:
                    return
                self.hang_up()  # pulled while it was calling
            await asyncio.sleep(AGAIN_S)

    async def send(self, data: bytes) -> None:
        """Write all of `data`; raises `LinkLost`."""
        _, writer = self._open()
        try:
            writer.write(data)
            await writer.drain()
        except OSError as exc:
            raise LinkLost("write_failed", f"{self._name}: the line broke") from exc

    async def receive(self) -> bytes:
        """At least one byte; raises `LinkLost`."""
        reader, _ = self._open()
        try:
            data = await reader.read(READ_SIZE)
        except OSError as exc:
            raise LinkLost("read_failed", f"{self._name}: the line broke") from exc
        if not data:
            raise LinkLost("closed", f"{self._name}: the gateway closed the line")
        return data

    def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            raise LinkLost("unplugged", f"{self._name}: no call")
        return self._streams
