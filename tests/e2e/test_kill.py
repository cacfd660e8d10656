"""Kill -9 at random moments, broker restarts among them: what was receipted is at the center, once.

Judged by the receipt channel (one line per event, written only after COMMIT returned) and by a
verifier that shares no code with the product. The control runs a gateway that writes its receipts
before COMMIT: with it the same drill must find losses.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.e2e.bench_center import Center, Counter, center, stored_events
from tests.e2e.independent import VerdictError, judge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

KILLS = 32
READERS = 4
EARLY_RECEIPTS = str(Path(__file__).with_name("early_receipts.py"))


async def killed_often(bench: Center, kills: int, *program: str, broker_restarts: bool, seed: int) -> None:
    """Let the readers run, kill the gateway again and again, then let everything arrive."""
    rng = random.Random(seed)
    bench.start_receiver()
    async with AsyncExitStack() as stack:
        for n in range(1, READERS + 1):
            counter = Counter(bench.port_of(n), seed=100 * n)
            await counter.open()
            stack.push_async_callback(counter.close)
        for kill in range(kills):
            before = len(bench.receipts())
            bench.start_gateway(*program)
            await bench.until(lambda before=before: len(bench.receipts()) > before + 3, "events")  # type: ignore[misc]
            await asyncio.sleep(rng.uniform(0, 0.6))
            bench.kill_gateway()
            if broker_restarts and kill % 5 == 2:
                bench.broker.kill()
                bench.broker.start()
            if broker_restarts and kill % 11 == 7:
                bench.stop_receiver(kill=True)
                bench.start_receiver()
    connected = bench.log_text("gateway").count("uplink connected")  # by those that were killed
    bench.start_gateway()
    await bench.until(lambda: bench.log_text("gateway").count("uplink connected") > connected, "the uplink")
    await bench.until(lambda: bench.waiting() == 0, "everything to be settled", 120)
    assert bench.stop_gateway() == 0


def verdict(bench: Center) -> dict[str, int]:
    rows = stored_events(bench.db, "SELECT wire FROM event")
    receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
    return judge((bytes(row["wire"]) for row in rows), receipts, bench.public_keys())  # type: ignore[call-overload]


async def test_nothing_receipted_is_lost_doubled_or_altered(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=READERS) as bench:
        await killed_often(bench, KILLS, broker_restarts=True, seed=1)
        last = verdict(bench)
        assert len(last) == 1, "one boot, one epoch"
        cards = stored_events(bench.db, "SELECT type FROM event WHERE type LIKE '%identity.card_read'")
        print(
            f"\nkills {KILLS}, receipts {len(bench.receipts())}, at the center {sum(last.values())}, cards {len(cards)}"
        )
        assert len(cards) > 3 * KILLS


async def test_the_drill_notices_receipts_written_too_early(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=READERS) as bench:
        await killed_often(bench, 6, EARLY_RECEIPTS, broker_restarts=False, seed=2)
        with pytest.raises(VerdictError, match="lost"):
            verdict(bench)
