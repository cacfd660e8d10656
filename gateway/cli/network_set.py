"""`zhijiao network set`: try DHCP or a fixed address. It goes back by itself in three minutes unless it is kept.

Connect to the box at the new address, then: zhijiao network keep (or keep it on the page 首次设置).
"""

import argparse
from pathlib import Path

from gateway.cli.access_handover import CODES, exit_code
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.network_told import told
from gateway.cli.place import add_json
from gateway.cli.setup_request import SetupDesk
from gateway.config.model import DEFAULT_PATH
from gateway.network.ipv4 import AUTO, MANUAL, Ipv4
from gateway.setup.requests import What

EXIT_CODES = {0: "on trial", 1: CODES[1]}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "set", summary="try an address (试用网络设置)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument(
        "interface", metavar="INTERFACE", help="as `zhijiao network show` names it, like eth0"
    )
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--dhcp", action="store_true", help="the network gives the address")
    how.add_argument("--address", metavar="ADDRESS/PREFIX", help="a fixed one, like 192.168.1.20/24")
    parser.add_argument("--gateway", default="", metavar="ADDRESS", help="the way out of its network")
    parser.add_argument("--dns", default="", metavar="ADDRESSES", help="name servers, with commas between")
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hand over and tell; raises `GatewayError`."""
    address, _, prefix = (args.address or "").partition("/")
    values = {
        "method": AUTO if args.dhcp else MANUAL,
        "address": address,
        "prefix": prefix,
        "gateway": args.gateway,
        "dns": args.dns,
    }
    wanted = Ipv4.given(**values)
    values["interface"] = args.interface
    result = SetupDesk.of(args.config).ask(What.SET, values, running=True)
    if args.json:
        print_json(
            {"ok": True, "interface": args.interface, "settings": wanted.told(), "result": result.value}
        )
    else:
        todo = "reach the box at it within three minutes, then: zhijiao network keep"
        print_lines([Line(Mark.NOTE, args.interface, wanted.told(), todo), told(result, "on trial")])
    return exit_code(result)
