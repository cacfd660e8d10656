"""The line between gateway and broker, to disturb: a TCP proxy on a thread of its own.

with Line(broker.port) as line:      the gateway dials line.port
    line.silence()                   connections stay, new ones are accepted, nothing passes
    line.reset()                     existing connections are reset; the mode stays
    line.cut()                       nobody listens, existing connections are reset
    line.heal()                      everything passes, what waited too
    line.delay_s = 0.15              each way, without losing pace
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from tests.broker import HOST, free_port

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Line:
    """One listening port and what passes through it."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.delay_s = 0.0
        self.dialled = 0  # connections that came
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line", daemon=True)
        self._passing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.heal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def heal(self) -> None:
        self._do(self._heal())

    def silence(self) -> None:
        self._loop.call_soon_threadsafe(self._passing.clear)

    def reset(self) -> None:
        self._do(self._reset())

    def cut(self) -> None:
        self._do(self._cut())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _heal(self) -> None:
        self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def _cut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._reset()

    async def _reset(self) -> None:
        for end in list(self._ends):
            sock: socket.socket | None = end.get_extra_info("socket")
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.transport.abort()
        self._ends.clear()

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, near: asyncio.StreamReader, near_end: asyncio.StreamWriter) -> None:
        self.dialled += 1
        self._ends.add(near_end)
        await self._passing.wait()
        try:
            far, far_end = await asyncio.open_connection(HOST, self._target)
        except OSError:
            near_end.transport.abort()
            return
        if near_end not in self._ends:  # reset while it waited
            far_end.transport.abort()
            return
        self._ends.add(far_end)
        for reader, writer in ((near, far_end), (far, near_end)):
            task = asyncio.create_task(self._carry(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: each chunk leaves `delay_s` after it came, in order."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(chunks, writer))
        try:
            while data := await reader.read(65536):
                chunks.put_nowait((self._loop.time() + self.delay_s, data))
            chunks.put_nowait((0.0, b""))
            await sending
        except OSError:
            pass
        finally:
            sending.cancel()
            writer.close()
            self._ends.discard(writer)

    async def _send(self, chunks: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await chunks.get()
            if not data:
                return
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._passing.wait()
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
