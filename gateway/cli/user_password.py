"""`zhijiao user password`: give an account another password, beside a running gateway or not.

Its sessions end at once, and nobody waits for it any more because of failed tries.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from gateway.access.changes import Action
from gateway.cli.access_handover import (
    CODES,
    Desk,
    add_password,
    chosen_password,
    exit_code,
    new_change,
    result_line,
)
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.config.model import DEFAULT_PATH

EXIT_CODES = CODES


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "password", summary="give another password (重设口令)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("name", metavar="NAME", help="the account")
    add_password(parser)
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, hand over and tell; raises `GatewayError`."""
    desk = Desk.of(args)
    desk.book().check_known(args.name)
    chosen = chosen_password(args, args.name)
    change = new_change(Action.PASSWORD, args.name)
    result = desk.hand_over(replace(change, hash=chosen.hash, must_change=chosen.shown is not None))
    if args.json:
        told = {"ok": True, "account": args.name, "result": result.value}
        print_json(told if chosen.shown is None else {**told, "password": chosen.shown})
        return exit_code(result)
    lines = [Line(Mark.OK, "account", f"{args.name}, a new password")]
    if chosen.shown is not None:
        lines.append(Line(Mark.NOTE, "password", chosen.shown, "shown this once; hand it over in person"))
    print_lines([*lines, result_line(result)])
    return exit_code(result)
