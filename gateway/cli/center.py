"""`zhijiao center`: what a center does beside receiving: commands, and the enrolment of its boxes.

zhijiao center command       a signed command to one gateway, and what became of it

zhijiao center init          make a center: authority, keys, certificates of its broker and receiver
zhijiao center token         a one-time code for a box
zhijiao center list          which boxes there are, and how they stand
zhijiao center revoke        end a box: its certificates, its codes and its event keys
zhijiao center certificate   a new certificate for a broker or another client of it

`zhijiao receive --center HOME --enroll ADDRESS:PORT` is what boxes talk to.
"""

import argparse
from importlib import import_module
from pathlib import Path

PARTS = ("command", "init", "token", "list", "revoke", "certificate")
DEFAULT_HOME = Path("/var/lib/zhijiao-center")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "center",
        help="the center's side: command, init, token, list, revoke, certificate (中心端)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.center_{name}").add_parser(parts)


def add_home(parser: argparse.ArgumentParser) -> None:
    """Declare --home."""
    parser.add_argument(
        "--home", type=Path, default=DEFAULT_HOME, help=f"folder of the center (default: {DEFAULT_HOME})"
    )
