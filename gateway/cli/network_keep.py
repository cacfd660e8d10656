"""`zhijiao network keep`: what is on trial is kept. Say so where you reach the box at the new address.

Over SSH that is the address to which the session is connected; without SSH you are at the box itself.
"""

import argparse
import os
from pathlib import Path

from gateway.cli.access_handover import CODES, exit_code
from gateway.cli.answer import describe, print_json, print_lines
from gateway.cli.network_told import told
from gateway.cli.place import add_json
from gateway.cli.setup_request import SetupDesk
from gateway.config.model import DEFAULT_PATH
from gateway.setup.requests import What

LOOPBACK = "127.0.0.1"
EXIT_CODES = {0: "kept", 1: CODES[1]}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "keep", summary="keep what is on trial (确认网络设置)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hand over and tell; raises `GatewayError`."""
    result = SetupDesk.of(args.config).ask(What.KEEP, {"reached_at": reached_at()}, running=True)
    if args.json:
        print_json({"ok": True, "result": result.value})
    else:
        print_lines([told(result, "kept")])
    return exit_code(result)


def reached_at() -> str:
    """The address of this machine at which whoever gives the command reaches it."""
    parts = os.environ.get("SSH_CONNECTION", "").split()
    return parts[2] if len(parts) == 4 else LOOPBACK
