"""`zhijiao outbox`: what the box has stored and not yet handed over. Look, prove, hand out, mend.

zhijiao outbox status     what waits, how full, what needs attention; beside a running gateway
zhijiao outbox verify     every row, signature and link of the whole store
zhijiao outbox export     a range as a file that can be verified years later
zhijiao outbox repair     mend a damaged store; the gateway must be stopped
"""

import argparse
from importlib import import_module

PARTS = ("status", "verify", "export", "repair")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "outbox",
        help="the stored events: status, verify, export, repair (本机事件)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name in PARTS:
        import_module(f"gateway.cli.outbox_{name}").add_parser(parts)
