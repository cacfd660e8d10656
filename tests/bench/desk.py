"""The whole desk: simulated card readers on ptys, the real receiver, a page that is open.

readers   how many cards a second pass through one and through eight readers
path      last byte of a card's record -> COMMIT returned -> stored by `zhijiao receive`, one at a time
idle      memory and processor of a gateway with one reader and the page open
"""

import asyncio
import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import cast

from drivers.simulators.cards import cards
from tests.bench import meters
from tests.bench.plan import Plan
from tests.bench.report import Row, fact, limit
from tests.broker import Mosquitto, free_port
from tests.e2e.bench_center import Center, Counter, center
from tests.signing_in import add_account, session_of

VISITS = 40
IDLE_S = 20.0
READERS_S = 6.0
PAUSE_S = 0.1  # between two people: a lifted card is noticed at two looks, also on a busy machine
MOST_PSS_MIB, MOST_CPU_PCT = 80, 1.5


def readers(plan: Plan) -> list[Row]:
    """Cards a second through one and eight simulated readers, polled as fast as the setting allows (20 ms)."""
    one, eight = (asyncio.run(_cards_per_s(_folder(plan), count)) for count in (1, 8))
    return [fact("card readers flat out (20 ms poll)", f"1: {one:.1f} /s, 8: {eight:.0f} /s")]


def path(plan: Plan) -> list[Row]:
    """A card alone: from the last byte of its record to the commit, and on to the center's own commit."""
    folder = _folder(plan)
    sync = meters.fsync_ms(folder)
    commit, onward = asyncio.run(_path_ms(folder))
    beside = f"fsync {sync:.2f} ms"
    rows = (("card's last byte to commit", commit), ("commit to receiver's commit", onward))
    return [
        fact(
            name, f"p50 {meters.percentile(took, 0.5):.1f} p99 {meters.percentile(took, 0.99):.1f} ms", beside
        )
        for name, took in rows
    ]


def idle(plan: Plan) -> list[Row]:
    """20 s with the page open and one reader polled each 300 ms."""
    pss, cpu = asyncio.run(_idle(_folder(plan)))
    return [
        limit("idle memory (PSS), page open", pss, MOST_PSS_MIB, unit="MiB"),
        limit("idle CPU, page open", cpu, MOST_CPU_PCT, unit="% of a core"),
    ]


def _folder(plan: Plan) -> Path:
    folder = plan.fresh()
    folder.mkdir()
    return folder


async def _cards_per_s(folder: Path, count: int) -> float:
    with Mosquitto(folder / "broker") as broker, center(folder, broker, readers=count) as desk:
        desk.start_receiver()
        desk.start_gateway()
        counters = [Counter(desk.port_of(n), seed=n, pause_s=PAUSE_S) for n in range(1, count + 1)]
        for counter in counters:
            await counter.open()
        await desk.until(lambda: len(desk.receipts()) > 10 * count, "the first cards")
        before, began = len(desk.receipts()), time.monotonic()
        await asyncio.sleep(READERS_S)
        rate = (len(desk.receipts()) - before) / (time.monotonic() - began)
        for counter in counters:
            await counter.close()
    return rate


class _Stamps(threading.Thread):
    """Arrival time of each line on a pipe, by a key taken from the line."""

    def __init__(self, fd: int, key: Callable[[str], tuple[str, int] | None]) -> None:
        super().__init__(daemon=True)
        self.at: dict[tuple[str, int], float] = {}
        self._file = os.fdopen(fd)
        self._key = key
        self.start()

    def run(self) -> None:
        for line in self._file:
            now = time.monotonic()
            key = self._key(line)
            if key is not None:
                self.at.setdefault(key, now)


async def _path_ms(folder: Path) -> tuple[list[float], list[float]]:
    with Mosquitto(folder / "broker") as broker, center(folder, broker, readers=1) as desk:
        receipts_in, receipts_out = os.pipe()
        center_in, center_out = os.pipe()
        committed, arrived = _Stamps(receipts_in, _of_receipt), _Stamps(center_in, _of_center)
        desk.start_receiver(stdout=center_out)
        desk.start_gateway(receipts_fd=receipts_out)
        os.close(receipts_out)
        os.close(center_out)
        replied = await _visits(desk, committed)
        await desk.until(lambda: len(arrived.at) >= len(committed.at), "the center")
        desk.stop_gateway()
        desk.stop_receiver()
    commits = sorted(committed.at.values())
    first = [next(at for at in commits if at >= reply) for reply in replied]
    return (
        [(commit - reply) * 1000 for commit, reply in zip(first, replied, strict=True)],
        [(arrived.at[key] - at) * 1000 for key, at in committed.at.items() if at in set(first)],
    )


async def _visits(desk: Center, committed: _Stamps) -> list[float]:
    counter = Counter(desk.port_of(1), seed=1)
    await counter.open(people=False)
    deck, replied = cards(1), []
    for _ in range(VISITS):
        known = len(committed.at)
        replied.append(await counter.visit_timed(next(deck)))
        await desk.until(lambda known=known: len(committed.at) > known, "the commit")  # type: ignore[misc]
        await asyncio.sleep(0.15)  # the center acks at most every 50 ms: each event on its own
    await counter.close()
    return replied


def _of_receipt(line: str) -> tuple[str, int] | None:
    epoch, seq, *_ = line.split(" ")
    return epoch, int(seq)


def _of_center(line: str) -> tuple[str, int] | None:
    with suppress(ValueError, KeyError):
        told = json.loads(line)
        return str(told["epoch"]), int(told["seq"])
    return None


async def _idle(folder: Path) -> tuple[float, float]:
    port = free_port()
    api = f'listen = "127.0.0.1:{port}"'
    with Mosquitto(folder / "broker") as broker, center(folder, broker, readers=1, api_config=api) as desk:
        desk.config.write_text(desk.config.read_text().replace("_ms = 20", "_ms = 300"))
        desk.start_receiver()
        desk.start_gateway()
        counter = Counter(desk.port_of(1), seed=1)
        await counter.open(people=False)
        await desk.until(lambda: _page(port), "the page")
        add_account(desk.config, folder)
        with _look_on(port):
            await asyncio.sleep(3)
            if desk.gateway is None:
                raise RuntimeError("the gateway ended")
            before = meters.use(desk.gateway.pid)
            await asyncio.sleep(IDLE_S)
            after, pss = meters.use(desk.gateway.pid), meters.pss_mib(desk.gateway.pid)
        await counter.close()
    return pss, (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s) * 100


def _look_on(port: int) -> AbstractContextManager[object]:
    """A browser that has the page open."""
    page = urllib.request.build_opener()
    page.addheaders = list(session_of(port).items())
    return cast("AbstractContextManager[object]", page.open(f"http://127.0.0.1:{port}/live", timeout=60))


def _page(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in") as answer:
        return bool(answer.status == 200)
    return False
