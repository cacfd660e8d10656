"""`zhijiao demo`: a whole center on this machine, with no hardware and no configuration."""

import argparse
import asyncio
from pathlib import Path


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("demo", help="a whole center on this machine", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".state/demo"), help="default: .state/demo")
    parser.add_argument(
        "--readers", type=int, choices=range(1, 9), default=2, metavar="1..8", help="card readers"
    )
    parser.add_argument("--interval", type=float, default=6.0, help="seconds between people at a reader")
    parser.add_argument("--bad", type=float, default=0.1, help="share of cards that cannot be read, 0 to 1")
    parser.add_argument("--seconds", type=float, help="end by itself after so many seconds")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play until Ctrl-C; raises `GatewayError`."""
    from gateway.demo.demo import DemoOptions, play
    from gateway.demo.show import Show

    options = DemoOptions(
        state=args.state, readers=args.readers, interval_s=args.interval, bad=args.bad, seconds=args.seconds
    )
    asyncio.run(play(options, Show()))
    return 0
