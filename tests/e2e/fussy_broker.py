"""A broker that just closes on MQTT 5, as some do: a proxy in front of a real one."""

import asyncio
from contextlib import suppress


class ClosesOnMqtt5:
    """Passes MQTT 3.1.1 through to `port`; closes the connection on any other version."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.closed = 0
        self._behind = port
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        hello = await reader.read(4096)
        name = hello.find(b"MQTT")
        if hello[name + 4] != 4:
            self.closed += 1
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        far_writer.write(hello)
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
