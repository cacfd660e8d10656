"""`zhijiao center certificate`: a new certificate, with a new key, for a broker or another client of it.

Before the old one ends (397 days), or for a second broker or receiver. Gateways are not made here: they enrol.
"""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.center import add_home
from gateway.cli.place import add_json
from gateway.errors import ConfigError

EXIT_CODES: Mapping[int, str] = {0: "certificate and key are in the folder"}
RESERVED = "gw-"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "certificate", summary="for a broker or receiver (签发证书)", text=__doc__, codes=EXIT_CODES
    )
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--server", action="append", metavar="HOST", help="name of a broker; may be repeated")
    group.add_argument("--client", metavar="NAME", help="name of a receiver or monitor at the broker")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for certificate and key")
    add_home(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Issue and tell; raises `GatewayError`."""
    from gateway.registrar.home import Home, issue_client, issue_server

    if args.client is not None and args.client.startswith(RESERVED):
        raise ConfigError("usage", "a gateway's certificate is given by enrolment: zhijiao center token")
    if not args.out.is_dir():
        raise ConfigError("usage", f"{args.out}: no such folder")
    authority, now = Home.load(args.home).open_authority(), datetime.now(UTC)
    name = "server" if args.client is None else args.client
    files = (args.out / f"{name}.crt", args.out / f"{name}.key")
    for file in files:
        if file.exists():
            raise ConfigError("file_exists", f"{file}: exists; nothing is overwritten, choose another folder")
    if args.client is None:
        issue_server(authority, args.server, files, now)
    else:
        issue_client(authority, args.client, files, now)
    if args.json:
        print_json({"ok": True, "certificate": str(files[0]), "key": str(files[1])})
    else:
        print_lines([Line(Mark.OK, "certificate", str(files[0])), Line(Mark.OK, "key", f"{files[1]} (0400)")])
    return 0
