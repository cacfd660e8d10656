"""What `zhijiao user disable`, `enable` and `remove` have in common."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.access.changes import Action
from gateway.cli.access_handover import CODES, Desk, exit_code, new_change, result_line
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.config.model import DEFAULT_PATH

_SAID = {Action.DISABLE: "disabled", Action.ENABLE: "enabled", Action.REMOVE: "removed"}


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Action,
    *,
    summary: str,
    text: str | None,
) -> None:
    """Declare one of them."""
    parser = describe(commands, name, summary=summary, text=text, codes=CODES)
    parser.add_argument("name", metavar="NAME", help="the account")
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    command: Callable[[argparse.Namespace], int] = partial(run, action)
    parser.set_defaults(run=command)


def run(action: Action, args: argparse.Namespace) -> int:
    """Hand over and tell; raises `GatewayError`."""
    desk = Desk.of(args)
    last = desk.book().last_admin(args.name) and action is not Action.ENABLE
    result = desk.hand_over(new_change(action, args.name))
    if args.json:
        print_json({"ok": True, "account": args.name, "result": result.value, "admins_left": not last})
        return exit_code(result)
    lines = [Line(Mark.OK, "account", f"{args.name}, {_SAID[action]}")]
    if last:
        todo = "make one: zhijiao user add NAME --role admin"
        lines.append(Line(Mark.NOTE, "admin", "no administrator is left who could sign in", todo))
    print_lines([*lines, result_line(result)])
    return exit_code(result)
