"""`zhijiao dossier`: what the center holds of one person or one time, as one signed file for a prosecutor.

An HTML page that any browser opens without a network, with the exact signed events inside it; `zhijiao verify` checks
it with public keys alone. It speaks of persons: it is written for its owner only (0600). Reads the database of
`zhijiao receive`, also while that runs, and judges the whole record of the gateways concerned for its three answers.
"""

import argparse
import hashlib
import re
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway import __version__
from gateway.cli.answer import Line, Mark, describe, file_line, print_json, print_lines, restricted_line
from gateway.cli.place import add_json
from gateway.cli.progress import Progress
from gateway.cli.verify_record import code_of, verdicts
from gateway.clock import iso_ms
from gateway.errors import ConfigError, ContractError
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey
from gateway.evidence.keys import Role, TrustStore, load_signer, load_trust
from gateway.proof.choice import Chosen, Wanted, choose
from gateway.proof.dossier import assemble, record_lines
from gateway.proof.dossier_page import Subject, page
from gateway.proof.flaws import Proof
from gateway.proof.judging import KeysOf
from gateway.proof.record import judge_record
from gateway.receiver.topics import GATEWAY_FORM
from gateway.receiver.unseal import Unsealer
from gateway.store.new_file import is_private, new_file, write_all
from gateway.web.messages import Lang

PERSON_REF = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
MOST_EVENTS = 50_000  # what a browser still opens; a longer time is several dossiers
EXIT_CODES: Mapping[int, str] = {
    0: "written; the record is intact and complete",
    1: "written; the record is intact, but something is missing from it, as the page says",
    2: "written; the record was altered, as the page says",
}


