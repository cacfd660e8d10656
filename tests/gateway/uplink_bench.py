"""A whole uplink in the test's own process, on a real broker, and a center's client that signs.

The store, the sender and every room are the real ones; only devices and page are missing.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import Clock, Stamp, SystemClock, iso_ms
from gateway.envelope import Draft
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.mqtt_bridge import Connection, Endpoint, Message, connect
from gateway.store.opening import StoreSettings
from gateway.store.outbox import URGENT_LANE, Row
from gateway.store.store import MakeDraft, Store, open_store
from gateway.store.tail import Committed
from gateway.uplink.commands import Run
from gateway.uplink.sender import Sender
from gateway.uplink.topics import Topics
from gateway.uplink.uplink import Uplink
from gateway.uuid7 import uuid7
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER, draft

TOPICS = Topics(ORG, GATEWAY)
KEYS = {
    role: Signer(f"{role.value}#1", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32))
    for n, role in enumerate((Role.ACK, Role.OPERATIONS, Role.ROOT), start=1)
}
TRUST = TrustStore(
    [TrustedKey(key.kid, role, None, key.public.public_bytes_raw()) for role, key in KEYS.items()]
)
DEADLINE_S = 20.0


async def until(claim: Callable[[], object], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Return when `claim()` is true."""
    try:
        async with asyncio.timeout(timeout_s):
            while not claim():  # noqa: ASYNC110 - the claim has no event of its own
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s for {what}") from None


@dataclass(slots=True)
class Bench:
    """The parts of one uplink."""

    store: Store
    ingest: Ingest
    alarms: Alarms
    sender: Sender
    uplink: Uplink
    metrics: Metrics
    clock: Clock
    opening: MakeDraft

    async def append(self, count: int, kind: str = "identity.card_read") -> None:
        """Commit events."""
        stamp = self.clock.now()
        await self.store.append([draft(stamp, kind, n=n) for n in range(count)], stamp)

    def count(self, name: str, **labels: str) -> float:
        """A counter's value."""
        return self.metrics.registry.get_sample_value(f"zhijiao_{name}", labels) or 0.0


@asynccontextmanager
async def uplink_on(
    port: int,
    path: Path,
    *,
    clock: Clock | None = None,
    version: str = "3.1.1",
    keepalive_s: int = 30,
    drain_cap_per_s: int = 0,
    orders: Mapping[str, Run] | None = None,
    places: Sequence[tuple[str, int]] = (),
) -> AsyncIterator[Bench]:
    """A running uplink; ends with the block."""
    clock = clock or SystemClock()
    metrics = Metrics()
    settings = StoreSettings(path=path, org=ORG, gateway=GATEWAY, reserve_mib=1)
    store = await open_store(settings, SIGNER, clock.now())
    ingest = Ingest(store, clock, Sealer(GATEWAY, bytes(32), None), metrics, GATEWAY)

    def opening(stamp: Stamp, data: dict[str, Json]) -> Draft:
        return ingest.draft("system.epoch_opened", {**data, "profile": "intl", "software": "test"}, stamp)

    stamp = clock.now()
    await store.start(stamp, lambda _kind, data: opening(stamp, data))
    alarms = Alarms(ingest, store)
    await alarms.load()
    sender = Sender(
        store,
        TOPICS,
        metrics,
        drain_cap_per_s=drain_cap_per_s,
        settle_on_puback=False,
        clock=clock,
        on_sent=lambda _n: None,
        on_settled=lambda _ranges: None,
    )

    def committed(_seconds: float, events: Sequence[Committed], rows: Sequence[Row]) -> None:
        sender.committed(rows, [(event.n, event.mono_ms) for event in events if event.lane == URGENT_LANE])

    store.on_commit(committed)
    uplink = Uplink(
        endpoint=Endpoint(
            host="127.0.0.1", port=port, client_id=GATEWAY, version=version, keepalive_s=keepalive_s
        ),
        places=places,
        auto_version=False,
        ack_mode="center",
        topics=TOPICS,
        store=store,
        sender=sender,
        clock=clock,
        signer=SIGNER,
        find_key=TRUST.find,
        seals=False,
        alarms=alarms,
        metrics=metrics,
        devices=lambda: (),
        on_settled=lambda _ranges: None,
        on_rejected=lambda _n: None,
        opening=opening,
        orders=orders or {},
    )
    running = asyncio.create_task(uplink.run())
    try:
        yield Bench(store, ingest, alarms, sender, uplink, metrics, clock, partial(opening, stamp))
        assert not running.done(), "the uplink ended"
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await store.close(clean=True)


