"""Bad lines: a black hole, a flapping link, 300 ms round trip. Nothing is lost and the backlog is caught up.

Control: a gateway that takes what it wrote to its socket for delivered must lose on the same lines.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, drained, form, rated, weighed
from tests.drills.line import Line
from tests.e2e.bench_center import Center, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=120, long=900))]

HASTY = ("-m", "tests.drills.hasty_gateway")
RATE = 60
HOLD_S = form(ci=4.0, long=120.0)  # a black hole this long; the long one is found by the keep-alive
FLAPS = form(ci=8, long=200)
FLAP_S = 0.5
SLOW_S = form(ci=5.0, long=60.0)


async def black_hole(line: Line) -> None:
    """Silence, then what waited arrives after all; silence again, and the connection is reset."""
    line.silence()
    await asyncio.sleep(HOLD_S / 2)
    line.heal()
    await asyncio.sleep(0.5)
    line.silence()
    await asyncio.sleep(HOLD_S / 2)
    line.reset()
    line.heal()


async def flapping(line: Line) -> None:
    for _ in range(FLAPS):
        await asyncio.sleep(FLAP_S)
        line.reset()


async def far_away(line: Line) -> None:
    line.delay_s = 0.15
    line.reset()
    await asyncio.sleep(SLOW_S)


LINES: Mapping[str, Callable[[Line], Awaitable[None]]] = {
    "black hole": black_hole,
    "flapping": flapping,
    "300 ms": far_away,
}


async def disturbed(bench: Center, line: Line, disturb: Callable[[Line], Awaitable[None]]) -> int:
    """Events all the while; the backlog once it is caught up."""
    await bench.until(lambda: len(bench.receipts()) > 20, "events")
    await disturb(line)
    await bench.until(lambda: bench.waiting() < 2 * RATE, "the backlog to be caught up", 60)
    return bench.waiting()


@pytest.mark.parametrize("kind", LINES)
async def test_nothing_is_lost_on_a_bad_line(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], kind: str
) -> None:
    with (
        Line(mosquitto.port) as line,
        center(tmp_path, mosquitto, readers=0, uplink_port=line.port, device_config=rated(RATE)) as bench,
    ):
        bench.start_receiver()
        bench.start_gateway(*RATED)
        backlog = await disturbed(bench, line, LINES[kind])
        await drained(bench)
        result = weighed(bench)
        tell(f"connections {line.dialled}, backlog while events went on {backlog}, {result}")
        assert result.faults == []
        assert line.dialled > 1 + (FLAPS // 8 if kind == "flapping" else 0), "the line was disturbed"


async def test_the_drill_notices_a_gateway_that_trusts_its_socket(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with (
        Line(mosquitto.port) as line,
        center(
            tmp_path,
            mosquitto,
            readers=0,
            uplink_port=line.port,
            device_config=rated(RATE),
            uplink_config='ack_mode = "broker"',
        ) as bench,
    ):
        bench.start_receiver()
        bench.start_gateway(*HASTY)
        await disturbed(bench, line, black_hole)
        await drained(bench)
        result = weighed(bench)
        tell(f"control, must lose: {result}")
        assert result.lost
