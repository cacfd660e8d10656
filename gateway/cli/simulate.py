"""`zhijiao simulate`: a device that is not there, on a port that looks like a real one."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from gateway.errors import StartError


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("simulate", help="play a device on a pty", description=__doc__)
    parser.add_argument("kind", choices=["idcard.sam"], help="what to play")
    parser.add_argument("--port", type=Path, required=True, help="name the port gets, as udev would make it")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same invented people (default: 1)")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between people (default: 5)")
    parser.add_argument("--dwell", type=float, default=1.0, help="seconds a read card stays (default: 1)")
    parser.add_argument("--bad", type=float, default=0.0, help="share of cards that cannot be read, 0 to 1")
    parser.add_argument(
        "--unplug", type=float, default=0.0, help="share of people who trip over the cable, 0 to 1"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play until interrupted."""
    try:
        asyncio.run(_play(args))
    except OSError as exc:
        raise StartError(
            "simulate", f"{args.port}: {exc.strerror}; choose another place for the port"
        ) from exc
    return 0


async def _play(args: argparse.Namespace) -> None:
    from drivers.simulators.counter import run_idcard

    playing = asyncio.create_task(
        run_idcard(
            args.port,
            seed=args.seed,
            interval_s=args.interval,
            dwell_s=args.dwell,
            bad_share=args.bad,
            unplug_share=args.unplug,
            tell=_tell,
        )
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, playing.cancel)
    await asyncio.wait({playing})
    if not playing.cancelled():
        playing.result()


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
