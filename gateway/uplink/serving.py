"""One connection, served: what comes in is handed to its room, what is due is done, what is dead is given up."""

import asyncio
import logging
import time
from dataclasses import dataclass

from gateway.ingest.alarms import Alarms
from gateway.mqtt_bridge import Closed, Connection, Message
from gateway.mqtt_bridge.watch import until_closed
from gateway.uplink.announcer import Announcer
from gateway.uplink.center import Center
from gateway.uplink.commands import Commands
from gateway.uplink.identity import IdentityWatch
from gateway.uplink.refused_pages import RefusedPages
from gateway.uplink.requests import Requests
from gateway.uplink.sender import Sender
from gateway.uplink.topics import Topics

log = logging.getLogger(__name__)

ACKS_WAITING = 64
ASK_ACK_AFTER_S = 10.0
ASK_ACK_EVERY_S = 60.0
LOOK_EVERY_S = 1.0


class ConnectionEnded(Exception):  # noqa: N818 - carries a reason out of the task group
    """The connection served is over."""

    def __init__(self, closed: Closed) -> None:
        super().__init__(closed.text)
        self.closed = closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Who deals with what, on every connection."""

    topics: Topics
    sender: Sender
    center: Center
    commands: Commands
    requests: Requests
    refused_pages: RefusedPages
    announcer: Announcer
    identity: IdentityWatch
    alarms: Alarms


class Serving:
    """Serves one connection until it ends: `run` raises `ConnectionEnded`."""

    def __init__(self, rooms: Rooms, connection: Connection, *, session: str, wants_acks: bool) -> None:
        self._rooms = rooms
        self._connection = connection
        self._session = session
        self._wants_acks = wants_acks
        self._began_s = time.monotonic()
        self._acked = False
        self._acks: asyncio.Queue[Message] = asyncio.Queue(ACKS_WAITING)

    async def run(self) -> None:
        """Serve; raises `ConnectionEnded`, or `StoreRefused` from a part that met it."""
        rooms, connection = self._rooms, self._connection
        rooms.requests.connected(connection)
        rooms.commands.connected(connection, self._session)
        await rooms.announcer.greet(connection, self._began_s)
        parts = {
            "send": rooms.sender.run(connection),
            "receive": self._receive(),
            "acks": self._take_acks(),
            "commands": rooms.commands.serve(),
            "look": self._look(),
            "ask": self._ask(),
            "watch": self._watch(),
        }
        async with asyncio.TaskGroup() as group:
            for name, part in parts.items():
                group.create_task(part, name=f"uplink-{name}")

    async def _receive(self) -> None:
        rooms = self._rooms
        command, result = rooms.topics.command(""), rooms.topics.result("")
        while True:
            message = await self._connection.incoming.get()
            if message.topic.startswith(command):
                rooms.commands.take(message)  # tells the broker itself, when the outcome is stored
                continue
            if message.topic == rooms.topics.ack:
                await self._acks.put(message)  # beside: it may wait for a commit, and a command must not
                continue
            if message.topic == rooms.topics.status:
                self._take_status(message)
            elif message.topic.startswith(result):
                rooms.requests.take(message)
            message.done()

    async def _take_acks(self) -> None:
        """All that wait, at once."""
        while True:
            waiting = [await self._acks.get()]
            while not self._acks.empty():
                waiting.append(self._acks.get_nowait())
            applied = await self._rooms.center.take_acks([message.payload for message in waiting])
            if applied is not None:
                self._acked = True
                self._rooms.refused_pages.want(applied.unlisted)
            for message in waiting:
                message.done()

    def _take_status(self, message: Message) -> None:
        identity = self._rooms.identity
        if identity.saw_status(message.payload, time.monotonic(), retained=message.retained):
            log.warning("a session that is not ours on our own status topic")

    async def _look(self) -> None:
        """What is due by time or by change, once a second."""
        rooms = self._rooms
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now_s = time.monotonic()
            await rooms.announcer.look(now_s, blocked=rooms.center.blocked)
            await rooms.center.look(now_s)
            await self._mind_refusals()
            if rooms.identity.doubled(now_s):
                await rooms.alarms.raise_("duplicate_identity", "gateway", {})
            elif rooms.identity.calm(now_s, self._began_s):
                await rooms.alarms.clear("duplicate_identity", "gateway")

    async def _mind_refusals(self) -> None:
        """One alarm for each class that the broker refuses; over when it takes that class again."""
        refusals, alarms = self._rooms.sender.refusals, self._rooms.alarms
        for cls, reason in refusals.standing.items():
            await alarms.raise_("not_delivered", cls, {"class": cls, "reason": f"0x{reason:02x}"})
        for key in list(alarms.standing):
            kind, _, cls = key.partition("/")
            if kind == "not_delivered" and cls not in refusals.standing and cls in refusals.accepted:
                await alarms.clear(kind, cls)

    async def _ask(self) -> None:
        """A broker may have forgotten the retained ack; an ack may list fewer refusals than there are."""
        if not self._wants_acks:
            return
        due_s = self._began_s + ASK_ACK_AFTER_S
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now_s = time.monotonic()
            if not self._acked and now_s >= due_s:
                self._rooms.requests.ask_ack()
                due_s = now_s + ASK_ACK_EVERY_S
            await self._rooms.refused_pages.look(now_s)

    async def _watch(self) -> None:
        """Give the connection up when it is dead, and end with it."""
        raise ConnectionEnded(await until_closed(self._connection))
