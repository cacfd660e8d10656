"""`zhijiao devices`: the devices of this box, what they went through, and what is plugged in and out.

zhijiao devices list       all of them: port, kiosk, whether the port is there
zhijiao devices history    faults and returns of one device, out of the newest events
zhijiao devices watch      says each port that comes and goes, and whose it is, until Ctrl-C
zhijiao devices key        give an OSDP reader its own key
"""

import argparse
from importlib import import_module

PARTS = ("list", "history", "watch", "key")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "devices",
        help="the devices of this box: list, history, watch, key (设备)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.devices_{name}").add_parser(parts)
