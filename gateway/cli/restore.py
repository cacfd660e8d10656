"""`zhijiao restore`: put a backup in the place of the store. The gateway must be stopped.

The backup is proven first, every row of it. The present store is set aside beside it, never deleted.
The next start opens a new epoch, so that no number is ever given twice.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gateway.cli.answer import Line, Mark, confirmed, describe, print_json, print_lines
from gateway.cli.backup import newest_line
from gateway.cli.place import add_json, configured_place
from gateway.cli.progress import Progress
from gateway.config.model import DEFAULT_PATH
from gateway.store.lock import holding
from gateway.store.restore import Restored, check_backup, restore

EXIT_DECLINED = 3
EXIT_CODES: Mapping[int, str] = {0: "restored", EXIT_DECLINED: "not restored: you said no"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "restore",
        summary="put a backup back; gateway stopped (恢复)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="what zhijiao backup wrote, or a copied store"
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prove, ask, restore and tell; raises `GatewayError`."""
    place = configured_place(args.config)
    gateway = place.gateway or ""
    with holding(place.store):
        pass  # refuse at once while a gateway runs, not after minutes of proving
    with closing(Progress("proving the backup", unit="events", quiet=args.json)) as progress:
        check = check_backup(args.file, gateway, progress.done)
    question = f"Put {args.file} ({check.events:,} events) in the place of {place.store}? The present one is set aside."
    if not confirmed(question, yes=args.yes, json=args.json):
        return EXIT_DECLINED
    with closing(Progress("copying", unit="pages", quiet=args.json)) as progress:
        done = restore(args.file, place.store, int(time.time() * 1000), progress.done)
    lines = list(_lines(done, place.store, gateway))
    if args.json:
        copy = {**asdict(done.copy), "path": str(place.store)}
        aside = None if done.set_aside is None else str(done.set_aside)
        print_json(
            {"ok": True, **copy, "set_aside": aside, "next": [line.todo for line in lines if line.todo]}
        )
    else:
        print_lines(lines)
    return 0


def _lines(done: Restored, store: Path, gateway: str) -> Iterator[Line]:
    yield Line(Mark.OK, "restored", str(store))
    yield newest_line(done.copy)
    if done.set_aside is not None:
        yield Line(
            Mark.NOTE,
            "set aside",
            str(done.set_aside),
            "it may hold events that the backup lacks: keep it as evidence",
        )
    yield Line(
        Mark.ATTENTION, "next, 1", "start the gateway", "systemctl start zhijiao; it opens a new epoch"
    )
    yield Line(
        Mark.ATTENTION,
        "next, 2",
        "tell the center",
        f"{gateway} was restored; later events than the one above are only at the center or in what was set aside",
    )
    yield Line(
        Mark.ATTENTION,
        "next, 3",
        "on another box or card: enrol anew",
        "the center withdraws the old keys first; the old card must never be started again",
    )
