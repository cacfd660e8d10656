"""`zhijiao center init`: make a center.

Its authority, its three keys and its sealing key, and the certificates of its broker, registrar and receiver,
in one folder. Nothing that exists is overwritten.
"""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.center import add_home
from gateway.cli.place import add_json
from gateway.config.values import BROKER, BadValue, Broker
from gateway.errors import ConfigError
from gateway.evidence.keys import Role
from gateway.provisioning.code import DEFAULT_PORT

MOST_DAYS = 825
EXIT_CODES: Mapping[int, str] = {0: "the center is made"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(commands, "init", summary="make a center (建立中心)", text=__doc__, codes=EXIT_CODES)
    add_home(parser)
    parser.add_argument(
        "--registrar", required=True, metavar="HOST[:PORT]", help=f"as boxes reach it; port {DEFAULT_PORT}"
    )
    parser.add_argument(
        "--broker",
        required=True,
        action="append",
        metavar="URL",
        help="mqtts://host:port as boxes reach it; may be repeated, in order of preference",
    )
    parser.add_argument("--name", default="Zhijiao center", help="of the authority, for people")
    parser.add_argument(
        "--days",
        type=int,
        default=90,
        help="life of a box's certificate, renewed at two thirds (default: 90)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make and tell; raises `GatewayError`."""
    from gateway.registrar.home import Home, Plan, make_home

    host, port = _registrar(args.registrar)
    if not 1 <= args.days <= MOST_DAYS:
        raise ConfigError("usage", f"--days {args.days}: must be 1 to {MOST_DAYS}")
    plan = Plan(
        name=args.name,
        host=host,
        port=port,
        brokers=tuple(_broker(text) for text in args.broker),
        life=timedelta(days=args.days),
    )
    make_home(args.home, plan, datetime.now(UTC))
    home = Home.load(args.home)
    if args.json:
        print_json({"ok": True, "home": str(home.folder), "registrar": f"{host}:{port}"})
        return 0
    print_lines(
        [
            Line(Mark.OK, "center", f"made in {home.folder}; boxes are enrolled at {host}:{port}"),
            Line(
                Mark.OK,
                "broker",
                f"{home.folder}/mosquitto holds ca.pem, server.crt, server.key and crl.pem",
                "copy them to /etc/mosquitto/zhijiao (deploy/mosquitto/center.conf)",
            ),
            Line(
                Mark.NOTE,
                "keys",
                f"{home.key_file(Role.ROOT).name} and {home.key_file(Role.OPERATIONS).name} in {home.folder}/keys",
                "move the root key to a medium in a safe; operations to where commands are given",
            ),
            Line(
                Mark.NOTE,
                "next",
                "have the receiver enrol boxes, then give each its code",
                f"zhijiao receive --center {home.folder} --enroll 0.0.0.0:{port} …; zhijiao center token …",
            ),
        ]
    )
    return 0


def _registrar(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError("usage", f"--registrar {text}: must be host or host:port")
    return host.lower(), int(port)


def _broker(text: str) -> Broker:
    try:
        broker = BROKER.parse(text)
    except BadValue as exc:
        raise ConfigError("usage", f"--broker: {exc.what}; {exc.todo}") from exc
    if not broker.tls:
        raise ConfigError("usage", "--broker: must be mqtts://: boxes show a certificate there")
    return broker
