"""Some gateways on the loop of a drill: real signed events over real connections, with the patience of a drill.

Each makes events at a rate, has at most a window of them out, settles what a signed ack proves, and sends
everything unsettled again when nothing has settled for a second. All it shares with the product's uplink is
what reads an ack.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.clock import SystemClock
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal
from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.mqtt_bridge import ConnectFailed, Connection, Endpoint, connect
from gateway.uplink.acks import EpochAck, read_ack
from gateway.uuid7 import uuid7

ORG = "370102"
WINDOW = 48
PATIENCE_S = 1.0

OnAck = Callable[["SmallGateway", EpochAck], None]


@dataclass(slots=True)
class SmallGateway:
    """One gateway, whose card nobody takes away."""

    number: int
    port: int
    ack_key: Ed25519PublicKey
    on_ack: OnAck
    per_s: float
    signer: Signer = field(init=False)
    epoch: str = field(default_factory=lambda: f"{random.getrandbits(32):08x}")
    made: list[Sealed] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)
    making: bool = True
    _out: set[int] = field(default_factory=set)
    _moved_s: float = 0.0

    def __post_init__(self) -> None:
        self.signer = Signer(f"{self.name}#1", Ed25519PrivateKey.generate())

    @property
    def name(self) -> str:
        return f"gw-{ORG}-{self.number:02}"

    def topic(self, rest: str) -> str:
        return f"cc/v1/{ORG}/{self.name}/{rest}"

    def receipts(self) -> list[tuple[str, int, str, str]]:
        """What a center that is whole must hold."""
        return [
            (self.epoch, event.seq, json.loads(event.wire)["id"], event.hash.hex()) for event in self.made
        ]

    async def run(self) -> None:
        """Go on until cancelled; connects again for ever."""
        while True:
            try:
                connection = await connect(
                    Endpoint(host="127.0.0.1", port=self.port, client_id=self.name),
                    (self.topic("ack"),),
                    None,
                )
            except ConnectFailed:
                await asyncio.sleep(0.2)
                continue
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._make(connection))
                    tasks.create_task(self._hear(connection))
                    tasks.create_task(self._send(connection))
            finally:
                await connection.close()

    async def _make(self, _connection: Connection) -> None:
        clock = SystemClock()
        while True:
            await asyncio.sleep(random.expovariate(self.per_s))
            if not self.making:
                continue
            seq, last = len(self.made) + 1, self.made[-1].hash if self.made else GENESIS
            opening: dict[str, Json] = {
                "reason": "new_store",
                "profile": "intl",
                "software": "0",
                "previous": None,
            }
            draft = Draft(
                id=uuid7(clock.now().wall_ms),
                type="system.epoch_opened" if seq == 1 else "identity.card_read",
                subject=f"gateway/{self.name}" if seq == 1 else "device/idcard-1",
                device="gateway" if seq == 1 else "idcard-1",
                at=clock.now(),
                data=opening if seq == 1 else {"n": seq},
            )
            self.made.append(
                seal(draft, Place(ORG, self.name, self.epoch, seq, last), clock.now(), self.signer)
            )

    async def _hear(self, connection: Connection) -> None:
        while True:
            message = await connection.incoming.get()
            message.done()
            try:
                told = read_ack(message.payload, self.name, lambda _kid: self.ack_key)
            except ContractError as exc:
                raise AssertionError(f"{self.name}: an ack that is none: {exc}") from exc
            for ack in told:
                if ack.epoch == self.epoch:
                    self._settle(ack)
                    self.on_ack(self, ack)

    def _settle(self, ack: EpochAck) -> None:
        told = set(range(1, ack.upto + 1)).union(*(range(first, last + 1) for first, last in ack.sack))
        if told - self.settled:
            self._moved_s = time.monotonic()
        self.settled |= told
        self._out -= told

    async def _send(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(0.02)
            now_s = time.monotonic()
            if self._out and now_s - self._moved_s > PATIENCE_S:
                self._out.clear()
                self._moved_s = now_s
            for event in self.made:
                if len(self._out) >= WINDOW:
                    break
                if event.seq not in self.settled and event.seq not in self._out:
                    if not self._out:
                        self._moved_s = now_s
                    self._out.add(event.seq)
                    where = "evt/system" if event.seq == 1 else "evt/identity"
                    connection.publish_event(self.topic(where), event.wire, lambda _code: None, replay=False)
