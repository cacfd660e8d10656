"""The center's database is down for an hour, the broker is up: check-ins count, nobody is flooded, then all settles.

A subscriber takes every event and PUBACKs it, and no ack ever comes. The gateway is the real command on a
monotonic clock that runs faster, so that the hour with all its patience takes half a minute. Control: a
gateway that begins again every 10 s must be counted above the limit.
"""

import asyncio
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.broker import Mosquitto, free_port
from tests.deploy.mqtt_peer import Peer, Session
from tests.drills.ground import drained, form, rated, weighed
from tests.e2e.bench_center import GATEWAY, ORG, Center, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=120, long=600))]

HURRIED = ("-m", "tests.drills.hurried_gateway")
HOUR_S = 3600.0
HURRY = form(ci=240.0, long=30.0)  # how much faster the gateway's clock runs
MOST_PUBLISHES = 600
ROOT = f"cc/v1/{ORG}/{GATEWAY}"


async def an_hour(bench: Center, peer: Peer, port: int) -> tuple[int, int]:
    """(publishes of events, receipts) in an hour of the gateway; its page answers all the while."""
    bench.env["ZHIJIAO_DRILL_HURRY"] = str(HURRY)
    bench.start_gateway(*HURRIED)
    await bench.until(lambda: bool(bench.receipts()), "the first event")
    began, before = time.monotonic(), len(bench.receipts())
    await bench.until(lambda: page_answers(port), "the page", 20)
    while time.monotonic() - began < HOUR_S / HURRY:
        assert await asyncio.to_thread(page_answers, port), "the page answers"
        await asyncio.sleep(1)
        assert bench.gateway is not None
        assert bench.gateway.poll() is None, "the gateway is alive"
    taken = len(bench.receipts()) - before
    await asyncio.to_thread(peer.publish, "drill/end", b"")
    seen = await asyncio.to_thread(peer.until, "drill/end")
    return sum(message.topic.startswith(f"{ROOT}/evt/") for message in seen), taken


def page_answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


async def test_a_center_without_its_database_is_not_flooded(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    port = free_port()
    with center(
        tmp_path, mosquitto, readers=0, device_config=rated(1), api_config=f'listen = "127.0.0.1:{port}"'
    ) as bench:
        with Peer(Session(mosquitto.port, client_id="deaf-center")) as peer:
            peer.subscribe(f"{ROOT}/evt/#", "drill/#")
            publishes, taken = await an_hour(bench, peer, port)
        waiting = bench.waiting()
        bench.start_receiver()
        await drained(bench)
        result = weighed(bench)
        tell(
            f"publishes in an hour {publishes}, events taken {taken}, waiting at its end {waiting}, {result}"
        )
        assert taken > HOUR_S / 4, "check-ins counted all the while"
        assert waiting >= taken, "a PUBACK settles nothing"
        assert publishes <= MOST_PUBLISHES
        assert result.faults == []


async def test_the_drill_notices_a_gateway_that_floods(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    port = free_port()
    with center(
        tmp_path, mosquitto, readers=0, device_config=rated(1), api_config=f'listen = "127.0.0.1:{port}"'
    ) as bench:
        bench.env["ZHIJIAO_DRILL_STUBBORN"] = "1"
        with Peer(Session(mosquitto.port, client_id="deaf-center")) as peer:
            peer.subscribe(f"{ROOT}/evt/#", "drill/#")
            publishes, taken = await an_hour(bench, peer, port)
        tell(f"control, must flood: publishes in an hour {publishes}, events taken {taken}")
        assert publishes > MOST_PUBLISHES