@dataclass(frozen=True, slots=True)
class _Made:
    chosen: list[Chosen]
    proof: Proof
    content: bytes


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "dossier",
        summary="a person's or a period's events for a prosecutor (出证)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument("--db", required=True, help="database of zhijiao receive, as its --db")
    parser.add_argument("--trust", required=True, type=Path, metavar="FILE", help="the center's trust file")
    parser.add_argument("--ack-key", required=True, type=Path, metavar="FILE", help="private key that signs")
    parser.add_argument("--ack-kid", required=True, metavar="KID", help="its name in the trust file")
    parser.add_argument("--person", metavar="REF", help="the person, by the reference of the roster")
    parser.add_argument("--gateway", metavar="GW", help="only this gateway; needed without --person")
    parser.add_argument("--from", dest="first", metavar="DAY", help="first day, 2026-11-01 (default: all)")
    parser.add_argument("--to", dest="last", metavar="DAY", help="last day, included (default: all)")
    parser.add_argument("--zone", default="Asia/Shanghai", help="of days and times (default: Asia/Shanghai)")
    parser.add_argument("--case", default="", metavar="TEXT", help="number of the case, for the page")
    parser.add_argument("--by", default="", metavar="TEXT", help="who makes it, for the page")
    parser.add_argument(
        "--unseal", type=Path, metavar="FILE", help="private sealing key: show names and numbers"
    )
    parser.add_argument("--lang", choices=[lang.value for lang in Lang], default=Lang.ZH.value)
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="new file, mode 0600")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the dossier and tell; raises `GatewayError`."""
    wanted, zone = _wanted(args)
    made = _make(args, wanted, zone)
    with new_file(args.out) as fresh:
        write_all(fresh.handle, made.content)
    code = code_of(made.proof)
    digest = hashlib.sha256(made.content).hexdigest()
    count = sum(not one.context for one in made.chosen)
    if args.json:
        print_json(
            {"ok": code == 0, "file": str(args.out), "private": is_private(args.out), "events": count,
             "context": len(made.chosen) - count, "sha256": digest, "integrity": made.proof.integrity.value,
             "completeness": made.proof.completeness.value, "time": made.proof.time.value}
        )  # fmt: skip
        return code
    print_lines(
        [
            file_line(args.out, f"zhijiao verify {args.out} --trust {args.trust}"),
            Line(Mark.OK, "written", f"{count} events, SHA-256 of the file {digest}"),
            *verdicts(made.proof),
            restricted_line("hand it on encrypted, keep it only as long as it is needed"),
        ]
    )
    sys.stdout.flush()
    return code


def _make(args: argparse.Namespace, wanted: Wanted, zone: ZoneInfo) -> _Made:
    trust = load_trust(args.trust, allow_demo=True)
    signer = load_signer(args.ack_key, args.ack_kid)
    known = {key.kid: key for key in trust.everybody()}.get(signer.kid)
    public = signer.public.public_bytes_raw()
    if known is None or known.role is not Role.ACK or known.public != public:
        raise ConfigError(
            "key_file",
            f"--ack-key {args.ack_key}: {args.trust} names no such key of the center; nobody could check it",
        )
    unsealer = None if args.unseal is None else Unsealer.load(args.unseal)
    with closing(Progress("choosing", unit="events", quiet=args.json)) as progress:
        chosen = choose(args.db, wanted, keys_of(trust), progress.done)
    if len(chosen) > MOST_EVENTS:
        raise ConfigError(
            "too_many",
            f"{len(chosen):,} events, at most {MOST_EVENTS:,} go into one dossier; name fewer days",
        )
    gateways = sorted({one.gw for one in chosen}) or [wanted.gateway or ""]
    with closing(Progress("judging the record", unit="events", quiet=args.json)) as progress:
        proof = Proof()
        for gateway in gateways:
            proof.merge(judge_record(args.db, keys_of(trust), progress.done, gateway))
    made_ms = int(time.time() * 1000)
    subject = Subject(
        wanted=wanted, by=args.by, case=args.case, made_ms=made_ms, kid=signer.kid, fingerprint=public.hex()
    )
    try:
        shown = page(subject, chosen, proof, zone=zone, lang=Lang(args.lang), unsealer=unsealer)
    except ContractError as exc:
        raise ConfigError("sealed", f"--unseal {args.unseal}: {exc}; name the key of that time") from exc
    statement = _statement(args, wanted, chosen, proof, made_ms)
    return _Made(chosen, proof, assemble(shown, record_lines(chosen), statement, signer))


def _statement(
    args: argparse.Namespace, wanted: Wanted, chosen: list[Chosen], proof: Proof, made_ms: int
) -> dict[str, Json]:
    context = sum(one.context for one in chosen)
    return {
        "created": iso_ms(made_ms),
        "software": __version__,
        "case": args.case,
        "by": args.by,
        "person": wanted.person,
        "gateway": wanted.gateway,
        "from": None if wanted.from_ms is None else iso_ms(wanted.from_ms),
        "to": None if wanted.to_ms is None else iso_ms(wanted.to_ms),
        "zone": args.zone,
        "events": len(chosen) - context,
        "context": context,
        "integrity": proof.integrity.value,
        "completeness": proof.completeness.value,
        "time": proof.time.value,
        "record": [
            {
                "gw": epoch.gw,
                "epoch": epoch.epoch,
                "events": epoch.events,
                "held": [list(span) for span in epoch.held],
                "missing": [list(span) for span in epoch.missing],
                "declared": [list(span) for span in epoch.declared],
            }
            for epoch in proof.epochs
        ],
    }


def keys_of(trust: TrustStore) -> KeysOf:
    """Each gateway's own keys."""

    def of(gateway: str) -> FindKey:
        return trust.find(Role.GATEWAY, gateway=gateway)

    return of


def _wanted(args: argparse.Namespace) -> tuple[Wanted, ZoneInfo]:
    if args.person is None and args.gateway is None:
        raise ConfigError("usage", "say of whom or of which gateway: --person REF or --gateway GW")
    if args.gateway is not None and re.fullmatch(GATEWAY_FORM, args.gateway) is None:
        raise ConfigError("usage", f"--gateway {args.gateway}: must look like gw-370102-01")
    if args.person is not None and not PERSON_REF.fullmatch(args.person):
        raise ConfigError(
            "usage", "--person must be a reference of the roster, which is no name and no ID number"
        )
    try:
        zone = ZoneInfo(args.zone)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise ConfigError("usage", f"--zone {args.zone}: no such zone; such as Asia/Shanghai") from exc
    first, last = _day(args.first, "--from"), _day(args.last, "--to")
    if first is not None and last is not None and first > last:
        raise ConfigError("usage", "--from is after --to; name the earlier day first")
    from_ms = None if first is None else _begin_ms(first, zone)
    to_ms = None if last is None else _begin_ms(last + timedelta(days=1), zone)
    return Wanted(args.person, args.gateway, from_ms, to_ms), zone


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as exc:
        raise ConfigError("usage", f"{option} {text}: must be a day, such as 2026-11-01") from exc


def _begin_ms(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time_of_day(), tzinfo=zone).timestamp() * 1000)
