"""What a process costs, read from /proc; and what the disk itself takes."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Use:
    """One process at one moment."""

    at_s: float
    cpu_s: float
    written: int  # bytes it made the kernel send to disks


def use(pid: int) -> Use:
    """CPU time and written bytes of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # In clock ticks of 10 ms: measured over seconds.
    cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    written = 0
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            written = int(line.split()[1])
    return Use(time.monotonic(), cpu_s, written)


def pss_mib(pid: int) -> float:
    """Memory of a process, shared pages by share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss in smaps_rollup")


def percentile(values: Sequence[float], share: float) -> float:
    """By rank; NaN for nothing."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def fsync_ms(folder: Path, count: int = 200) -> float:
    """Median time of one durable 4 KiB append: what a commit on this disk cannot beat."""
    took = []
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.monotonic()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took.append((time.monotonic() - began) * 1000)
    path.unlink()
    return statistics.median(took)
