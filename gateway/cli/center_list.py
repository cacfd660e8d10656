"""`zhijiao center list`: the boxes of a center and how they stand.

--ids prints the enrolled ones only, one a line, for the broker's access list (deploy/mosquitto/make_acl.py).
--audit tells what was done instead: codes, enrolments, renewals, refusals, revocations, oldest first.
"""

import argparse
import json
from collections.abc import Mapping

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines, when
from gateway.cli.center import add_home
from gateway.cli.place import add_json

EXIT_CODES: Mapping[int, str] = {0: "told"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "list", summary="boxes and how they stand (网关清单)", text=__doc__, codes=EXIT_CODES
    )
    add_home(parser)
    parser.add_argument("--ids", action="store_true", help="ids of the enrolled ones only, one a line")
    parser.add_argument("--audit", action="store_true", help="what was done, oldest first")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `GatewayError`."""
    from gateway.registrar.home import Home
    from gateway.registrar.registrar import Registrar, Standing

    registrar = Registrar(Home.load(args.home))
    if args.audit:
        return _audit(registrar.audit(), as_json=args.json)
    found = registrar.standings()
    if args.ids:
        print("".join(f"{one.gateway}\n" for one in found if one.state == "enrolled"), end="")
        return 0

    def line(one: Standing) -> Line:
        said, mark, todo = one.state, Mark.NOTE, ""
        if one.certificate_until_ms is not None:
            mark, said = Mark.OK, f"enrolled, certificate until {when(one.certificate_until_ms)}"
        elif one.state == "expired":
            mark, todo = Mark.ATTENTION, f"it cannot connect: zhijiao center token {one.gateway}"
        if one.code_until_ms is not None:
            said += f"; a code waits until {when(one.code_until_ms)}"
        return Line(mark, one.gateway, said, todo)

    if args.json:
        print_json(
            {
                "ok": True,
                "gateways": [
                    {
                        "gateway": one.gateway,
                        "org": one.org,
                        "state": one.state,
                        "certificate_until_ms": one.certificate_until_ms,
                        "code_until_ms": one.code_until_ms,
                        "kids": list(one.kids),
                    }
                    for one in found
                ],
            }
        )
    else:
        print_lines([line(one) for one in found] or [Line(Mark.NOTE, "none", "no box has been invited yet")])
    return 0


def _audit(done: list[tuple[int, str, str, str]], *, as_json: bool) -> int:
    if as_json:
        lines = [
            {"at": when(at), "what": what, "gateway": gateway, **json.loads(detail)}
            for at, what, gateway, detail in done
        ]
        print_json({"ok": True, "audit": lines})
        return 0
    print_lines(
        [Line(Mark.NOTE, when(at), f"{gateway} {what} {detail}") for at, what, gateway, detail in done]
    )
    return 0
