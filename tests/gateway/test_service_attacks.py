"""The receiver's service on a broker that misbehaves."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.mqtt_bridge import Endpoint
from gateway.receiver import service
from tests.gateway.receiver_fixtures import Time, chain, message, receiving
from tests.gateway.scripted_broker import ScriptedBroker
from tests.gateway.uplink_bench import until


@pytest.mark.skipif(os.environ.get("DRILLS") != "long", reason="not run: takes a minute; DRILLS=long")
async def test_a_receiver_whose_acks_no_broker_takes_connects_again(tmp_path: Path) -> None:
    """It answers pings and no publish: as the gateway does, the receiver has to give such a line up."""
    time = Time()
    async with (
        ScriptedBroker(answers_publishes=False) as broker,
        receiving(tmp_path / "c.db", time) as receiver,
    ):
        events = chain(120)
        stop = asyncio.Event()
        endpoint = Endpoint(
            host="127.0.0.1", port=broker.port, client_id="receiver", version="3.1.1", keepalive_s=5
        )
        running = asyncio.create_task(service.Service(receiver, endpoint, lambda _v: None).run(stop))
        await until(lambda: broker.connects, "the receiver")
        for event in events:
            await receiver.accept(*message(event))
            time.pass_s(1)
            await asyncio.sleep(0.02)
        published = len(broker.topics)
        await asyncio.sleep(40)
        connects, after = broker.connects, len(broker.topics)
        stop.set()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        print(f"\n{published} acks out, {after} after 40 s, {connects} connections")
        assert connects > 1, "it sits on a dead line for ever"
