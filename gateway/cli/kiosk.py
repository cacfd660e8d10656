"""`zhijiao kiosk`: which kiosk may speak to this box, by a token that its browser holds.

zhijiao kiosk token     make a token for a configured kiosk, shown once; an older one is worth nothing then
zhijiao kiosk list      which kiosks have one, and from where they may come
zhijiao kiosk revoke    the kiosk is nobody until it gets another one
"""

import argparse
from importlib import import_module

PARTS = ("token", "list", "revoke")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "kiosk",
        help="which kiosk may speak to this box: token, list, revoke (报到机令牌)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.kiosk_{name}").add_parser(parts)
