"""`zhijiao enroll`: give this box its identity, by the one-time code of the center.

zhijiao enroll enrol.example.cn:8444/370102-01/8D3QK-2M7PA-…

Keys are made on this box and never leave it. Without CODE it is asked for, so that it stays out of the
shell's history. Repeated with the same code after a power cut or a broken line, it goes on where it was;
until it says "enrolled", nothing has changed. The clock of the box needs no setting.
"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.config.model import DEFAULT_PATH
from gateway.config.reader import peek_gateway
from gateway.errors import ConfigError
from gateway.provisioning import Enrolled, EnrolmentRefused, EnrolmentRequest, Step, enroll
from gateway.store.lock import is_held
from gateway.store.reading import STORE_FILE

EXIT_REFUSED = EnrolmentRefused.exit_code
EXIT_CODES: Mapping[int, str] = {
    0: "enrolled",
    EXIT_REFUSED: "not enrolled: the center refused or was not reached; nothing has changed",
}
STEPS: Mapping[Step, str] = {
    Step.CODE: "reading the code",
    Step.CENTER: "looking for the center",
    Step.KEYS: "making keys on this box",
    Step.ASKING: "asking the center",
    Step.STORING: "storing the identity",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "enroll", summary="give this box its identity (登记本机)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("code", nargs="?", metavar="CODE", help="as the center gave it; else it is asked for")
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Enrol and tell; raises `GatewayError`."""
    state_dir, gateway = peek_gateway(args.config)
    request = EnrolmentRequest(code=args.code or _ask(), state_dir=state_dir, gateway=gateway)
    show = _silent if args.json or not sys.stderr.isatty() else _show
    enrolled = asyncio.run(enroll(request, step=show))
    running = is_held(state_dir / STORE_FILE)
    if args.json:
        print_json({"ok": True, **_facts(enrolled), "running": running})
    else:
        print_lines(list(_lines(enrolled, running=running)))
    return 0


def _ask() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    try:
        return getpass.getpass("enrolment code (登记码): ")
    except EOFError as exc:
        raise ConfigError("usage", "no enrolment code was given") from exc


def _show(step: Step) -> None:
    if step in STEPS:
        print(f"... {STEPS[step]}", file=sys.stderr)


def _silent(_step: Step) -> None:
    return


def _facts(enrolled: Enrolled) -> dict[str, object]:
    return {
        "gateway": enrolled.gateway,
        "org": enrolled.org,
        "kid": enrolled.kid,
        "registrar": enrolled.registrar,
        "brokers": [str(broker) for broker in enrolled.brokers],
        "certificate_until": f"{enrolled.certificate_until:%Y-%m-%dT%H:%M:%SZ}",
    }


def _lines(enrolled: Enrolled, *, running: bool) -> list[Line]:
    until = f"{enrolled.certificate_until:%Y-%m-%d}, renewed by itself before"
    after = (
        "restart the gateway: systemctl restart zhijiao"
        if running
        else "start the gateway: systemctl start zhijiao"
    )
    return [
        Line(Mark.OK, "enrolled", f"{enrolled.gateway} of {enrolled.org}, by {enrolled.registrar}"),
        Line(Mark.OK, "event key", enrolled.kid),
        Line(Mark.OK, "certificate", f"valid until {until}"),
        Line(Mark.OK, "brokers", ", ".join(str(broker) for broker in enrolled.brokers)),
        Line(Mark.NOTE, "now", "it counts from the next start", after),
    ]
