"""`zhijiao simulate fleet`: a province of gateways at a broker, until the center has everything they said.

First `--write-trust`: the center's trust file with the fleet's keys added (a demo's: the center needs --demo). Then
against its broker, as often as one likes with another --seed.
"""

import argparse
import asyncio
import resource
import time
from collections.abc import Callable
from pathlib import Path

from gateway.cli.answer import Line, Mark, print_json, print_lines
from gateway.cli.receive import broker_of
from gateway.errors import ConfigError
from gateway.evidence.jws import FindKey
from gateway.evidence.keys import Role, load_trust, trust_document
from gateway.fleet.boxes import Box, made, names, trusted
from gateway.fleet.figures import Took, figures
from gateway.fleet.running import Watch, play_all
from gateway.mqtt_bridge import Endpoint

SPARE_FILES = 256
EXIT_INCOMPLETE = 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what belongs to KIND fleet alone."""
    group = parser.add_argument_group("fleet")
    group.add_argument("--gateways", type=int, default=140, metavar="N", help="how many (default: 140)")
    group.add_argument("--events", type=int, default=20, metavar="N", help="events of each (default: 20)")
    group.add_argument(
        "--broker",
        action="append",
        default=[],
        metavar="URL",
        help="mqtt:// or mqtts://; several are taken in turns",
    )
    group.add_argument("--mqtt", choices=["5", "3.1.1"], default="5", help="protocol version (default: 5)")
    group.add_argument("--trust", type=Path, metavar="FILE", help="the center's trust file")
    group.add_argument(
        "--write-trust", type=Path, metavar="FILE", help="write it with the fleet's keys added, and end"
    )
    group.add_argument("--ca", type=Path, metavar="FILE", help="certificates the broker's must come from")
    group.add_argument("--certs", type=Path, metavar="FOLDER", help="GATEWAY.pem and GATEWAY-key.pem of each")
    group.add_argument(
        "--deadline", type=float, default=600.0, metavar="S", help="give up after (default: 600)"
    )
    group.add_argument("--json", action="store_true", help="the figures as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Play; raises `GatewayError`."""
    if args.trust is None:
        raise ConfigError("usage", "simulate fleet needs --trust: the center's trust file")
    center = load_trust(args.trust, allow_demo=True)
    try:
        fleet = list(names(args.gateways))
    except ValueError as exc:
        raise ConfigError("usage", f"--gateways {args.gateways}: {exc}") from exc
    if args.write_trust is not None:
        keys = [*center.everybody(), *trusted(args.gateways, args.seed)]
        args.write_trust.write_text(trust_document(keys, demo=True))
        print_lines(
            [Line(Mark.OK, "written", f"{args.write_trust}: {len(keys)} keys, {len(fleet)} of the fleet")]
        )
        return 0
    if not args.broker or args.events < 1:
        raise ConfigError("usage", "simulate fleet needs --broker, and at least one event of each gateway")
    _raise_file_limit(args.gateways + SPARE_FILES)
    began_s, now_ms = time.monotonic(), time.time_ns() // 1_000_000
    boxes = [made(org, gateway, events=args.events, seed=args.seed, now_ms=now_ms) for org, gateway in fleet]
    made_s = time.monotonic()
    watch, marks = Watch(), [made_s]
    work = _play(args, boxes, center.find(Role.ACK), watch, lambda: marks.append(time.monotonic()))
    asyncio.run(work)
    ended_s, talking_s = time.monotonic(), marks[-1]
    took = Took(made_s - began_s, talking_s - made_s, ended_s - talking_s)
    found = figures(watch, took, gateways=len(boxes), events=len(boxes) * args.events)
    whole = watch.done == len(boxes)
    if args.json:
        print_json({"ok": whole, **found})
    else:
        mark = Mark.OK if whole else Mark.ATTENTION
        print_lines(
            [Line(mark if name == "done" else Mark.NOTE, name, f"{value:,}") for name, value in found.items()]
        )
    return 0 if whole else EXIT_INCOMPLETE


async def _play(
    args: argparse.Namespace,
    boxes: list[Box],
    ack_key: FindKey,
    watch: Watch,
    connected: Callable[[], object],
) -> None:
    brokers = [broker_of(url) for url in args.broker]

    def endpoint_of(number: int, gateway: str) -> Endpoint:
        host, port, tls = brokers[number % len(brokers)]
        certificate = key = None
        if args.certs is not None:
            certificate, key = args.certs / f"{gateway}.pem", args.certs / f"{gateway}-key.pem"
        return Endpoint(
            host=host, port=port, client_id=gateway, version=args.mqtt, tls=tls, ca_file=args.ca, cert_file=certificate,
            key_file=key,
        )  # fmt: skip

    try:
        async with asyncio.timeout(args.deadline):
            await play_all(boxes, endpoint_of, ack_key, watch, connected=connected)
    except TimeoutError:
        return  # the figures say how far it came


def _raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise ConfigError(
            "open_files",
            f"{wanted} connections need as many open files, {hard} are allowed; raise it with ulimit -n",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
