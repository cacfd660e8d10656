"""`zhijiao center`: what a center does beside receiving.

zhijiao center command       a signed command to one gateway, and what became of it
"""

import argparse
from importlib import import_module

PARTS = ("command",)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "center",
        help="the center's side: command (中心端)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.center_{name}").add_parser(parts)
