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
    new_change,
    tell_password,
)
from gateway.cli.answer import describe
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
    return tell_password(args, result, chosen, f"{args.name}, a new password")
