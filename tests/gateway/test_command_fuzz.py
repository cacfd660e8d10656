"""Whatever comes on `cmd/#`: nothing is done that no key of the center signed for us, and nothing is done twice."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from gateway.clock import ManualClock, iso_ms
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.metrics import Metrics
from gateway.mqtt_bridge import Message
from gateway.store import commands as book
from gateway.uplink.command_message import SIGNERS, Command
from gateway.uplink.commands import Commands, Tell
from gateway.uuid7 import uuid7
from tests.gateway.store_fixtures import GATEWAY, SIGNER, running_store
from tests.gateway.uplink_bench import KEYS, TOPICS, TRUST

ROUNDS = 1_500
SESSION = "session-1"
NAMES = ("rollcall", "wipe", "ping", "config-set")
ODD: tuple[Json, ...] = (None, True, 0, -1, 2**53 - 1, "", "x", "é" * 40, [], [[]], {}, {"a": {}})


class Broker:
    """Takes every answer."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def publish(self, topic: str, wire: bytes) -> "asyncio.Future[int]":
        self.said.append((topic, json.loads(wire)))
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        done.set_result(0)
        return done


def genuine(rng: random.Random, clock: ManualClock) -> tuple[str, dict[str, Json], bytes]:
    name = rng.choice(NAMES)
    now_ms = clock.now().wall_ms
    message: dict[str, Json] = {
        "v": 1, "gw": GATEWAY, "name": name, "cmdid": uuid7(now_ms), "session": SESSION, "issued": iso_ms(now_ms),
        "expires": iso_ms(now_ms + 60_000), "by": "desk", "args": {"n": rng.randrange(9)},
    }  # fmt: skip
    return name, message, KEYS[SIGNERS[name]].sign_object(message)


def spoiled(rng: random.Random, name: str, message: dict[str, Json], wire: bytes) -> tuple[str, bytes]:
    """Another message on some topic, which no key signed for it, or the wrong one."""
    kind = rng.choice(
        ("flip", "cut", "topic", "role", "gateway-key", "foreign", "member", "unsigned", "twice")
    )
    if kind == "flip":
        torn = bytearray(wire)
        torn[rng.randrange(len(torn))] ^= rng.randrange(1, 256)
        return name, bytes(torn)
    if kind == "cut":
        return name, wire[: rng.randrange(len(wire))]
    if kind == "topic":
        return rng.choice([one for one in (*SIGNERS, "", "a/b", "x" * 300) if one != name]), wire
    if kind == "role":
        wrong = rng.choice([role for role in KEYS if role is not SIGNERS[name]])
        return name, KEYS[wrong].sign_object(message)
    if kind == "gateway-key":
        return name, SIGNER.sign_object(message)
    if kind == "foreign":
        return name, KEYS[SIGNERS[name]].sign_object({**message, "gw": "gw-370102-02"})
    if kind == "member":  # the center's own mistake in what says whose and which it is
        member = rng.choice(("gw", "name", "cmdid"))
        return name, KEYS[SIGNERS[name]].sign_object({**message, member: rng.choice(ODD)})
    if kind == "unsigned":
        return name, canonical.encode(message)
    return name, wire + wire


async def test_only_what_was_signed_for_us_is_done_and_only_once(tmp_path: Path) -> None:
    rng, clock, acted = random.Random(11), ManualClock(), Counter[str]()

    async def act(command: Command, _tell: Tell) -> dict[str, Json]:
        acted[command.cmdid] += 1
        return {}

    async with running_store(tmp_path / "s.db", clock) as store:
        commands = Commands(
            topics=TOPICS,
            store=store,
            clock=clock,
            metrics=Metrics(),
            find_key=TRUST.find,
            put_back=lambda: None,
            orders=dict.fromkeys(("rollcall", "wipe", "config-set"), act),
        )
        broker = Broker()
        commands.connected(broker, SESSION)  # type: ignore[arg-type]
        serving = asyncio.create_task(commands.serve())
        signed, old = set[str](), list[tuple[str, bytes]]()
        for _ in range(ROUNDS):
            name, message, wire = genuine(rng, clock)
            chosen = rng.random()
            if chosen < 0.15:
                signed.add(str(message["cmdid"]))
                old.append((name, wire))
            elif chosen < 0.25 and old:
                name, wire = rng.choice(old)  # replayed
            elif chosen < 0.35:  # signed, and wrong inside: it is answered, and not done
                member = rng.choice(("session", "expires", "v"))
                wire = KEYS[SIGNERS[name]].sign_object({**message, member: rng.choice(ODD)})
            else:
                name, wire = spoiled(rng, name, message, wire)
            taken = asyncio.Event()
            commands.take(Message(TOPICS.command(name), wire, taken.set))
            await asyncio.wait_for(taken.wait(), 10)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        pings = {str(said["cmdid"]) for topic, said in broker.said if topic.endswith("/ping")}
        assert set(acted) <= signed
        assert set(acted) | pings >= signed
        assert set(acted.values()) == {1}
        assert await store.read(lambda _box: book.unfinished()) == []
        assert {said["status"] for _, said in broker.said} == {"done", "rejected"}
