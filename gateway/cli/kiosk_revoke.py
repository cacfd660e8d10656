"""`zhijiao kiosk revoke`: the token of a kiosk is worth nothing from then on."""

import argparse
from pathlib import Path

from gateway.access.changes import Action
from gateway.cli.access_handover import CODES, Desk, exit_code, new_change, result_line
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.config.model import DEFAULT_PATH

EXIT_CODES = CODES


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "revoke",
        summary="a kiosk's token counts no more (吊销令牌)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument("kiosk", metavar="KIOSK", help="the kiosk, configured or not any more")
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hand over and tell; raises `GatewayError`."""
    result = Desk.of(args).hand_over(new_change(Action.REVOKE, args.kiosk))
    if args.json:
        print_json({"ok": True, "kiosk": args.kiosk, "result": result.value})
    else:
        print_lines([Line(Mark.OK, "kiosk", f"{args.kiosk}, its token is revoked"), result_line(result)])
    return exit_code(result)
