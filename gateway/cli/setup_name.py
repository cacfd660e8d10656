"""`zhijiao setup name`: what the center is called, on kiosks, pages and the commissioning report."""

import argparse
from pathlib import Path

from gateway.cli.access_handover import CODES, exit_code, result_line
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.cli.setup_request import SetupDesk
from gateway.config.model import DEFAULT_PATH
from gateway.setup.center_name import fitting
from gateway.setup.requests import What

EXIT_CODES = CODES


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(commands, "name", summary="name the center (中心名称)", text=__doc__, codes=EXIT_CODES)
    parser.add_argument("name", metavar="NAME", help="at most 30 characters, like 历城区智慧矫正中心")
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hand over and tell; raises `GatewayError`."""
    name = fitting(args.name)
    result = SetupDesk.of(args.config).ask(What.NAME, {"name": name}, running=False)
    if args.json:
        print_json({"ok": True, "center": name, "result": result.value})
    else:
        print_lines([Line(Mark.OK, "center", name), result_line(result)])
    return exit_code(result)
