"""`zhijiao verify` of a dossier: its events by the gateways' keys, page and statement by the center's."""

import argparse
import sys
from collections.abc import Iterator

from gateway.cli.answer import Line, Mark, print_json, print_lines
from gateway.cli.verify_record import flaws
from gateway.errors import ConfigError
from gateway.evidence.jws import FindKey
from gateway.proof.dossier import DossierCheck, verify_dossier
from gateway.proof.flaws import Completeness, Integrity
from gateway.proof.judging import KeysOf


def run(args: argparse.Namespace, keys_of: KeysOf, center: FindKey) -> int:
    """Verify and tell; raises `ConfigError`."""
    try:
        content = args.file.read_bytes()
    except OSError as exc:
        raise ConfigError("file_unreadable", f"{args.file}: {exc.strerror}; name a file to verify") from exc
    check = verify_dossier(content, keys_of, center)
    code = _code(check)
    if args.json:
        print_json(
            {"ok": code == 0, "file": str(args.file), "events": check.events, "context": check.context,
             "integrity": check.proof.integrity.value, "time": check.proof.time.value,
             "center_says": {key: check.manifest.get(key) for key in ("integrity", "completeness", "time")},
             "created": check.manifest.get("created"),
             "troubles": [{"code": one.code, "what": one.what} for one in check.troubles],
             "flaws": [flaw.as_dict() for flaw in check.proof.flaws]}
        )  # fmt: skip
    else:
        print_lines([*_lines(check), _verdict(code)])
        sys.stdout.flush()
    return code


def _code(check: DossierCheck) -> int:
    if check.troubles or check.proof.integrity is not Integrity.INTACT:
        return 2
    said = (check.manifest.get("integrity"), check.manifest.get("completeness"))
    return 0 if said == (Integrity.INTACT.value, Completeness.COMPLETE.value) else 1


def _lines(check: DossierCheck) -> Iterator[Line]:
    for trouble in check.troubles:
        yield Line(Mark.ATTENTION, "file", f"{trouble.code}: {trouble.what}")
    yield from flaws(check.proof)
    whole = check.proof.integrity is Integrity.INTACT
    yield Line(
        Mark.OK if whole else Mark.ATTENTION,
        "integrity",
        f"{check.events:,} events and {check.context:,} clock measurements, "
        + ("each as its gateway signed it" if whole else "NOT all as a gateway signed them"),
    )
    yield Line(Mark.OK, "time", f"{check.proof.time.value} at worst")
    if not check.manifest:
        return
    yield Line(Mark.OK, "statement", f"signed by the center, {check.manifest.get('created')}")
    told = check.manifest.get("completeness")
    yield Line(
        Mark.OK if told == Completeness.COMPLETE.value else Mark.NOTE,
        "completeness",
        f"the center's whole record was {told} and {check.manifest.get('integrity')}, as it says",
    )


def _verdict(code: int) -> Line:
    words = {0: "genuine", 1: "genuine, of a record with holes or damage", 2: "NOT GENUINE"}
    return Line(Mark.OK if code == 0 else Mark.NOTE if code == 1 else Mark.ATTENTION, "verdict", words[code])
