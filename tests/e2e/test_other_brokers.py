"""The gateway's side of the contract over brokers that are not mosquitto: a NATS cluster, RabbitMQ.

Both speak MQTT 3.1.1 only, and the gateway finds that out by itself.
"""

import asyncio
import json
from pathlib import Path

import pytest

from tests.brokers.engines import ENGINES
from tests.deploy.mqtt_peer import V311, Peer, Session
from tests.drills.ground import LONG
from tests.e2e.bench_center import GATEWAY, ORG, Center, Counter, center, stored_events
from tests.e2e.independent import judge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
ROOT = f"cc/v1/{ORG}/{GATEWAY}"


def retained(port: int, topic: str) -> dict[str, object]:
    """What a new subscriber gets."""
    with Peer(Session(port, client_id="onlooker", version=V311)) as peer:
        peer.subscribe(topic)
        document: dict[str, object] = json.loads(peer.until(topic)[-1].payload)
        return document


async def some_cards(bench: Center, more: int) -> None:
    before = len(bench.receipts())
    counter = Counter(bench.port_of(1), seed=before)
    await counter.open()
    await bench.until(lambda: len(bench.receipts()) >= before + more, "events")
    await counter.close()


@pytest.mark.parametrize("name", ["nats", "rabbitmq"])
async def test_everything_the_gateway_counts_on(name: str, tmp_path: Path) -> None:
    if not LONG:
        pytest.skip("not run: takes a minute; DRILLS=long")
    with ENGINES[name]() as broker, center(tmp_path, broker, readers=1) as bench:  # type: ignore[arg-type]
        bench.receiver_mqtt = "3.1.1"
        bench.start_receiver()
        bench.start_gateway()
        await some_cards(bench, 5)
        await bench.until(lambda: bench.waiting() == 0, "acks", 90)
        status = retained(broker.port, f"{ROOT}/status")
        assert (status["mqtt"], status["state"]) == ("3.1.1", "online")
        assert retained(broker.port, f"{ROOT}/info")["gw"] == GATEWAY
        assert retained(broker.port, f"{ROOT}/ack")["gw"] == GATEWAY

        bench.kill_gateway()
        lost = retained(broker.port, f"{ROOT}/status")
        while lost["state"] != "lost":
            await asyncio.sleep(0.1)
            lost = retained(broker.port, f"{ROOT}/status")
        assert lost["session"] == status["session"]

        bench.start_gateway()
        await bench.until(lambda: bench.log_text("gateway").count("uplink connected") >= 2, "the uplink")
        bench.stop_receiver()
        await some_cards(bench, 5)
        assert bench.waiting() >= 5, "a PUBACK settles nothing"
        bench.start_receiver()
        await bench.until(lambda: bench.waiting() == 0, "acks: what the broker kept for the center", 90)

        with Peer(Session(broker.port, client_id=GATEWAY, version=V311)):
            pass  # another one of this name
        await some_cards(bench, 3)
        await bench.until(lambda: bench.waiting() == 0, "acks: after it was thrown out once", 120)
        assert bench.stop_gateway() == 0
        assert retained(broker.port, f"{ROOT}/status")["state"] == "offline"
        rows = stored_events(bench.db, "SELECT wire FROM event")
        receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
        judge((bytes(row["wire"]) for row in rows), receipts, bench.public_keys())  # type: ignore[call-overload]
