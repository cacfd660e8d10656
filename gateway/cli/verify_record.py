"""`zhijiao verify` of a receiver's database: every event of every gateway, with public keys alone."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing

from gateway.cli.answer import Line, Mark, print_json, print_lines
from gateway.cli.progress import Progress
from gateway.evidence.corrected_time import TimeQuality
from gateway.proof.flaws import MOST_LISTED, About, Completeness, EpochProof, Flaw, Integrity, Proof, spans
from gateway.proof.judging import KeysOf
from gateway.proof.record import judge_record

MAGIC = b"SQLite format 3\0"
_TIMES = {
    TimeQuality.PAIRED: (Mark.OK, "every event can be placed by a measurement of its gateway's clock"),
    TimeQuality.STATED: (Mark.OK, "some rest on the gateway's own word that its clock was right"),
    TimeQuality.CHIP: (Mark.NOTE, "some rest on a clock chip that nobody compared"),
    TimeQuality.UNKNOWN: (Mark.NOTE, "of some only the order is known"),
}


def run(args: argparse.Namespace, keys_of: KeysOf) -> int:
    """Verify and tell; raises `GatewayError`."""
    with closing(Progress("verifying", unit="events", quiet=args.json)) as progress:
        proof = judge_record(args.file, keys_of, progress.done)
    code = code_of(proof)
    if args.json:
        print_json({"ok": code == 0, "file": str(args.file), **proof.as_dict()})
    else:
        print_lines([*(_epoch(epoch) for epoch in proof.epochs), *flaws(proof), *verdicts(proof)])
        sys.stdout.flush()
    return code


def code_of(proof: Proof) -> int:
    """The exit code: 2 not intact, 1 not complete."""
    if proof.integrity is not Integrity.INTACT:
        return 2
    return 0 if proof.completeness is Completeness.COMPLETE else 1


def flaws(proof: Proof) -> Iterator[Line]:
    """What was found, each in its place."""
    marks = {About.INTEGRITY: Mark.ATTENTION, About.COMPLETENESS: Mark.ATTENTION, About.NOTE: Mark.NOTE}
    for flaw in proof.flaws:
        yield Line(marks[flaw.about], _where(flaw), f"{flaw.code.value}: {flaw.what}")
    if len(proof.flaws) == MOST_LISTED:
        yield Line(Mark.ATTENTION, "in all", f"{proof.counts.total():,} places; not all are listed")


def verdicts(proof: Proof) -> Iterator[Line]:
    """The three answers."""
    whole = proof.integrity is Integrity.INTACT
    yield Line(
        Mark.OK if whole else Mark.ATTENTION,
        "integrity",
        "every event is what its gateway signed, in its place" if whole else "BROKEN: see above",
    )
    marks = {Completeness.COMPLETE: Mark.OK, Completeness.DECLARED: Mark.NOTE}
    yield Line(
        marks.get(proof.completeness, Mark.ATTENTION),
        "completeness",
        f"{proof.completeness.value}, {proof.events:,} events",
    )
    mark, text = _TIMES[proof.time]
    yield Line(mark, "time", f"{proof.time.value} at worst: {text}")


def _epoch(epoch: EpochProof) -> Line:
    held = ", ".join(f"#{a}-{b}" if a != b else f"#{a}" for a, b in spans(epoch.held)) or "nothing genuine"
    mark = Mark.NOTE if epoch.missing or epoch.declared else Mark.OK
    return Line(mark, f"{epoch.gw} {epoch.epoch}", f"{epoch.events:,} events: {held}")


def _where(flaw: Flaw) -> str:
    place = f"{flaw.gw} {flaw.epoch}"
    if not flaw.first:
        return place
    return f"{place} #{flaw.first}" if flaw.first == flaw.last else f"{place} #{flaw.first}-{flaw.last}"
