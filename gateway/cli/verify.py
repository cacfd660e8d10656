"""`zhijiao verify`: an exported file, judged offline with the gateway's public key alone.

Needs no gateway, no store and no network. The key must come from somewhere else than the file:
from the center's register, from the paper of the acceptance, or from whoever enrolled the gateway.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json, add_keys, public_keys
from gateway.cli.progress import Progress
from gateway.errors import ConfigError
from gateway.evidence.chain import keyring
from gateway.evidence.export_file import MOST_LISTED, FileCheck, FileFinding, verify_file

EXIT_CODES: Mapping[int, str] = {
    0: "genuine and complete between its ends",
    1: "genuine, but the gateway did not hold every event between its ends any more",
    2: "altered, cut off, or not signed by these keys",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "verify",
        summary="judge an exported file offline (校验导出文件)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what zhijiao outbox export wrote")
    add_keys(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify and tell; raises `GatewayError`."""
    keys = public_keys(args.key, args.trust)
    if not keys:
        raise ConfigError(
            "no_key", "name the gateway's public key with --key or --trust; it is the one thing needed"
        )
    try:
        with (
            args.file.open("rb") as file,
            closing(Progress("verifying", unit="bytes", quiet=args.json)) as progress,
        ):
            size = args.file.stat().st_size
            check = verify_file(file, keyring(keys), lambda done: progress.done(done, size))
    except OSError as exc:
        raise ConfigError("file_unreadable", f"{args.file}: {exc.strerror}; name an exported file") from exc
    code = 2 if check.finding_count else 1 if check.missing else 0
    if args.json:
        print_json(
            {"ok": code == 0, "file": str(args.file), "gateway": check.gateway, "created": check.created,
             "signed_manifest": not check.unsigned, "events": check.summary.count, "missing": check.missing,
             "epochs": [asdict(span) for span in check.spans], "finding_count": check.finding_count,
             "findings": [asdict(finding) for finding in check.findings]}
        )  # fmt: skip
    else:
        print_lines(list(_lines(check, code)))
        sys.stdout.flush()
    return code


def _lines(check: FileCheck, code: int) -> Iterator[Line]:
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
    words = {0: "genuine and complete between its ends", 1: "genuine, with holes", 2: "NOT GENUINE"}
    yield Line(Mark.OK if code == 0 else Mark.NOTE if code == 1 else Mark.ATTENTION, "verdict", words[code])


def _where(finding: FileFinding) -> str:
    if not finding.first:
        return "file"
    return (
        f"line {finding.first}" if finding.first == finding.last else f"lines {finding.first}-{finding.last}"
    )
