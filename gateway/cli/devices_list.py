"""`zhijiao devices list`: every device with its port and kiosk; reads configuration and ports only."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.doctor_devices import judge_device
from gateway.cli.place import add_json
from gateway.config import Config, load_without_files
from gateway.config.added import standing_at
from gateway.config.model import DEFAULT_PATH

EXIT_ATTENTION = 1
EXIT_CODES: Mapping[int, str] = {
    0: "every port is there",
    EXIT_ATTENTION: "something needs attention, see the lines with !!",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(commands, "list", summary="all devices (设备列表)", text=__doc__, codes=EXIT_CODES)
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `GatewayError`."""
    config = load_without_files(args.config)
    lines = list(judge(config))
    attention = any(line.mark is Mark.ATTENTION for line in lines)
    if args.json:
        devices = [
            {
                "id": one.id,
                "kind": one.kind,
                "port": one.settings.get("port"),
                "kiosk": standing_at(config.kiosks, one.id),
                "changed_on_page": one.source is not None,
            }
            for one in config.devices
        ]
        print_json({"ok": not attention, "devices": devices, "lines": [line.as_dict() for line in lines]})
    else:
        print_lines(lines)
    return EXIT_ATTENTION if attention else 0


def judge(config: Config) -> Iterator[Line]:
    """A line for each device."""
    if not config.devices:
        yield Line(Mark.ATTENTION, "devices", "none is configured", "zhijiao probe shows what is plugged in")
    for device in config.devices:
        line = judge_device(device, running=True)
        kiosk = standing_at(config.kiosks, device.id)
        where = "at no kiosk" if kiosk is None else f"at {kiosk}"
        page = ", as changed on the page" if device.source is not None else ""
        yield Line(line.mark, line.name, f"{line.value}, {where}{page}", line.todo)
