"""`zhijiao verify` of what `zhijiao outbox export` wrote: events between two ends, and a manifest about them."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gateway.cli.answer import Line, Mark, print_json, print_lines
from gateway.cli.progress import Progress
from gateway.cli.verify_record import flaws, verdicts
from gateway.errors import ConfigError
from gateway.evidence.export_file import (
    MOST_LISTED,
    FileCheck,
    FileFinding,
    event_lines,
    verify_file,
)
from gateway.evidence.jws import FindKey
from gateway.evidence.succession import Succession
from gateway.proof.flaws import Proof
from gateway.proof.judging import Extent, Judge, KeysOf, keys_among, pairings_in, rotations_in


def run(args: argparse.Namespace, find_key: FindKey, keys_of: KeysOf) -> int:
    """Verify and tell; raises `GatewayError`."""
    try:
        with (
            args.file.open("rb") as file,
            closing(Progress("verifying", unit="bytes", quiet=args.json)) as progress,
        ):
            size = args.file.stat().st_size
            succession = rotations_in(_events(args.file), keys_of)
            find = _with_successors(find_key, succession)
            check = verify_file(file, find, lambda done: progress.done(done, size), succession)
            proof = _proof(args.file, keys_of, succession)
    except OSError as exc:
        raise ConfigError("file_unreadable", f"{args.file}: {exc.strerror}; name an exported file") from exc
    code = 2 if check.finding_count else 1 if check.missing else 0
    if args.json:
        print_json(
            {"ok": code == 0, "file": str(args.file), "gateway": check.gateway, "created": check.created,
             "signed_manifest": not check.unsigned, "events": check.summary.count, "missing": check.missing,
             "epochs": [asdict(span) for span in check.spans], "finding_count": check.finding_count,
             "findings": [asdict(finding) for finding in check.findings],
             "integrity": proof.integrity.value, "completeness": proof.completeness.value,
             "time": proof.time.value, "flaws": [flaw.as_dict() for flaw in proof.flaws]}
        )  # fmt: skip
    else:
        print_lines([*_lines(check), *flaws(proof), *verdicts(proof), _verdict(code)])
        sys.stdout.flush()
    return code


def _with_successors(find_key: FindKey, succession: Succession) -> FindKey:
    """A file is of one gateway; what it says of keys is only believed where it is."""
    gateways = {one.gateway for one in succession.all()}
    return succession.among(gateways.pop(), find_key) if len(gateways) == 1 else find_key


def _proof(path: Path, keys_of: KeysOf, succession: Succession) -> Proof:
    """The three answers about what lies between the file's own ends."""
    pairings = pairings_in(_events(path), keys_among(keys_of, succession))
    judge = Judge(keys_of, pairings, extent=Extent.RANGE, succession=succession)
    for wire in _events(path):
        judge.event(wire)
    return judge.finish()


def _events(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from event_lines(file)


def _lines(check: FileCheck) -> Iterator[Line]:
    yield Line(
        Mark.NOTE,
        "file of",
        f"{check.gateway or 'unknown gateway'}, made {check.created or 'at an unknown time'}",
    )
    for span in check.spans:
        gone = f", {span.missing:,} of them not held any more" if span.missing else ""
        mark = Mark.NOTE if span.missing else Mark.OK
        yield Line(mark, f"epoch {span.epoch}", f"events {span.first} to {span.last}{gone}; head {span.head}")
    for finding in check.findings:
        yield Line(Mark.ATTENTION, _where(finding), f"{finding.code}: {finding.what}")
    if len(check.findings) == MOST_LISTED:
        yield Line(Mark.ATTENTION, "in all", f"{check.finding_count} findings; not all are listed")
    if any(finding.code == "unknown_kid" for finding in check.findings):
        for kid, public in check.named_keys:
            yield Line(
                Mark.NOTE, "key named inside", f"{kid} {public}", "compare it with the center's register"
            )
    if not check.finding_count and not check.unsigned:
        yield Line(Mark.OK, "manifest", "signed: nothing was cut off at either end")
    elif check.unsigned:
        yield Line(Mark.NOTE, "manifest", "not signed: whether events were cut off at the ends is not proven")


def _verdict(code: int) -> Line:
    words = {0: "genuine and complete between its ends", 1: "genuine, with holes", 2: "NOT GENUINE"}
    return Line(Mark.OK if code == 0 else Mark.NOTE if code == 1 else Mark.ATTENTION, "verdict", words[code])


def _where(finding: FileFinding) -> str:
    if not finding.first:
        return "file"
    return (
        f"line {finding.first}" if finding.first == finding.last else f"lines {finding.first}-{finding.last}"
    )
