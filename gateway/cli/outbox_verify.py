"""`zhijiao outbox verify`: every row, signature, link and hole of the whole store.

Reads only, beside a running gateway, in small steps. What it cannot know is whether events were taken
off the store's end: the center's signed ack is the anchor for that.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import Place, add_json, add_keys, add_place, find_place, own_keys, public_keys
from gateway.cli.progress import Progress
from gateway.errors import ConfigError
from gateway.evidence.chain import keyring
from gateway.evidence.jws import FindKey
from gateway.store.checking import check_store
from gateway.store.findings import MOST_LISTED, Finding, StoreCheck, Verdict
from gateway.store.reading import open_for_reading

EXIT_CODES: Mapping[int, str] = {
    0: "intact, nothing missing",
    1: "intact, but events are missing that were purged, declared lost or not kept by a salvage",
    2: "altered or broken",
}
CODE_OF: Mapping[Verdict, int] = {Verdict.INTACT: 0, Verdict.HOLES: 1, Verdict.BROKEN: 2}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "verify", summary="prove the whole store (校验)", text=__doc__, codes=EXIT_CODES
    )
    add_place(parser)
    add_keys(parser)
    parser.add_argument(
        "--no-signatures", action="store_true", help="hashes and links only: more than twice as fast"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify and tell; raises `GatewayError`."""
    place = find_place(args)
    find_key = None if args.no_signatures else _find_key(place, args)
    began = time.monotonic()
    with (
        open_for_reading(place.store) as reading,
        closing(Progress("verifying", unit="events", quiet=args.json)) as progress,
    ):
        check = check_store(
            reading,
            gateway=place.gateway,
            find_key=find_key,
            progress=progress.done,
            fix_days=place.fix_days,
        )
    seconds = time.monotonic() - began
    if args.json:
        print_json(as_json(place, check, seconds))
    else:
        print_lines(list(lines_of(check, seconds)))
        sys.stdout.flush()
    return CODE_OF[check.verdict]


def _find_key(place: Place, args: argparse.Namespace) -> FindKey:
    keys = public_keys(args.key, args.trust, place.gateway)
    if not keys and place.config is not None:
        keys = own_keys(place.config)
    if not keys:
        raise ConfigError(
            "no_key",
            "signatures cannot be checked without the gateway's public key; give --key or --trust, "
            "or --no-signatures to check hashes and links only",
        )
    return keyring(keys)


def as_json(place: Place, check: StoreCheck, seconds: float) -> dict[str, object]:
    """The whole answer for a program."""
    return {
        "ok": check.verdict is Verdict.INTACT,
        "verdict": check.verdict.value,
        "store": str(place.store),
        "signatures": check.signatures,
        "events": check.events,
        "waiting": check.waiting,
        "seconds": round(seconds, 3),
        "epochs": [asdict(epoch) for epoch in check.epochs],
        "findings": [asdict(finding) for finding in check.findings],
        "finding_count": check.finding_count,
    }


def finding_lines(check: StoreCheck, seconds: float = 0) -> Iterator[Line]:
    """What was found, without the verdict."""
    for epoch in check.epochs:
        held = "no events left" if epoch.first is None else f"events {epoch.first} to {epoch.last}"
        gone = [
            f"{count:,} {how}"
            for count, how in (
                (epoch.purged, "purged"),
                (epoch.declared, "declared lost"),
                (epoch.salvaged, "not kept by a salvage"),
            )
            if count
        ]
        broken = any(finding.epoch == epoch.epoch for finding in check.findings)
        mark = Mark.ATTENTION if broken else Mark.NOTE if gone else Mark.OK
        yield Line(mark, f"epoch {epoch.epoch}", ", ".join([held, *gone]))
    for finding in check.findings:
        yield Line(Mark.ATTENTION, _where(finding), f"{finding.code}: {finding.what}")
    if len(check.findings) == MOST_LISTED:
        yield Line(Mark.ATTENTION, "in all", f"{check.finding_count} findings; not all are listed")
    rate = f", {check.events / seconds:,.0f} a second" if seconds and check.events else ""
    if check.signatures:
        yield Line(Mark.OK, "looked at", f"{check.events:,} events with their signatures{rate}")
    else:
        todo = "an event forged together with its hash is seen only with signatures"
        yield Line(Mark.NOTE, "looked at", f"{check.events:,} events without signatures{rate}", todo)


def lines_of(check: StoreCheck, seconds: float) -> Iterator[Line]:
    """The whole answer for a person."""
    yield from finding_lines(check, seconds)
    yield _verdict(check.verdict)


def _where(finding: Finding) -> str:
    if finding.epoch is None or finding.first is None:
        return "store"
    span = str(finding.first) if finding.first == finding.last else f"{finding.first} to {finding.last}"
    return f"{finding.epoch} #{span}"


def _verdict(verdict: Verdict) -> Line:
    match verdict:
        case Verdict.INTACT:
            return Line(Mark.OK, "verdict", "intact, nothing missing")
        case Verdict.HOLES:
            return Line(
                Mark.NOTE,
                "verdict",
                "intact; what is missing was purged when settled, declared lost, or not kept by a salvage",
            )
        case Verdict.BROKEN:
            return Line(
                Mark.ATTENTION,
                "verdict",
                "ALTERED OR BROKEN",
                "copy the store to another medium as evidence, tell the center; then: zhijiao outbox repair",
            )