class CenterClient:
    """The center's client at the broker: keeps what comes, signs what goes."""

    def __init__(self, connection: Connection) -> None:
        self.came: dict[str, list[bytes]] = {}
        self._connection = connection
        self._taking = asyncio.create_task(self._take())

    async def _take(self) -> None:
        while True:
            message: Message = await self._connection.incoming.get()
            self.came.setdefault(message.topic, []).append(message.payload)
            message.done()

    def on(self, topic: str) -> list[bytes]:
        """What came on a topic."""
        return self.came.setdefault(topic, [])

    def status(self) -> dict[str, Json]:
        """The gateway's last status."""
        came = self.on(TOPICS.status)
        return json.loads(came[-1]) if came else {}

    async def online(self) -> dict[str, Json]:
        """The status of a connected gateway."""
        await until(lambda: self.status().get("state") == "online", "an online status")
        return self.status()

    def events(self) -> list[bytes]:
        """Every event message, in order within a class."""
        return [wire for topic, wires in self.came.items() if "/evt/" in topic for wire in wires]

    async def publish(self, topic: str, wire: bytes, *, retain: bool = False) -> None:
        """At QoS 1, until the broker has it."""
        async with asyncio.timeout(DEADLINE_S):
            assert await self._connection.publish(topic, wire, retain=retain) < 0x80

    async def command(
        self,
        name: str,
        args: dict[str, Json],
        *,
        role: Role = Role.ACK,
        changes: dict[str, Json] | None = None,
    ) -> str:
        """Send a signed command; its id."""
        now_ms = SystemClock().now().wall_ms
        message: dict[str, Json] = {
            "v": 1,
            "gw": GATEWAY,
            "name": name,
            "cmdid": uuid7(now_ms),
            "session": (await self.online())["session"],
            "issued": iso_ms(now_ms),
            "expires": iso_ms(now_ms + 60_000),
            "by": "desk-1",
            "args": args,
            **(changes or {}),
        }
        await self.publish(TOPICS.command(name), KEYS[role].sign_object(message))
        return str(message["cmdid"])

    async def answer(self, name: str, cmdid: str, nth: int = 1) -> dict[str, Json]:
        """The nth answer to a command."""

        def answers() -> list[dict[str, Json]]:
            found = [json.loads(wire) for wire in self.on(TOPICS.response(name))]
            return [one for one in found if one["cmdid"] == cmdid]

        await until(lambda: len(answers()) >= nth, f"answer {nth} to {name}")
        return answers()[nth - 1]

    async def ack(self, epoch: str, upto: int, head: bytes, **members: Json) -> None:
        """Publish an ack of one epoch, retained."""
        await self.publish(TOPICS.ack, ack_of(epoch, upto, head, **members), retain=True)

    async def close(self) -> None:
        """Leave."""
        self._taking.cancel()
        await self._connection.close()


def ack_of(epoch: str, upto: int, head: bytes, **members: Json) -> bytes:
    """A signed ack of one epoch."""
    entry: dict[str, Json] = {
        "epoch": epoch,
        "upto": f"{upto:016d}",
        "head": head.hex(),
        "sack": [],
        "lost": [],
        "rejected_n": 0,
        "rejected": [],
        "blocked": None,
        **members,
    }
    return KEYS[Role.ACK].sign_object(
        {"v": 1, "gw": GATEWAY, "epochs": [entry], "ts": "2026-11-22T01:02:05.400Z"}
    )


@asynccontextmanager
async def center_on(port: int) -> AsyncIterator[CenterClient]:
    """The center's client, subscribed to everything of the gateway's."""
    connection = await connect(
        Endpoint(host="127.0.0.1", port=port, client_id="center", version="3.1.1", receive_maximum=4096),
        tuple(f"{TOPICS.root}/{end}" for end in ("info", "status", "evt/#", "req/#", "rsp/#")),
        None,
    )
    client = CenterClient(connection)
    try:
        yield client
    finally:
        await client.close()
