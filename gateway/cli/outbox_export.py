"""`zhijiao outbox export`: a range of events as a file that can be verified offline, years later.

The file is JSON lines of the exact signed bytes, then a manifest (docs/cli.md); `zhijiao verify` checks
it with the gateway's public key alone. It speaks of persons: it is written for its owner only (0600).
Reads only, beside a running gateway, which records the export (`audit.exported`) within a minute or two;
one that is stopped does so at its next start.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway import __version__
from gateway.cli.answer import Line, Mark, describe, file_line, print_json, print_lines, restricted_line
from gateway.cli.place import Place, add_json, add_place, find_place, own_keys, own_signer
from gateway.cli.progress import Progress
from gateway.clock import iso_ms
from gateway.errors import ConfigError, ContractError, StoreRefused
from gateway.evidence.canonical import Json
from gateway.evidence.export_file import Writer
from gateway.evidence.jws import Signer
from gateway.store import export_note
from gateway.store.new_file import is_private, new_file
from gateway.store.reading import Reading, StoredEpoch, open_for_reading, prove_row

RANGES_NOTED = 16  # the newest epochs

EXIT_CODES: Mapping[int, str] = {
    0: "written, every event of the range is in it",
    1: "written; events of the range are not held here any more (purged, or lost)",
    2: "written, but events that do not prove themselves were left out",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A range of one epoch, in `n`."""

    epoch: StoredEpoch
    first_n: int
    last_n: int

    def __len__(self) -> int:
        return max(0, self.last_n - self.first_n + 1)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "export", summary="hand out a range as evidence (导出)", text=__doc__, codes=EXIT_CODES
    )
    add_place(parser)
    parser.add_argument("--epoch", metavar="E", help="only this epoch (default: all of them)")
    parser.add_argument(
        "--from", dest="first", type=int, metavar="N", help="first sequence (default: the first)"
    )
    parser.add_argument("--to", dest="last", type=int, metavar="N", help="last sequence (default: the last)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="new file, mode 0600 (default: standard output)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file and tell; raises `GatewayError`."""
    if args.out is None and (args.json or sys.stdout.isatty()):
        raise ConfigError(
            "usage",
            "export writes personal data: name a file with --out, or pipe standard output to a program",
        )
    place = find_place(args)
    with open_for_reading(place.store) as reading:
        wanted = choose(reading, args.epoch, args.first, args.last)
        total = sum(len(part) for part in wanted)
        recorded = _record(place, wanted)  # before anything is handed out
        with (
            _output(args.out) as file,
            closing(Progress("exporting", unit="events", quiet=args.json)) as progress,
        ):
            writer, altered = write(reading, wanted, file, lambda done: progress.done(done, total))
            manifest = _finish(writer, place)
    missing = total - writer.count - altered
    code = 2 if altered else 1 if missing else 0
    _tell(args, manifest, altered=altered, missing=missing, recorded=recorded)
    return code


def choose(reading: Reading, epoch: str | None, first: int | None, last: int | None) -> list[Wanted]:
    """Which rows are asked for; raises `ConfigError` (usage) where there are none."""
    table = reading.epochs()
    if epoch is not None:
        table_of = [entry for entry in table if entry.epoch == epoch]
        if not table_of:
            raise ConfigError(
                "usage", f"--epoch {epoch}: this store has no such epoch; see zhijiao outbox status"
            )
        table = table_of
    elif (first is not None or last is not None) and len(table) > 1:
        raise ConfigError("usage", "--from and --to count inside one epoch: name it with --epoch")
    newest = reading.last_n()
    wanted = []
    for entry in table:
        end = newest if entry.end is None else entry.end - 1
        last_n = end if last is None else min(end, entry.first_n + last - 1)
        wanted.append(Wanted(entry, entry.first_n + (first or 1) - 1, last_n))
    if (first is not None and first < 1) or not any(len(part) for part in wanted):
        raise ConfigError("usage", "the range holds no event; see zhijiao outbox status for what there is")
    return wanted


def _record(place: Place, wanted: list[Wanted]) -> bool:
    """Leave a note for the gateway; False where there is none to read it, or its folder takes nothing.

    A failing card is a reason to export, so it cannot be one to refuse it.
    """
    if place.config is None:
        return False
    ranges: list[Json] = [
        {"epoch": part.epoch.epoch, "from": part.first_n - part.epoch.first_n + 1,
         "to": part.last_n - part.epoch.first_n + 1}
        for part in wanted if len(part)
    ]  # fmt: skip
    now_ms = int(time.time() * 1000)
    data: dict[str, Json] = {
        "what": "outbox",
        "ranges": ranges[-RANGES_NOTED:],
        "ranges_n": len(ranges),
        "events": sum(len(part) for part in wanted),
        "uid": _uid(),
        "machine_time": iso_ms(now_ms),
    }
    try:
        export_note.leave(place.store.parent, data, now_ms)
    except StoreRefused:
        return False
    return True


def _uid() -> int:
    """Who asked: whoever became root for it, if it was by sudo."""
    before = os.environ.get("SUDO_UID", "")
    return int(before) if before.isascii() and before.isdigit() and len(before) < 11 else os.getuid()


def write(
    reading: Reading, wanted: list[Wanted], file: BinaryIO, progress: Callable[[int], object]
) -> tuple[Writer, int]:
    """Write the events that prove themselves; the writer, and how many do not."""
    writer, altered, looked = Writer(file), 0, 0
    for part in wanted:
        for row in reading.rows(part.first_n, part.last_n):
            looked += 1
            progress(looked)
            try:
                link, wire = prove_row(row, None)
            except ContractError:
                altered += 1
                continue
            if (link.epoch, link.seq) != (part.epoch.epoch, row.n - part.epoch.first_n + 1):
                altered += 1
                continue
            writer.add(link, wire)
    return writer, altered


def _finish(writer: Writer, place: Place) -> dict[str, Json]:
    keys: dict[str, bytes] = {}
    signer: Signer | None = None
    if place.config is not None:
        keys = own_keys(place.config)
        if place.config.keys.event_key_file.exists():
            signer = own_signer(place.config)
    created = iso_ms(int(time.time() * 1000))
    return writer.finish(created=created, software=__version__, keys=keys, signer=signer)


@contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with new_file(path) as fresh, os.fdopen(os.dup(fresh.handle), "wb") as file:
        yield file


def _tell(
    args: argparse.Namespace, manifest: dict[str, Json], *, altered: int, missing: int, recorded: bool
) -> None:
    if args.json:
        print_json(
            {"ok": not altered and not missing, "file": str(args.out), "private": is_private(args.out),
             "missing": missing, "altered": altered, "recorded": recorded, "manifest": manifest}
        )  # fmt: skip
        return
    lines = [
        Line(Mark.OK, "written", f"{manifest['count']} events, SHA-256 of them {manifest['sha256']}"),
        *_shortfall(altered, missing),
        *_unrecorded(recorded),
        restricted_line("hand it on encrypted, keep it only as long as it is needed"),
    ]
    if args.out is None:
        for line in lines:
            print(f"{line.mark.value} {line.name} {line.value}".rstrip(), file=sys.stderr)
        return
    print_lines([file_line(args.out, f"zhijiao verify {args.out} --key KEY"), *lines])


def _unrecorded(recorded: bool) -> Iterator[Line]:  # noqa: FBT001 - one fact
    if not recorded:
        todo = "write it down by hand: who, when, for whom"
        yield Line(Mark.NOTE, "not recorded", "the gateway hears nothing of this export", todo)


def _shortfall(altered: int, missing: int) -> Iterator[Line]:
    if missing:
        yield Line(Mark.NOTE, "missing", f"{missing} events of the range are not held here any more")
    if altered:
        todo = "run zhijiao outbox verify, and tell the center"
        yield Line(Mark.ATTENTION, "left out", f"{altered} events that do not prove themselves", todo)
