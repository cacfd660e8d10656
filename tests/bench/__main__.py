"""`make bench`: how fast and how small, beside the machine's own limits. Prints figures, asserts nothing.

    reply to commit    last byte of the card's record on the wire -> COMMIT returned (its receipt)
    commit to center   receipt -> printed by `zhijiao receive` after its own commit, over a real broker
    fsync              4 KiB write and fsync on the same disk in the same minute: what a commit cannot beat
    idle               memory (PSS) and CPU of the gateway with the page loaded and one reader polled each 300 ms

Machines differ and are shared: read the ratios first.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from drivers.simulators.cards import cards
from tests.broker import Mosquitto, free_port
from tests.e2e.bench_center import Counter, center

VISITS = 60
IDLE_S = 20.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Stamps(threading.Thread):
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


def fsync_ms(folder: Path) -> list[float]:
    """What the disk itself takes for one durable 4 KiB write."""
    took = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(200):
            began = time.monotonic()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took.append((time.monotonic() - began) * 1000)
    return took


async def path_ms(folder: Path) -> tuple[list[float], list[float]]:
    """(reply to commit, commit to center) of single cards, with nothing else going on."""
    with Mosquitto(folder / "broker") as broker, center(folder, broker, readers=1) as bench:
        receipts_in, receipts_out = os.pipe()
        center_in, center_out = os.pipe()
        committed = Stamps(receipts_in, _of_receipt)
        arrived = Stamps(center_in, _of_center)
        bench.start_receiver(stdout=center_out)
        bench.start_gateway(receipts_fd=receipts_out)
        os.close(receipts_out)
        os.close(center_out)
        counter = Counter(bench.port_of(1), seed=1)
        await counter.open(people=False)
        deck, replied = cards(1), []
        for _ in range(VISITS):
            known = len(committed.at)
            replied.append(await counter.visit_timed(next(deck)))
            await bench.until(lambda known=known: len(committed.at) > known, "the commit")  # type: ignore[misc]
            await asyncio.sleep(0.15)  # the center acks at most every 50 ms: each event on its own
        await bench.until(lambda: len(arrived.at) >= len(committed.at), "the center")
        await counter.close()
        bench.stop_gateway()
        bench.stop_receiver()
    commits = sorted(committed.at.values())
    first = [next(at for at in commits if at >= reply) for reply in replied]
    return (
        [(commit - reply) * 1000 for commit, reply in zip(first, replied, strict=True)],
        [(arrived.at[key] - at) * 1000 for key, at in committed.at.items() if at in set(first)],
    )


def _of_receipt(line: str) -> tuple[str, int] | None:
    epoch, seq, *_ = line.split(" ")
    return epoch, int(seq)


def _of_center(line: str) -> tuple[str, int] | None:
    with suppress(ValueError, KeyError):
        told = json.loads(line)
        return str(told["epoch"]), int(told["seq"])
    return None


async def idle(folder: Path) -> tuple[float, float]:
    """(PSS in MiB, CPU in per cent of one core)."""
    port = free_port()
    api = f'listen = "127.0.0.1:{port}"'
    with Mosquitto(folder / "broker") as broker, center(folder, broker, readers=1, api_config=api) as bench:
        bench.config.write_text(bench.config.read_text().replace("_ms = 20", "_ms = 300"))
        bench.start_receiver()
        bench.start_gateway()
        counter = Counter(bench.port_of(1), seed=1)
        await counter.open(people=False)
        await bench.until(lambda: _page(port), "the page")
        await asyncio.sleep(3)
        if bench.gateway is None:
            raise RuntimeError("the gateway ended")
        pid, began, spent = bench.gateway.pid, time.monotonic(), _cpu_s(bench.gateway.pid)
        await asyncio.sleep(IDLE_S)
        cpu = (_cpu_s(pid) - spent) / (time.monotonic() - began) * 100
        pss = _pss_mib(pid)
        await counter.close()
    return pss, cpu


def _page(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        return bool(answer.status == 200)
    return False


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss in smaps_rollup")


def _row(name: str, values: Sequence[float], unit: str) -> None:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(
        f"{name:<24} median {statistics.median(ordered):8.2f}   p99 {p99:8.2f}   {unit}  (n={len(ordered)})"
    )


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="zhijiao-bench-") as name:
        folder = Path(name)
        for part in ("path", "idle"):
            (folder / part).mkdir()
        print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, {_disk(folder)}")
        sync = fsync_ms(folder)
        commit, center_ms = await path_ms(folder / "path")
        _row("fsync of this disk", sync, "ms")
        _row("reply to commit", commit, "ms")
        _row("commit to center", center_ms, "ms")
        print(
            f"reply to commit / fsync  {statistics.median(commit) / statistics.median(sync):8.1f} x (medians)"
        )
        pss, cpu = await idle(folder / "idle")
        print(f"idle PSS                 {pss:8.1f} MiB    goal <= 80")
        print(f"idle CPU                 {cpu:8.2f} %      goal <= 1.5 % of one core")


def _disk(folder: Path) -> str:
    told = subprocess.run(
        ["df", "--output=fstype,source", folder], capture_output=True, text=True, check=False
    )
    return " ".join(told.stdout.split()[2:]) or "disk unknown"


if __name__ == "__main__":
    asyncio.run(main())
