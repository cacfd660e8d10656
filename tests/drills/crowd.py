"""Readers and the people before them, in a process of their own: `python -m tests.drills.crowd PAUSE_S PORT...`.

Says `open` when all ports are there; ends when its standard input is closed. A card is laid as soon as
the one before was read and lifted, so that the gateway, not the simulator, sets the pace.
"""

import asyncio
import sys
from pathlib import Path

from tests.e2e.bench_center import Counter


async def main(pause_s: float, ports: list[str]) -> None:
    counters = [Counter(Path(port), seed=100 + n, pause_s=pause_s) for n, port in enumerate(ports)]
    for counter in counters:
        await counter.open()
    sys.stdout.write("open\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for counter in counters:
        await counter.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), sys.argv[2:]))
