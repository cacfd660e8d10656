"""`make fuzz`: any bytes give frames, noise or protocol errors, in bounded memory, and hold back nothing.

    python -m tests.fuzz                                    every family, 1,000,000 inputs each
    python -m tests.fuzz --family osdp --inputs 20000       one of them, fewer
    python -m tests.fuzz --family osdp --replay 53|~|00ff   what an input does to each of its parts

The same seed makes the same inputs. A violation is printed with its input in hex (`|` between chunks, `~` where the
line was silent), and the exit status is 1.
"""

import argparse
import sys
import time

from tests.fuzz.campaign import HEAD, fuzz_all
from tests.fuzz.families import EVERY, parts_of
from tests.fuzz.inputs import Input
from tests.fuzz.trial import Count, Violation


def main() -> int:
    """Fuzz, print a line for each family."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", action="append", choices=EVERY, help="only these (default: all)")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each family (default: 1000000)")
    parser.add_argument("--seed", type=int, help="default: another one each time, printed")
    parser.add_argument("--workers", type=int, default=2, help="families at a time (default: 2)")
    parser.add_argument("--replay", metavar="HEX", help="run this one input instead")
    args = parser.parse_args()
    families = args.family or list(EVERY)
    if args.replay is not None:
        return replay(families, args.replay)
    seed = args.seed if args.seed is not None else int(time.time()) % 1_000_000
    print(f"seed {seed}, {args.inputs} inputs for each family\n{HEAD}", flush=True)
    broken = False
    for result in fuzz_all(families, args.inputs, seed, workers=args.workers):
        print(result.line, flush=True)
        for found in result.violations:
            print(f"  {found}", flush=True)
        broken = broken or bool(result.violations)
    return int(broken)


def replay(families: list[str], text: str) -> int:
    """One input against everything of the families; 0 when all is well."""
    broken = False
    for family in families:
        for part in parts_of(family, 0):
            try:
                part.trial.run(Input.of_hex(text), 0, Count())
                print(f"{part.name}: well")
            except Violation as exc:
                print(f"{part.name}: {exc}")
                broken = True
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
