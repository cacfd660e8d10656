"""Common ground of the drills: short and long form, what the machine must offer, readers that hurry, the verdict."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.e2e.bench_center import Center, stored_events
from tests.e2e.independent import Weighed, weigh

SizeT = TypeVar("SizeT")
LONG = os.environ.get("DRILLS") == "long"
ROOT = Path(__file__).parents[2]


def form(*, ci: SizeT, long: SizeT) -> SizeT:
    """The size of a drill: short by default, long with DRILLS=long."""
    return long if LONG else ci


def require_root_and(*devices: str) -> None:
    """Skip where mounts cannot be made; counted, and a failure with CI_FULL=1."""
    if os.geteuid() != 0:
        pytest.skip("not run: needs root, to mount a file system")
    for device in devices:
        if not Path(device).exists():
            pytest.skip(f"not run: needs {device}")


def rated(per_s: int) -> str:
    """A device of `rated_gateway`: cards at this rate without a wire."""
    return f'[[device]]\nid = "source-1"\nkind = "drill.source"\nrate_per_s = {per_s}\n'


RATED = ("-m", "tests.drills.rated_gateway")


def backlog(bench: Center, events: int, days: float = 7, *, settled: bool = False) -> None:
    """Fill the store with what an outage leaves, through the gateway's own library (`bulk`)."""
    program = [sys.executable, "-m", "tests.drills.bulk", str(bench.store.parent), str(bench.folder / "keys")]
    command = [*program, str(bench.folder / "receipts"), str(events), str(days)]
    subprocess.run([*command, *(["settled"] if settled else [])], check=True, cwd=ROOT, timeout=3000)


async def drained(bench: Center, timeout_s: float = 180) -> None:
    """Take the sources away and let everything that waits reach the center; the gateway ends stopped, in order."""
    if bench.gateway is not None:
        assert bench.stop_gateway() == 0
    bench.device_config, bench.readers = "", 0
    bench.write_config()
    runs = bench.log_text("gateway").count("gateway runs")
    bench.start_gateway()
    await bench.until(lambda: bench.log_text("gateway").count("gateway runs") > runs, "the gateway")
    await bench.until(lambda: bench.waiting() == 0, "everything to be settled", timeout_s)
    assert bench.stop_gateway() == 0


@contextmanager
def crowd(bench: Center, *, pause_s: float = 0.0) -> Iterator[subprocess.Popen[bytes]]:
    """All readers of a center in a process of their own, cards laid as fast as they are read."""
    command = [sys.executable, "-m", "tests.drills.crowd", str(pause_s)]
    ports = [str(bench.port_of(n)) for n in range(1, bench.readers + 1)]
    process = subprocess.Popen([*command, *ports], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"open\n", "the readers did not come up"
        yield process
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        process.wait(10)


def held(bench: Center) -> list[bytes]:
    """The bytes of every event at the center."""
    return [bytes(row["wire"]) for row in stored_events(bench.db, "SELECT wire FROM event")]  # type: ignore[call-overload]


def weighed(
    bench: Center, declared: Mapping[str, Sequence[tuple[int, int]]] | None = None, *, every: int = 1
) -> Weighed:
    """What the center holds, against the receipts, by a verifier that shares no code with the product."""
    receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
    return weigh(held(bench), receipts, bench.public_keys(), declared=declared or {}, every=every)


def alarms_of(bench: Center) -> set[str]:
    """Kinds of alarm that the center raised itself."""
    return {str(row["kind"]) for row in stored_events(bench.db, "SELECT kind FROM alarm")}


def events_of(bench: Center, kind: str) -> int:
    """How many events of one type the center holds."""
    query = f"SELECT count(*) AS n FROM event WHERE type = 'cn.zhijiao.{kind}' OR type = '{kind}'"  # noqa: S608
    return int(str(stored_events(bench.db, query)[0]["n"]))
