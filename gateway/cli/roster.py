"""`zhijiao roster`: who is expected to check in, as the center says.

zhijiao roster import     hand over a roster that the center signed; beside a running gateway or not
zhijiao roster status     which one is in force, how old it is, until when; no names
"""

import argparse
from importlib import import_module

PARTS = ("import", "status")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "roster",
        help="who is expected to check in: import, status (花名册)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.roster_{name}").add_parser(parts)
