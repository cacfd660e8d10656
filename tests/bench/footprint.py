"""What it takes: bytes on the disk for each event, memory with a backlog of 50,000 and after it."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import meters
from tests.bench.ours import OurGateway
from tests.bench.plan import OURS, TB_MQTT, Plan
from tests.bench.report import NOT_RUN, Row, fact, limit
from tests.bench.rig import Rig

SINGLES, PER_S = 150, 15
BATCHES, OF = 40, 10
MOST_SINGLE_KIB, MOST_BATCHED_KIB = 30, 10
BACKLOG = 50_000
MOST_GROWTH_MIB = 10
ACKS_S = 1.5


def wear(plan: Plan) -> list[Row]:
    """KiB written to the disk for each event, settling included: one at a time, and ten in a line's read."""
    with _volume(plan) as (state, written, where):
        system = OurGateway(plan.fresh(), state=state)
        counter: Callable[[], int] = written or (lambda: meters.use(system.pid).written)
        with Rig(plan.fresh(), system) as rig:
            rig.warm()
            single = _written(rig, counter, SINGLES, 1, 1 / PER_S)
            batched = _written(rig, counter, BATCHES * OF, OF, 0.2)
            size = statistics.median(len(message) for message in rig.arrivals.messages)
            sync = meters.fsync_ms(state)
    beside = f"{where}; one event is {size:.0f} bytes, fsync there {sync:.2f} ms"
    return [
        limit("disk wear, single events", single, MOST_SINGLE_KIB, unit="KiB", beside=beside),
        limit("disk wear, ten at a time", batched, MOST_BATCHED_KIB, unit="KiB", beside=where),
    ]


def _written(rig: Rig, counter: Callable[[], int], count: int, at_once: int, pause_s: float) -> float:
    rig.wait(ACKS_S)
    os.sync()
    before = counter()
    numbers: list[int] = []
    for _ in range(count // at_once):
        numbers += rig.source.send(count=at_once)
        time.sleep(pause_s)
    if rig.wait_for(numbers, 30):
        raise RuntimeError("ours: events did not arrive")
    rig.wait(ACKS_S)
    os.sync()
    return (counter() - before) / 1024 / count


@contextmanager
def _volume(plan: Plan) -> Iterator[tuple[Path, Callable[[], int] | None, str]]:
    """An ext4 of its own with the kernel's count of what it wrote; else a folder and the process's own count."""
    base = plan.fresh()
    base.mkdir()
    mounted = base / "mounted"
    mounted.mkdir()
    image = base / "image"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    try:
        _run("mkfs.ext4", "-q", "-F", str(image))
        loop = _run("losetup", "--find", "--show", str(image))
    except (OSError, subprocess.CalledProcessError):
        yield mounted, None, "write_bytes of the process: no loop device here"
        return
    try:
        _run("mount", loop, str(mounted))
        stat = Path("/sys/block") / Path(loop).name / "stat"
        # Seventh field: sectors of 512 bytes written, journal included.
        yield mounted, lambda: int(stat.read_text().split()[6]) * 512, "block layer under ext4"
    finally:
        subprocess.run(["umount", mounted], check=False)
        subprocess.run(["losetup", "--detach", loop], check=False)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def backlog(plan: Plan) -> list[Row]:
    """Memory before, with 50,000 events waiting, and when they have all been sent and settled."""
    grown, after, rate = _backlog(plan, OURS)
    peer = NOT_RUN
    if plan.there(TB_MQTT):
        try:
            peer = f"+{_backlog(plan, TB_MQTT)[0]:.1f} MiB"
        except RuntimeError as exc:
            plan.say(f"  {exc}")
    return [
        limit(
            "memory for a backlog of 50,000", grown, MOST_GROWTH_MIB, unit="MiB", beside=f"{TB_MQTT}: {peer}"
        ),
        limit("memory after it was settled", after, MOST_GROWTH_MIB, unit="MiB", beside="against before"),
        fact("  it went out with", f"{rate:,.0f} /s"),
    ]


def _backlog(plan: Plan, name: str) -> tuple[float, float, float]:
    system = plan.make(name)
    with Rig(plan.fresh(), system, line=True) as rig:
        rig.warm()
        # Warm-up for the allocator and the read-ahead too: growth is what comes on top of that.
        if rig.wait_for(rig.source.send(count=2_000), 60):
            raise RuntimeError(f"{name}: the warm-up did not arrive")
        rig.line("down")
        time.sleep(1)
        before = meters.pss_mib(system.pid)
        numbers = rig.source.send(count=BACKLOG)
        time.sleep(1)
        full = meters.pss_mib(system.pid)
        plan.say(f"  {name}: {before:.1f} MiB, with {len(numbers)} waiting {full:.1f} MiB")
        if name != OURS:
            return full - before, 0, 0
        healed = rig.line("up")
        if missing := rig.wait_for(numbers, 240, quiet_s=40):
            raise RuntimeError(f"{name}: {len(missing)} of {BACKLOG} did not arrive")
        rate = BACKLOG / (max(rig.arrivals.at.values()) / 1e9 - healed)
        time.sleep(ACKS_S)
        return full - before, meters.pss_mib(system.pid) - before, rate
