"""`make bench`: ratios measured in one run, ours beside real peers in the same minutes.

    python -m tests.bench                        everything, at most 15 minutes
    python -m tests.bench latency sustained      only these
    python -m tests.bench --rounds 1 --seconds 3 --out table.md

Ours is the real gateway process on a real pty: every event committed with fsync, chained, signed and
settled by a signed ack. Peers run where they can be had; one that cannot is printed as "not run".
Machines differ and are shared: read the ratios. docs/performance.md says how it is measured.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench import codecs, desk, durability, footprint, post, speed
from tests.bench.meters import fsync_ms
from tests.bench.plan import Plan, installed
from tests.bench.report import Row, conditions, table

MEASURES: Mapping[str, Callable[[Plan], list[Row]]] = {
    "latency": speed.latency,
    "sustained": speed.sustained,
    "drain": speed.drain,
    "slow-disk": speed.slow_disk,
    "cold-start": speed.cold_start,
    "post": post.post,
    "readers": desk.readers,
    "path": desk.path,
    "idle": desk.idle,
    "wear": footprint.wear,
    "backlog": footprint.backlog,
    "kill9": durability.kill9,
    "silent": durability.silent,
    "codecs": codecs.codecs,
}


def main() -> int:
    """Measure, print the table, write it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, default=3, help="every system in turn, so often (default: 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each timed stretch (default: 5)")
    parser.add_argument("--out", type=Path, help="write the table with its conditions to this file")
    parser.add_argument("--no-thingsboard", action="store_true", help="do not install or run it")
    args = parser.parse_args()
    unknown = set(args.measures) - MEASURES.keys()
    if unknown:
        parser.error(f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    began = time.monotonic()
    without = "left out" if args.no_thingsboard else installed()
    if without is not None:
        print(f"ThingsBoard does not run: {without}")
    with tempfile.TemporaryDirectory(prefix="zhijiao-bench-") as name:
        folder = Path(name)
        head = conditions(fsync_ms(folder), folder)
        print(head)
        plan = Plan(folder, args.rounds, args.seconds, without, say=lambda text: print(text, flush=True))
        rows: list[Row] = []
        for measure in args.measures or MEASURES:
            print(f"{measure}: {(MEASURES[measure].__doc__ or '').splitlines()[0]}", flush=True)
            rows += MEASURES[measure](plan)
        tail = f"fsync     {fsync_ms(folder):.2f} ms at the end; {time.monotonic() - began:.0f} s in all"
    text = f"{head}\n{tail}\n\n{table(rows)}\n"
    print(f"\n{text}", end="")
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
