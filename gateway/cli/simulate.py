"""`zhijiao simulate`: a device that is not there, on a port that looks like a real one, or over the network.

With a script it does what that says, step by step, and ends. Without one people come to the card reader, the kiosk
and the terminal by themselves, a tracker is worn about, and other devices lie there and answer.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from drivers.errors import DriverError
from drivers.simulators.tracker_families import FAMILIES
from gateway.cli import simulate_fleet
from gateway.cli.answer import describe
from gateway.errors import ContractError, StartError

EXIT_KEPT = 1
EXIT_CODES: Mapping[int, str] = {
    0: "interrupted, or the script is played and everything was taken",
    EXIT_KEPT: "the script is played; nobody took some of its records within a minute; "
    "or not everything that a fleet said was proven in time",
    ContractError.exit_code: "the script has a fault, see the line; nothing was played",
}
TERMINAL = "terminal.zk_adms"
TRACKER = "tracker."
KIOSK = "kiosk"  # a card reader and a fingerprint module, and the same people at both
PEOPLE = ("idcard.sam", "finger.zfm", "face.efaa_xor16", "reader.osdp", "badge.line")
FLEET = "fleet"
BEACON = "beacon.ble"
KINDS = (FLEET, *PEOPLE, KIOSK, TERMINAL, BEACON, *(TRACKER + family for family in FAMILIES))
CROWDED = ("idcard.sam", KIOSK, TERMINAL, *(TRACKER + family for family in FAMILIES))  # without a script, too


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "simulate",
        summary="play a device that is not there (模拟设备)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=f"what to play: {', '.join(KINDS)}")
    parser.add_argument(
        "--script", metavar="FILE", type=Path, help="what happens, a step in a line (JSON Lines)"
    )
    parser.add_argument("--port", metavar="NAME", type=Path, help="name the port gets, as udev would make it")
    parser.add_argument(
        "--finger-port", metavar="NAME", type=Path, help="the same of the fingerprint module (kiosk)"
    )
    parser.add_argument(
        "--to",
        metavar="ADDRESS:PORT",
        help="where the gateway listens (terminal.zk_adms, trackers that call)",
    )
    parser.add_argument(
        "--serial",
        help="serial number of the terminal, IMEI or phone of the tracker (default: an invented one)",
    )
    parser.add_argument(
        "--adapter",
        metavar="NAME",
        help="Bluetooth adapter that sends (beacon.ble; default: the first that is on), not the one that listens",
    )
    parser.add_argument(
        "--family", choices=["grow", "synochip"], default="grow", help="of finger.zfm (default: grow)"
    )
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        type=Path,
        help="key of reader.osdp in 32 hex digits (default: in clear)",
    )
    parser.add_argument(
        "--line",
        choices=["crlf", "cr", "lf", "stx"],
        default="crlf",
        help="what stands around a number of badge.line (default: crlf)",
    )
    parser.add_argument("--repeat", type=float, default=0.0, help="share of uploads that come twice, 0 to 1")
    parser.add_argument("--cut", type=float, default=0.0, help="share of uploads that break off, 0 to 1")
    parser.add_argument("--stale-stamp", action="store_true", help="its count of what it sent stands still")
    parser.add_argument("--templates", action="store_true", help="sends templates that nobody asked for")
    parser.add_argument("--in-2000", action="store_true", help="its clock was never set")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same invented people (default: 1)")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between people (default: 5)")
    parser.add_argument("--dwell", type=float, default=1.0, help="seconds a read card stays (default: 1)")
    parser.add_argument("--bad", type=float, default=0.0, help="share of cards that cannot be read, 0 to 1")
    parser.add_argument(
        "--unplug", type=float, default=0.0, help="share of people who trip over the cable, 0 to 1"
    )
    simulate_fleet.add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play until interrupted, or until the script ends."""
    if args.kind == FLEET:
        return simulate_fleet.run(args)
    scripted = args.script is not None or args.kind not in CROWDED
    playing = import_module("gateway.cli.simulate_script" if scripted else "gateway.cli.simulate_crowd")
    work: Coroutine[Any, Any, object] = playing.played(args, tell)
    try:
        kept = asyncio.run(_until_stopped(work))
    except DriverError as exc:  # no Bluetooth to send with
        raise StartError(exc.code, str(exc)) from exc
    except OSError as exc:
        raise StartError(
            "simulate", f"{args.port}: {exc.strerror}; choose another place for the port"
        ) from exc
    return EXIT_KEPT if isinstance(kept, int) and kept else 0


async def _until_stopped(work: Coroutine[Any, Any, object]) -> object:
    playing = asyncio.create_task(work)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, playing.cancel)
    await asyncio.wait({playing})
    return None if playing.cancelled() else playing.result()


def tell(line: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
