"""`zhijiao center revoke`: end a box: its certificates, its open codes and its event keys.

For a box that is lost, stolen, or about to be replaced. The receiver believes nothing new that it signs, at
once; the broker refuses it when it has read the new list. With --keep-event-keys what the box had signed and
not yet sent still counts when its successor sends it: only for a box that is in our hands.
"""

import argparse
from collections.abc import Mapping

from gateway.cli.answer import Line, Mark, confirmed, describe, print_json, print_lines
from gateway.cli.center import add_home
from gateway.cli.place import add_json

EXIT_LEFT = 1
EXIT_CODES: Mapping[int, str] = {0: "revoked", EXIT_LEFT: "not revoked: nobody agreed"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(commands, "revoke", summary="end a box (吊销网关)", text=__doc__, codes=EXIT_CODES)
    parser.add_argument("gateway", metavar="GATEWAY", help="its id")
    add_home(parser)
    parser.add_argument(
        "--keep-event-keys", action="store_true", help="what the box signed and did not send still counts"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Revoke and tell; raises `GatewayError`."""
    from gateway.registrar.home import Home
    from gateway.registrar.registrar import Registrar

    home = Home.load(args.home)
    if not confirmed(f"revoke {args.gateway}? it cannot be undone", yes=args.yes, json=args.json):
        return EXIT_LEFT
    ended = Registrar(home).revoke(args.gateway, keep_event_keys=args.keep_event_keys)
    if args.json:
        print_json({"ok": True, "gateway": args.gateway, "certificates": ended})
        return 0
    keys = "still count" if args.keep_event_keys else "count no more"
    print_lines(
        [
            Line(Mark.OK, "revoked", f"{args.gateway}: {ended} certificates; its event keys {keys}"),
            Line(
                Mark.NOTE,
                "broker",
                f"the new list is {home.revocation_list}",
                "copy it to the broker, make its access list anew (center list --ids), restart its connections",
            ),
        ]
    )
    return 0
