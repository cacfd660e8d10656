"""The gateway's side of the contract over a real broker, seen by a subscriber that is not ours."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.evidence import jws
from tests.broker import Mosquitto
from tests.deploy.mqtt_peer import Peer, Session
from tests.e2e.bench_center import GATEWAY, ORG, Center, Counter, center, stored_events
from tests.e2e.fussy_broker import ClosesOnMqtt5
from tests.e2e.independent import judge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
ROOT = f"cc/v1/{ORG}/{GATEWAY}"


def retained(broker: Mosquitto, topic: str) -> dict[str, object]:
    """The retained message on a topic, as a new subscriber gets it."""
    with Peer(Session(broker.port, client_id="onlooker")) as peer:
        peer.subscribe(topic)
        document: dict[str, object] = json.loads(peer.until(topic)[-1].payload)
        return document


def status(broker: Mosquitto) -> dict[str, object]:
    return retained(broker, f"{ROOT}/status")


def all_there(bench: Center) -> None:
    rows = stored_events(bench.db, "SELECT wire FROM event")
    receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
    judge((bytes(row["wire"]) for row in rows), receipts, bench.public_keys())  # type: ignore[call-overload]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_events_are_settled_on_both_versions(
    tmp_path: Path, mosquitto: Mosquitto, version: str
) -> None:
    with center(tmp_path, mosquitto, readers=1, uplink_config=f'mqtt_version = "{version}"') as bench:
        bench.start_receiver()
        bench.start_gateway()
        counter = Counter(bench.port_of(1), seed=1)
        await counter.open()
        await bench.until(lambda: len(bench.receipts()) > 8, "events")
        await counter.close()
        await bench.until(lambda: bench.waiting() == 0, "acks")
        assert status(mosquitto)["mqtt"] == version
        assert bench.stop_gateway() == 0
        assert status(mosquitto)["state"] == "offline"
        all_there(bench)


async def test_a_broker_that_closes_on_mqtt_5_gets_3_1_1(tmp_path: Path, mosquitto: Mosquitto) -> None:
    fussy = ClosesOnMqtt5(mosquitto.port)
    await fussy.start()
    try:
        with center(tmp_path, mosquitto, readers=1) as bench:
            bench.start_receiver()
            text = bench.config.read_text()
            bench.config.write_text(text.replace(f"127.0.0.1:{mosquitto.port}", f"127.0.0.1:{fussy.port}"))
            bench.start_gateway()
            await bench.until(lambda: bool(bench.receipts()) and bench.waiting() == 0, "acks")
            assert fussy.closed == 3, "two, and one more as proof once 3.1.1 was taken"
            assert status(mosquitto)["mqtt"] == "3.1.1"
            assert bench.stop_gateway() == 0
    finally:
        await fussy.stop()


async def test_a_pubacked_event_waits_until_the_center_has_it(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """The broker takes everything, forgets everything, and nothing is missing in the end."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        with Peer(Session(mosquitto.port, client_id="listener")) as peer:
            peer.subscribe(f"{ROOT}/evt/#")
            bench.start_gateway()
            counter = Counter(bench.port_of(1), seed=1)
            await counter.open()
            await bench.until(lambda: len(bench.receipts()) > 10, "events")
            await counter.close()
            await asyncio.to_thread(peer.until, f"{ROOT}/evt/identity")
        assert bench.waiting() == len(bench.receipts()), "a PUBACK settles nothing"
        mosquitto.kill()
        for left in (tmp_path / "broker").glob("*.db"):
            left.unlink()
        mosquitto.start()
        bench.start_receiver()
        await bench.until(lambda: bench.waiting() == 0, "acks")
        assert bench.stop_gateway() == 0
        all_there(bench)


async def test_without_a_center_that_acks_the_broker_settles_and_status_says_so(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1, uplink_config='ack_mode = "broker"') as bench:
        bench.start_gateway()
        await bench.until(lambda: bool(bench.receipts()), "events")
        await asyncio.sleep(0.5)
        assert bench.waiting() == len(bench.receipts()), "nobody listens: 0x10 is no delivery"
        assert bench.stop_gateway() == 0
        with Peer(Session(mosquitto.port, client_id="listener")) as peer:
            peer.subscribe("cc/#")
            bench.start_gateway()
            await bench.until(lambda: bench.waiting() == 0, "the broker's acks")
            assert status(mosquitto)["ack_mode"] == "broker"
            assert bench.stop_gateway() == 0


async def test_info_is_signed_and_names_the_epochs(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_gateway()
        await bench.until(lambda: "uplink connected" in bench.log_text("gateway"), "the uplink")
        with Peer(Session(mosquitto.port, client_id="onlooker")) as peer:
            peer.subscribe(f"{ROOT}/info")
            wire = (await asyncio.to_thread(peer.until, f"{ROOT}/info"))[-1].payload
        keys = bench.public_keys()
        message, kid, _ = jws.open_message(wire, lambda kid: Ed25519PublicKey.from_public_bytes(keys[kid]))
        assert kid == bench.keys.event_kid
        assert message["gw"] == GATEWAY
        epochs: Any = message["epochs"]
        assert [epoch["epoch"] for epoch in epochs] == [bench.receipts()[0].epoch]
        devices: Any = message["devices"]
        assert [device["id"] for device in devices] == ["idcard-1"]


async def test_a_killed_gateway_is_told_lost_by_its_will(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1, uplink_config='mqtt_version = "3.1.1"') as bench:
        bench.start_gateway()
        await bench.until(lambda: "uplink connected" in bench.log_text("gateway"), "the uplink")
        online = status(mosquitto)
        assert online["state"] == "online"
        bench.kill_gateway()
        lost = status(mosquitto)
        while lost["state"] != "lost":
            await asyncio.sleep(0.05)
            lost = status(mosquitto)
        assert lost["session"] == online["session"]


async def test_a_center_not_started_for_a_demo_refuses_demo_keys(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver(demo=False)
        bench.start_gateway()
        await bench.until(lambda: "uplink connected" in bench.log_text("gateway"), "the uplink")
        await asyncio.sleep(1.5)  # longer than any ack takes
        assert bench.waiting() == len(bench.receipts())
        bench.stop_receiver()
        bench.start_receiver()
        assert bench.stop_gateway() == 0
        bench.start_gateway()
        await bench.until(lambda: bench.waiting() == 0, "acks of a center started for a demo")
