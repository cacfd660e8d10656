"""`zhijiao kiosk token`: make a token for a configured kiosk, beside a running gateway or not.

It is shown once, with the address to open in the kiosk's browser; the part behind # never leaves that browser's
machine in a request line. An older token of the kiosk is worth nothing from then on.
"""

import argparse
import socket
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from gateway.access.accounts import new_token
from gateway.access.changes import Action
from gateway.access.errors import AccessError
from gateway.access.names import network
from gateway.cli.access_handover import CODES, Desk, exit_code, new_change, result_line
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.config import Config
from gateway.config.model import DEFAULT_PATH

EXIT_CODES = CODES


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "token", summary="make a token for a kiosk (生成令牌)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("kiosk", metavar="KIOSK", help="id of a [[kiosk]] of the configuration")
    parser.add_argument(
        "--from", dest="source", metavar="CIDR", help="take it from this network only: 192.168.1.7/32"
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make it, hand over its hash and show it; raises `GatewayError`."""
    desk = Desk.of(args)
    known = [kiosk.id for kiosk in desk.config.kiosks]
    if args.kiosk not in known:
        there = f"there are: {', '.join(known)}" if known else "there is none yet"
        raise AccessError("kiosk_unknown", f"no [[kiosk]] of the configuration has this id; {there}")
    source = None if args.source is None else network(args.source)
    token, digest = new_token()
    change = replace(new_change(Action.TOKEN, args.kiosk), digest=digest, source=source)
    result = desk.hand_over(change)
    address = f"{_base(desk.config)}/kiosk/pair#{token}"
    if args.json:
        print_json(
            {
                "ok": True,
                "kiosk": args.kiosk,
                "source": source,
                "token": token,
                "address": address,
                "result": result.value,
            }
        )
        return exit_code(result)
    print_lines(
        [
            Line(Mark.OK, "kiosk", f"{args.kiosk}, from {source or 'any address'}"),
            Line(Mark.NOTE, "token", token, "shown this once; whoever has it is this kiosk"),
            Line(Mark.NOTE, "open", address, "once, in the kiosk's browser; then close this terminal"),
            result_line(result),
        ]
    )
    return exit_code(result)


def _base(config: Config) -> str:
    listen = config.api.listen
    try:
        unspecified = ip_address(listen.host).is_unspecified
    except ValueError:
        unspecified = False
    host = socket.gethostname() if unspecified else listen.host
    return f"https://{f'[{host}]' if ':' in host else host}:{listen.port}"
