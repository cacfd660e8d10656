"""A damaged store: truncated, bits flipped in its pages or in an event, deleted.

Some events are settled, some wait (the broker was down) when the gateway is stopped and its store is
damaged. It must start (restarted by a loop, as systemd does), open a new epoch, take check-ins, and in
the end every receipted event is at the center or in a range that the gateway declared lost; the
center's report says so. Control: a gateway that declares nothing must be found out.
"""

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.errors import StoreTrouble
from gateway.store.reading import SUSPECT_SUFFIX
from tests.broker import Mosquitto
from tests.drills.ground import RATED, ROOT, form, held, rated, weighed
from tests.e2e.bench_center import Center, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=120, long=300))]

SILENT = ("-m", "tests.drills.silent_gateway")
SEEDS = form(ci=(1,), long=tuple(range(1, 11)))
MOST_STARTS = 12
RUNS = "gateway runs"  # before that a salvaged store may have nothing waiting and its loss untold
PAGE = 4096
LAST_CHECKED = 64  # events that every start verifies: damage further back is met while running


def truncated(store: Path, luck: random.Random) -> None:
    size = store.stat().st_size
    with store.open("r+b") as file:
        file.truncate(int(size * luck.uniform(0.3, 0.8)) // PAGE * PAGE)


def pages_flipped(store: Path, luck: random.Random) -> None:
    """One bit in the head of a few pages behind the first: they are no longer pages of a tree."""
    raw = bytearray(store.read_bytes())
    for page in luck.sample(range(len(raw) // PAGE // 3, len(raw) // PAGE), 3):
        raw[page * PAGE + luck.choice((0, 3, 5))] ^= 1 << luck.randrange(8)
    store.write_bytes(raw)


def event_flipped(store: Path, luck: random.Random) -> None:
    """One bit in the signed bytes of a waiting event: the database itself has nothing to say against it."""
    raw = bytearray(store.read_bytes())
    places = {}
    at = raw.find(b'"sequence":"')
    while at >= 0:
        places[int(raw[at + 12 : at + 28])] = at
        at = raw.find(b'"sequence":"', at + 1)
    seqs = sorted(places)
    chosen = luck.choice(seqs[-LAST_CHECKED - 40 : -LAST_CHECKED - 5])
    raw[places[chosen] + 13] ^= 1  # a leading zero of the sequence
    store.write_bytes(raw)


def deleted(store: Path, _luck: random.Random) -> None:
    for suffix in ("", "-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)


DAMAGES: Mapping[str, Callable[[Path, random.Random], None]] = {
    "truncated": truncated,
    "pages flipped": pages_flipped,
    "event flipped": event_flipped,
    "deleted": deleted,
}


async def damaged(
    bench: Center, damage: Callable[[Path, random.Random], None], seed: int, program: tuple[str, ...] = RATED
) -> int:
    """Events settled, events waiting, damage, life goes on, everything arrives. How often it had to be started."""
    bench.env["ZHIJIAO_BOOT_ID"] = uuid.uuid4().hex
    bench.start_receiver()
    await events(bench, 60, program)
    await bench.until(lambda: bench.waiting() == 0 or len(bench.receipts()) > 200, "the center")
    assert bench.stop_gateway() == 0
    bench.stop_receiver()
    bench.broker.stop()
    await events(bench, 250, program)
    assert bench.stop_gateway() == 0
    damage(bench.store, random.Random(seed))
    starts = await restarted_until(bench, program, lambda before: len(bench.receipts()) > before + 20)
    bench.broker.start()
    bench.start_receiver()
    bench.device_config = ""
    bench.write_config()
    bench.kill_gateway()
    starts += await restarted_until(bench, program, lambda _before: settled(bench), at_least_s=2)
    while (code := bench.stop_gateway()) != 0:
        # The last page may be met by the stop itself, or while it is asked to stop and ends by itself already: it says
        # so, and the next start mends it.
        assert code in {StoreTrouble.exit_code, -signal.SIGTERM}, bench.log_text("gateway")[-2000:]
        assert bench.store.with_name(bench.store.name + SUSPECT_SUFFIX).exists(), "noted for the next start"
        starts += await restarted_until(bench, program, lambda _before: settled(bench), at_least_s=2)
        assert starts <= MOST_STARTS
    return starts


async def events(bench: Center, count: int, program: tuple[str, ...]) -> None:
    before = len(bench.receipts())
    bench.start_gateway(*program)
    await bench.until(lambda: len(bench.receipts()) >= before + count, "events")


async def restarted_until(
    bench: Center, program: tuple[str, ...], done: Callable[[int], bool], *, at_least_s: float = 0
) -> int:
    """Start it whenever it ended, as systemd does, until it runs and is `done`; how many starts that took."""
    before, starts = len(bench.receipts()), 0
    loop = asyncio.get_running_loop()
    began = loop.time()
    runs = begun(bench)
    while begun(bench) == runs or not done(before) or loop.time() - began < at_least_s:
        assert loop.time() - began < 25, f"not in 25 s:\n{bench.log_text('gateway')[-2000:]}"
        if bench.gateway is None or bench.gateway.poll() is not None:
            starts += 1
            assert starts <= MOST_STARTS, f"ends at each start:\n{bench.log_text('gateway')[-2000:]}"
            runs = begun(bench)
            bench.start_gateway(*program)
        await asyncio.sleep(0.05)
    return starts


def begun(bench: Center) -> int:
    """How many starts have got so far that the gateway serves."""
    return bench.log_text("gateway").count(RUNS)


def settled(bench: Center) -> bool:
    try:
        return bench.waiting() == 0
    except sqlite3.Error:  # a damaged store, or a new one that is being made
        return False


def declared_lost(bench: Center) -> dict[str, list[tuple[int, int]]]:
    """Ranges that the gateway declared lost, from what the center holds."""
    found: dict[str, list[tuple[int, int]]] = {}
    for wire in held(bench):
        event = json.loads(wire)
        if event["type"] == "cn.zhijiao.system.range_lost":
            data = event["data"]
            found.setdefault(data["epoch"], []).append((int(data["from"]), int(data["to"])))
    return found


def report_code(bench: Center) -> int:
    command = [sys.executable, "-m", "gateway", "receive", "--db", str(bench.db), "--report"]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "damage",
    list(DAMAGES),
)
async def test_what_a_damaged_store_lost_is_declared(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], damage: str, seed: int
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(150)) as bench:
        starts = await damaged(bench, DAMAGES[damage], seed)
        declared = declared_lost(bench)
        result = weighed(bench, declared)
        ranges = sum(last - first + 1 for spans in declared.values() for first, last in spans)
        tell(f"starts {starts}, declared {ranges} places, {result}, report says {report_code(bench)}")
        assert result.faults == []
        found = "store was damaged" in bench.log_text("gateway")
        assert len(result.last) >= 2 or not (found or result.declared), "a damaged store opens an epoch"
        assert report_code(bench) == (1 if result.declared else 0), "completeness says so"


async def test_the_drill_notices_a_gateway_that_declares_nothing(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(150)) as bench:
        await damaged(bench, truncated, 1, SILENT)
        result = weighed(bench, declared_lost(bench))
        tell(f"control, must miss events: {result}")
        assert result.faults
