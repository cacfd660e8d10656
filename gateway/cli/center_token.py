"""`zhijiao center token`: a one-time code by which a box is enrolled within 24 hours.

The code is a secret until it is used: give it to the technician by a way you trust. An earlier code of the
same gateway ends. A gateway that is enrolled must be revoked first.
"""

import argparse
from collections.abc import Mapping

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.center import add_home
from gateway.cli.place import add_json

EXIT_CODES: Mapping[int, str] = {0: "the code is on standard output"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "token", summary="a one-time code for a box (发登记码)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("gateway", metavar="GATEWAY", help="its id, for example gw-370102-01")
    add_home(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Issue and tell; raises `GatewayError`."""
    from gateway.registrar.home import Home
    from gateway.registrar.registrar import Registrar

    code = Registrar(Home.load(args.home)).issue_code(args.gateway)
    if args.json:
        print_json({"ok": True, "gateway": code.gateway, "org": code.org, "code": str(code), "hours": 24})
        return 0
    print_lines(
        [
            Line(Mark.OK, "code", str(code)),
            Line(
                Mark.NOTE,
                "secret",
                f"for {code.gateway} of {code.org}, once, within 24 hours",
                "on the box: zhijiao enroll (it asks for the code)",
            ),
        ]
    )
    return 0
