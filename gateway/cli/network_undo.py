"""`zhijiao network undo`: back to the settings before the trial, without waiting."""

import argparse
from pathlib import Path

from gateway.cli.access_handover import CODES, exit_code
from gateway.cli.answer import describe, print_json, print_lines
from gateway.cli.network_told import told
from gateway.cli.place import add_json
from gateway.cli.setup_request import SetupDesk
from gateway.config.model import DEFAULT_PATH
from gateway.setup.requests import What

EXIT_CODES = {0: "undone", 1: CODES[1]}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "undo", summary="back to what was (恢复网络设置)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hand over and tell; raises `GatewayError`."""
    result = SetupDesk.of(args.config).ask(What.UNDO, {}, running=True)
    if args.json:
        print_json({"ok": True, "result": result.value})
    else:
        print_lines([told(result, "the former settings are back")])
    return exit_code(result)
