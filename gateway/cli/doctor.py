"""`zhijiao doctor`: is this box ready? Each line ok, good to know, or wrong with what to do.

Looks at configuration, keys, clock, disk, service, devices, certificates and the line to the broker. Changes
nothing, disturbs no device and no connection; works beside a running gateway. With --broker it also connects as
the gateway, which must be stopped, and tries out what the broker really does.
"""

import argparse
from collections.abc import Iterator, Mapping

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.doctor_devices import judge_devices
from gateway.cli.doctor_line import judge_line
from gateway.cli.doctor_machine import UNIT, judge_machine
from gateway.cli.place import add_json
from gateway.config import Config, load_without_files
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
    parser.add_argument(
        "--broker", action="store_true", help="try out what the broker does; the gateway must not run"
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
        *(judge_broker_of(config, running=running) if args.broker else ()),
    ]
    attention = any(line.mark is Mark.ATTENTION for line in lines)
    if args.json:
        print_json(
            {"ok": not attention, "gateway": config.gateway.id, "lines": [one.as_dict() for one in lines]}
        )
    else:
        print_lines(lines)
    return EXIT_ATTENTION if attention else 0


def judge_broker_of(config: Config, *, running: bool) -> Iterator[Line]:
    """See `doctor_broker`; loaded only where it is asked for."""
    from gateway.cli.doctor_broker import NAME, judge_broker
    from gateway.live import endpoint_of

    if running:
        todo = f"stop it first (systemctl stop {UNIT}): a second connection under its name would end its own"
        yield Line(Mark.NOTE, f"{NAME} behaviour", "not tried, the gateway runs", todo)
        return
    try:
        endpoint = endpoint_of(config, lambda: None)
    except OSError as exc:
        yield Line(Mark.ATTENTION, f"{NAME} behaviour", f"password file: {exc.strerror}", "run this as root")
        return
    yield from judge_broker(config, endpoint)
