"""`zhijiao outbox repair`: mend a damaged store. The gateway must be stopped.

It does what the gateway does by itself when it meets damage at its start: the damaged file is set aside
and never deleted, and every event that proves itself is kept. The next start opens a new epoch and declares
to the center what is lost. On demand, because damage can lie where a start does not look.
"""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gateway.cli.answer import Line, Mark, confirmed, describe, print_json, print_lines
from gateway.cli.outbox_verify import finding_lines
from gateway.cli.place import Place, add_json, configured_place
from gateway.cli.progress import Progress
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.config.model import DEFAULT_PATH
from gateway.errors import StoreRefused
from gateway.store.checking import check_store
from gateway.store.findings import Finding, StoreCheck, Verdict
from gateway.store.lock import holding
from gateway.store.opening import StoreSettings
from gateway.store.reading import SUSPECT_SUFFIX, open_for_reading
from gateway.store.repair import repair
from gateway.store.salvage import Salvage

EXIT_LOST, EXIT_DECLINED = 1, 3
EXIT_CODES: Mapping[int, str] = {
    0: "nothing to mend, or mended and nothing lost",
    EXIT_LOST: "mended; ranges are lost, and the next start declares them",
    EXIT_DECLINED: "not mended: you said no",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "repair",
        summary="mend a damaged store; gateway stopped (修复)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, ask, mend and tell; raises `GatewayError`."""
    place = configured_place(args.config)
    with holding(place.store):
        check = _examine(place, quiet=args.json)
    if check.verdict is not Verdict.BROKEN or place.config is None:
        _tell(args, check, None)
        return 0
    if not args.json:
        print_lines(list(finding_lines(check)))
    question = "Set this store aside, keep what proves itself, declare the rest lost?"
    if not confirmed(question, yes=args.yes, json=args.json):
        return EXIT_DECLINED
    cause = f"zhijiao outbox repair: {check.findings[0].code}"
    salvage = repair(_settings(place.config, place.store), SystemClock().now(), cause)
    _tell(args, check, salvage)
    return EXIT_LOST if salvage is not None and salvage.lost else 0


def _settings(config: Config, store: Path) -> StoreSettings:
    return StoreSettings(
        path=store,
        org=config.gateway.org,
        gateway=config.gateway.id,
        max_mib=config.store.max_mib or None,
        reserve_mib=config.store.reserve_mib or None,
    )


def _examine(place: Place, *, quiet: bool) -> StoreCheck:
    """What is wrong; a file that cannot be read as a store at all is one finding."""
    suspect = place.store.with_name(place.store.name + SUSPECT_SUFFIX)
    try:
        with (
            open_for_reading(place.store) as reading,
            closing(Progress("examining", unit="events", quiet=quiet)) as progress,
        ):
            check = check_store(
                reading, gateway=place.gateway, find_key=None, progress=progress.done, fix_days=place.fix_days
            )
    except StoreRefused as exc:
        if exc.code != "store_damaged":
            raise
        check = StoreCheck(signatures=False)
        check.add(Finding("file", "SQLite cannot read the file"))
    if suspect.exists():
        check.add(Finding("suspect", "the gateway met damage in it while running"))
    return check


def _tell(args: argparse.Namespace, check: StoreCheck, salvage: Salvage | None) -> None:
    if args.json:
        report = None if salvage is None else asdict(salvage)
        findings = [asdict(finding) for finding in check.findings]
        print_json({"ok": True, "mended": salvage is not None, "findings": findings, "salvage": report})
    else:
        print_lines(list(_lines(check, salvage)))


def _lines(check: StoreCheck, salvage: Salvage | None) -> Iterator[Line]:
    if salvage is None:
        yield Line(Mark.OK, "verdict", f"sound: {check.events:,} events looked at, nothing to mend")
        return
    yield Line(
        Mark.OK, "kept", f"{salvage.kept:,} events that prove themselves; the next start opens a new epoch"
    )
    for lost in salvage.lost:
        what = f"epoch {lost.epoch}, events {lost.first} to {lost.last}"
        yield Line(Mark.ATTENTION, "lost", what, "the next start declares them to the center")
    yield Line(Mark.NOTE, "unknown", "what stood behind the last readable event of the damaged file")
    yield Line(
        Mark.NOTE, "set aside", salvage.set_aside, "evidence: copy it to another medium, never delete it here"
    )
    yield Line(Mark.ATTENTION, "next", "start the gateway", "systemctl start zhijiao; then tell the center")
