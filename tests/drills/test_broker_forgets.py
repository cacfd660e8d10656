"""A broker with default limits that PUBACKs, dies and comes back with an empty memory.

The center was away, so all it was to get lay in the broker's memory. Within one reconnect everything
is at the center. Control: a gateway that settles on PUBACK must lose.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, drained, form, rated, weighed
from tests.e2e.bench_center import Center, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=120, long=300))]

EVENTS = form(ci=400, long=10_000)
RATE = 100


async def forgotten(bench: Center) -> None:
    """The center leaves, events are PUBACKed, the broker dies and forgets, the center is back."""
    bench.start_receiver()
    bench.start_gateway(*RATED)
    await bench.until(lambda: len(bench.receipts()) > 20, "events")
    await bench.until(lambda: len(bench.receipts()) - bench.waiting() > 20, "events at the center")
    bench.stop_receiver(kill=True)  # its session stays at the broker, which queues for it
    before = len(bench.receipts())
    await bench.until(lambda: len(bench.receipts()) > before + EVENTS, "events that the broker keeps", 120)
    bench.broker.kill()
    bench.broker.start()
    bench.start_receiver()


def connects(bench: Center) -> int:
    lines = [json.loads(line) for line in bench.log_text("gateway").splitlines() if line.startswith("{")]
    return sum(line["msg"] == "uplink connected" for line in lines)


async def test_a_broker_that_forgets_costs_one_reconnect(tmp_path: Path, tell: Callable[[str], None]) -> None:
    with (
        Mosquitto(tmp_path / "broker", persistence=False, queue="default") as broker,
        center(tmp_path, broker, readers=0, device_config=rated(RATE)) as bench,
    ):
        await forgotten(bench)
        await bench.until(lambda: bench.waiting() < RATE, "the backlog to be caught up", 90)
        reconnects = connects(bench) - 1
        await drained(bench)
        result = weighed(bench)
        tell(f"reconnects {reconnects}, {result}")
        assert result.faults == []
        assert reconnects == 1


async def test_the_drill_notices_a_gateway_that_settles_on_puback(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    with (
        Mosquitto(tmp_path / "broker", persistence=False, queue="default") as broker,
        center(
            tmp_path, broker, readers=0, device_config=rated(RATE), uplink_config='ack_mode = "broker"'
        ) as bench,
    ):
        await forgotten(bench)
        await drained(bench)
        await asyncio.sleep(0.5)
        result = weighed(bench)
        tell(f"control, must lose: {result}")
        assert result.lost
