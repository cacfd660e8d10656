"""The center commands one gateway: sign, send, hear what became of it (contract, Commands).

A command names the session of the gateway's last online status. One that is not answered is sent again with the same
id, which the gateway never runs twice; one that met a session that was over was not carried out, and goes out anew.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from gateway.clock import iso_ms
from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.mqtt_bridge import FAILURE, Connection
from gateway.receiver.topics import of_gateway
from gateway.uuid7 import uuid7

REPEAT_EVERY_S = 30.0
VALID_S = 300  # what is not taken by then is void
ON_THE_WAY = frozenset({"accepted", "running"})


@dataclass(frozen=True, slots=True)
class Said:
    """What the gateway said of the command; `status` is one of the contract's."""

    status: str
    result: Mapping[str, Json]
    code: str = ""
    message: str = ""

    @property
    def final(self) -> bool:
        """Nothing more will come."""
        return self.status not in ON_THE_WAY


class NoAnswer(Exception):  # noqa: N818 - named for the condition
    """The gateway is not there, or does not answer. Codes: `offline`, `no_answer`, `not_sent`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Commanding:
    """One command to one gateway, over a connection that listens to `topics`."""

    connection: Connection
    gateway: str
    name: str
    args: Mapping[str, Json]
    signer: Signer
    by: str
    wall_ms: Callable[[], int]
    cmdid: str = ""
    _session: str = ""
    _came: asyncio.Queue[Said] = field(default_factory=asyncio.Queue)
    _online: asyncio.Event = field(default_factory=asyncio.Event)

    @staticmethod
    def topics(gateway: str, name: str) -> tuple[str, ...]:
        """What the connection must listen to."""
        return of_gateway(gateway, "status"), of_gateway(gateway, f"rsp/{name}")

    async def run(self, wait_s: float) -> AsyncIterator[Said]:
        """Send, and yield what is said, the outcome last. Raises `NoAnswer` after `wait_s` without an outcome."""
        end_s = time.monotonic() + wait_s
        listening = asyncio.create_task(self._listen(), name="commanding-listen")
        try:
            await self._until_online(end_s)
            self.cmdid = uuid7(self.wall_ms())
            await self._send()
            while True:
                said = await self._next(end_s)
                if said.code == "session" and said.status == "rejected":
                    self.cmdid = uuid7(self.wall_ms())
                    await self._send()
                    continue
                yield said
                if said.final:
                    return
        finally:
            listening.cancel()

    async def _until_online(self, end_s: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, end_s - time.monotonic())):
                await self._online.wait()
        except TimeoutError as exc:
            raise NoAnswer(
                "offline", f"{self.gateway} is not online at this broker; see its status page and its uplink"
            ) from exc

    async def _next(self, end_s: float) -> Said:
        while True:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise NoAnswer(
                    "no_answer",
                    f"no outcome from {self.gateway} in time; ask again with the same id {self.cmdid}",
                )
            try:
                async with asyncio.timeout(min(left_s, REPEAT_EVERY_S)):
                    return await self._came.get()
            except TimeoutError:
                if end_s > time.monotonic():
                    await self._send()

    async def _send(self) -> None:
        now_ms = self.wall_ms()
        message: dict[str, Json] = {
            "v": 1,
            "gw": self.gateway,
            "name": self.name,
            "cmdid": self.cmdid,
            "session": self._session,
            "issued": iso_ms(now_ms),
            "expires": iso_ms(now_ms + VALID_S * 1000),
            "by": self.by,
            "args": dict(self.args),
        }
        wire = self.signer.sign_object(message)
        if len(wire) > canonical.MAX_BYTES:
            raise NoAnswer(
                "not_sent", f"the command has {len(wire)} bytes, at most {canonical.MAX_BYTES} are taken"
            )
        taken = await self.connection.publish(of_gateway(self.gateway, f"cmd/{self.name}"), wire)
        if taken >= FAILURE:
            raise NoAnswer(
                "not_sent",
                f"the broker did not take the command (reason 0x{taken:02X}); check its access list",
            )

    async def _listen(self) -> None:
        status_topic, _ = self.topics(self.gateway, self.name)
        while True:
            message = await self.connection.incoming.get()
            message.done()
            content = _object(message.payload)
            if message.topic == status_topic:
                session = content.get("session")
                if content.get("state") == "online" and isinstance(session, str):
                    self._session = session
                    self._online.set()
            elif content.get("cmdid") == self.cmdid and self.cmdid:
                self._came.put_nowait(_said(content))


def _said(content: Mapping[str, Json]) -> Said:
    result, error = content.get("result"), content.get("error")
    members = error if isinstance(error, dict) else {}
    return Said(
        status=str(content.get("status")),
        result=result if isinstance(result, dict) else {},
        code=str(members.get("code", "")),
        message=str(members.get("msg", "")),
    )


def _object(payload: bytes) -> Mapping[str, Json]:
    """Answers are JSON, not signed; one that cannot be read says nothing."""
    try:
        return canonical.parse(payload)
    except ContractError:
        return {}
