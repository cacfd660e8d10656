"""`zhijiao network`: the address of this box, by NetworkManager; a change is on trial until it is kept.

zhijiao network show    the wired interfaces, and what is on trial
zhijiao network set     try DHCP or a fixed address for three minutes
zhijiao network keep    keep what is on trial: the box is reached at it
zhijiao network undo    back to what was, without waiting
"""

import argparse
from importlib import import_module

PARTS = ("show", "set", "keep", "undo")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "network",
        help="the address of this box: show, set, keep, undo (网络)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.network_{name}").add_parser(parts)
