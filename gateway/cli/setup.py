"""`zhijiao setup`: the first run in a shell; what a technician does on the page 首次设置.

zhijiao setup show    the center's name, the network, and what is still missing until the first verified check-in
zhijiao setup name    call the center so
"""

import argparse
from importlib import import_module

PARTS = ("show", "name")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "setup",
        help="the first run: show, name (首次设置)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.setup_{name}").add_parser(parts)
