"""A broker that misbehaves on purpose: what no real one does when asked, one flag each.

Speaks just enough MQTT 3.1.1 and 5 for one client: CONNACK, SUBACK, PUBACK, PINGRESP. Counts what a real
broker would not tell: how many publishes are out without a PUBACK.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12


@dataclass(slots=True)
class ScriptedBroker:
    """`async with ScriptedBroker(...) as broker:` serves on `broker.port`."""

    receive_maximum: int | None = None  # MQTT 5
    answers_publishes: bool = True
    answers_pings: bool = True
    closes_on_subscribe: bool = False
    keeps_sessions: bool = False  # says that it knows whoever comes
    refuses_topics: tuple[str, ...] = ()
    puback: dict[str, int] = field(default_factory=dict)  # end of a topic -> reason code (MQTT 5)
    hold: bool = False  # PUBACKs are kept back until `release`
    garbage: bytes = b""  # sent instead of the first PUBACK
    port: int = 0
    topics: list[str] = field(default_factory=list)  # of every PUBLISH, in order
    connects: int = 0
    most_out: int = 0
    _held: list[bytes] = field(default_factory=list)
    _writer: asyncio.StreamWriter | None = None
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "ScriptedBroker":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def release(self) -> None:
        """Answer everything that was held, and hold no more."""
        self.hold = False
        assert self._writer is not None
        for answer in self._held:
            self._writer.write(answer)
        self._held.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writer = writer
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._talk(reader, writer)
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        v5 = False
        while True:
            first = (await reader.readexactly(1))[0]
            body = await reader.readexactly(await _length(reader))
            kind = first >> 4
            if kind == CONNECT:
                self.connects += 1
                v5 = body[6] == 5
                writer.write(self._connack(v5=v5))
            elif kind == SUBSCRIBE:
                if self.closes_on_subscribe:
                    return
                writer.write(self._suback(body, v5=v5))
            elif kind == PUBLISH:
                self._take(first, body, writer, v5=v5)
            elif kind == PINGREQ and self.answers_pings:
                writer.write(b"\xd0\x00")

    def _connack(self, *, v5: bool) -> bytes:
        if not v5:
            return bytes([0x20, 2, self.keeps_sessions, 0])
        properties = (
            b"" if self.receive_maximum is None else b"\x21" + self.receive_maximum.to_bytes(2, "big")
        )
        return bytes([0x20, 3 + len(properties), self.keeps_sessions, 0, len(properties)]) + properties

    def _suback(self, body: bytes, *, v5: bool) -> bytes:
        at = 3 + body[2] if v5 else 2
        codes = b""
        while at < len(body):
            size = int.from_bytes(body[at : at + 2], "big")
            topic = body[at + 2 : at + 2 + size].decode()
            codes += b"\x80" if topic.endswith(self.refuses_topics or ("\0",)) else b"\x01"
            at += size + 3
        answer = body[:2] + (b"\x00" if v5 else b"") + codes
        return bytes([0x90, len(answer)]) + answer

    def _take(self, first: int, body: bytes, writer: asyncio.StreamWriter, *, v5: bool) -> None:
        size = int.from_bytes(body[:2], "big")
        topic = body[2 : 2 + size].decode()
        self.topics.append(topic)
        if not first & 0x06:
            return
        mid = body[2 + size : 4 + size]
        reason = next((code for end, code in self.puback.items() if topic.endswith(end)), 0)
        answer = b"\x40\x04" + mid + bytes([reason, 0]) if v5 and reason else b"\x40\x02" + mid
        if self.garbage:
            writer.write(self.garbage)
            return
        self._held.append(answer)
        self.most_out = max(self.most_out, len(self._held))
        if self.answers_publishes and not self.hold:
            writer.write(self._held.pop())


async def _length(reader: asyncio.StreamReader) -> int:
    value, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value
        shift += 7
