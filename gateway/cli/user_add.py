"""`zhijiao user add`: make an account with a role, beside a running gateway or not.

The password is asked for without echo, read from a file or made here; it never stands in the arguments.
The name stands in events and logs: take a post (chuangkou-1), not a person's name.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from gateway.access.changes import Action
from gateway.access.model import PEOPLE
from gateway.access.names import new_name
from gateway.cli.access_handover import (
    CODES,
    Desk,
    add_password,
    chosen_password,
    new_change,
    tell_password,
)
from gateway.cli.answer import describe
from gateway.cli.place import add_json
from gateway.config.model import DEFAULT_PATH

EXIT_CODES = CODES


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(commands, "add", summary="make an account (新增账号)", text=__doc__, codes=EXIT_CODES)
    parser.add_argument("name", metavar="NAME", help="2 to 32 small letters, digits, dots, dashes")
    parser.add_argument(
        "--role", required=True, choices=sorted(PEOPLE), help="what it may do: docs/access.md"
    )
    add_password(parser)
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, hand over and tell; raises `GatewayError`."""
    desk = Desk.of(args)
    change = replace(new_change(Action.ADD, new_name(args.name)), role=args.role)
    desk.book().check_new(args.name)
    chosen = chosen_password(args, args.name)
    result = desk.hand_over(replace(change, hash=chosen.hash, must_change=chosen.shown is not None))
    return tell_password(args, result, chosen, f"{args.name}, {args.role}", role=args.role)
