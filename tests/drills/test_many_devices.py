"""32 card readers at once, one of them stuck, one babbling: every card of the others counts, and soon.

The stuck one takes every byte and answers nothing; the babbling one sends noise at the speed of its line. Cards are
laid one at a time, so that each event on disk is that of one card. Control: a gateway that asks one device after the
other must be found out.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from drivers.errors import LinkLost
from drivers.simulators.cards import cards
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.wire import send_at
from tests.bench.meters import pss_mib, use
from tests.broker import Mosquitto
from tests.drills.ground import form
from tests.e2e.bench_center import Center, Counter, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=120, long=1800))]

READERS = 32
ROUNDS = form(ci=1, long=40)  # a card at each reader that works
POLL_MS = 200
BAUD = 115200
SOON_S = 1.5  # from laying a card to its event on disk: a look, the reading of the card, the commit
GIVEN_UP_S = 4.0  # for so long nobody waits for a card
QUEUEING = ("-m", "tests.drills.queueing_gateway")


async def stuck(port: PtyHost) -> None:
    """Takes everything, answers nothing."""
    while True:
        with suppress(LinkLost):
            await port.receive()


async def babbling(port: PtyHost) -> None:
    """Noise, as fast as a line carries it."""
    swallowing, rng = asyncio.create_task(stuck(port)), random.Random(32)
    try:
        while True:
            with suppress(LinkLost):
                await send_at(port, rng.randbytes(1024), BAUD)
    finally:
        swallowing.cancel()


@asynccontextmanager
async def desks(bench: Center) -> AsyncIterator[list[Counter]]:
    """All readers, ready; then two of them go wrong. Yields the others."""
    counters = [Counter(bench.port_of(n), seed=n) for n in range(1, READERS + 1)]
    for counter in counters:
        await counter.open(people=False)
    wrong: list[asyncio.Task[None]] = []
    try:
        await bench.until(
            lambda: bench.log_text("gateway").count('"device online"') >= READERS, "every reader", 90
        )
        for counter, habit in zip(counters, (stuck, babbling), strict=False):
            counter._tasks.pop().cancel()
            wrong.append(asyncio.create_task(habit(counter.port)))
        yield counters[2:]
    finally:
        for task in wrong:
            task.cancel()
        await asyncio.gather(*wrong, return_exceptions=True)
        for counter in counters:
            await counter.close()


def read_cards(bench: Center) -> int:
    """How many events of cards are on the gateway's disk, read from outside."""
    with sqlite3.connect(f"file:{bench.store}?mode=ro", uri=True, timeout=10) as db:
        query = "SELECT count(*) FROM event WHERE instr(CAST(wire AS TEXT), 'identity.card_read') > 0"
        return int(db.execute(query).fetchone()[0])


async def latencies(bench: Center, counters: list[Counter], rounds: int) -> list[float]:
    """Seconds from laying a card to its event on disk; `GIVEN_UP_S` where none came."""
    took: list[float] = []
    decks = [cards(100 + n) for n in range(len(counters))]
    for number in range(rounds * len(counters)):
        counter, deck = counters[number % len(counters)], decks[number % len(counters)]
        known, laid = read_cards(bench), time.monotonic()
        counter.reader.present(next(deck))
        with suppress(AssertionError):
            await bench.until(lambda known=known: read_cards(bench) > known, "an event", GIVEN_UP_S)  # type: ignore[misc]
        took.append(time.monotonic() - laid)
        counter.reader.lift()
    return took


async def test_a_stuck_and_a_babbling_reader_starve_no_other(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=READERS, poll_ms=POLL_MS) as bench:
        bench.start_receiver()
        bench.start_gateway()
        async with desks(bench) as counters:
            assert bench.gateway is not None
            before = use(bench.gateway.pid)
            took = sorted(await latencies(bench, counters, ROUNDS))
            after, memory = use(bench.gateway.pid), pss_mib(bench.gateway.pid)
        cpu = (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s) * 100
        tell(
            f"{READERS} readers, {len(took)} cards at {len(counters)} of them: p50 {took[len(took) // 2]:.2f} s, "
            f"worst {took[-1]:.2f} s; {cpu:.0f} % of a core, {memory:.0f} MiB"
        )
        assert read_cards(bench) == len(took), "every card counts, once"
        assert took[-1] < SOON_S


async def test_the_drill_notices_devices_that_wait_for_each_other(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=READERS, poll_ms=POLL_MS) as bench:
        bench.start_gateway(*QUEUEING)
        async with desks(bench) as counters:
            took = await latencies(bench, counters[:10], 1)
        tell(f"control, must be slow: worst {max(took):.2f} s")
        assert max(took) > SOON_S
