"""`zhijiao user`: who of the office may sign in on the pages of this box.

zhijiao user add         make an account with a role
zhijiao user list        all accounts; no password is shown, none is stored
zhijiao user password    give an account another password; ends its sessions and its waiting
zhijiao user disable     nobody signs in with it; its sessions end at once
zhijiao user enable      as it was before
zhijiao user remove      the account is gone
"""

import argparse
from importlib import import_module

PARTS = ("add", "list", "password", "disable", "enable", "remove")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "user",
        help="who may sign in: add, list, password, disable, enable, remove (账号)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.user_{name}").add_parser(parts)
