"""`zhijiao doctor`: is this box ready? Each line ok, good to know, or wrong with what to do.

Looks at configuration, keys, clock, disk, service, devices, certificates and the line to the broker. Changes
nothing, disturbs no device and no connection; works beside a running gateway.
"""

import argparse
from collections.abc import Mapping

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.doctor_devices import judge_devices
from gateway.cli.doctor_line import judge_line
from gateway.cli.doctor_machine import judge_machine
from gateway.cli.place import add_json
from gateway.config import load_without_files
from gateway.config.model import DEFAULT_PATH
from gateway.store.lock import is_held
from gateway.store.reading import STORE_FILE

EXIT_ATTENTION = 1
EXIT_CODES: Mapping[int, str] = {
    0: "nothing is wrong",
    EXIT_ATTENTION: "something is, see the lines with !!",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "doctor", summary="is this box ready? (开工前检查)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument(
        "--config", type=type(DEFAULT_PATH), default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `ConfigError` where the configuration cannot be read at all."""
    config = load_without_files(args.config)
    running = is_held(config.gateway.state_dir / STORE_FILE)
    lines = [
        Line(Mark.OK, "configuration", f"{config.path}, gateway {config.gateway.id} of {config.gateway.org}"),
        *judge_machine(config),
        *judge_devices(config, running=running),
        *judge_line(config),
    ]
    attention = any(line.mark is Mark.ATTENTION for line in lines)
    if args.json:
        print_json(
            {"ok": not attention, "gateway": config.gateway.id, "lines": [one.as_dict() for one in lines]}
        )
    else:
        print_lines(lines)
    return EXIT_ATTENTION if attention else 0
