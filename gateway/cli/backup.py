"""`zhijiao backup`: a copy of the store in one file, while the gateway runs and writes.

Check-ins are not held up. The copy is proven before it gets its name: SQLite's own check and the end of
the chain. It speaks of persons (mode 0600), and it does NOT hold the keys: those under /etc/zhijiao are
copied on their own, or made anew by enrolment.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gateway.cli.answer import (
    Line,
    Mark,
    describe,
    file_line,
    mib,
    print_json,
    print_lines,
    restricted_line,
    when,
)
from gateway.cli.place import add_json, add_place, find_place
from gateway.cli.progress import Progress
from gateway.store.backup import Copy, back_up
from gateway.store.new_file import is_private

EXIT_CODES: Mapping[int, str] = {0: "written and proven"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "backup",
        summary="copy the store while the gateway runs (备份)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    add_place(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="new file on another medium, mode 0600"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Copy, prove and tell; raises `GatewayError`."""
    place = find_place(args)
    began = time.monotonic()
    with closing(Progress("copying", unit="pages", quiet=args.json)) as progress:
        copy = back_up(place.store, args.out, progress.done)
    seconds = time.monotonic() - began
    if args.json:
        facts = {**asdict(copy), "path": str(copy.path)}
        print_json({"ok": True, **facts, "private": is_private(args.out), "seconds": round(seconds, 3)})
    else:
        print_lines(list(_lines(copy, seconds)))
    return 0


def _lines(copy: Copy, seconds: float) -> Iterator[Line]:
    yield file_line(copy.path, "keep it on another medium, locked away")
    yield Line(Mark.OK, "copied", f"{mib(copy.bytes)} in {seconds:.1f} s, SHA-256 {copy.sha256}")
    yield newest_line(copy)
    yield Line(Mark.NOTE, "waiting", f"{copy.waiting:,} events in it had not been confirmed by the center")
    yield Line(
        Mark.NOTE, "not in it", "the keys and the configuration under /etc/zhijiao", "copy them on their own"
    )
    yield restricted_line("encrypt it where it leaves the house")


def newest_line(copy: Copy) -> Line:
    """Up to where a copy goes."""
    if copy.newest_ms is None:
        return Line(Mark.NOTE, "up to", "no event: the gateway had not run yet")
    told = f"event {copy.last_seq} of epoch {copy.epoch}, recorded {when(copy.newest_ms)}"
    return Line(Mark.OK, "up to", f"{told}; gateway {copy.gateway}")
