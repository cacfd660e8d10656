"""`zhijiao simulate`: a device that is not there, on a port that looks like a real one, or over HTTP."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.trackers import FAMILIES
from firmware_protocols.errors import LocalProtocolError
from gateway.errors import StartError

if TYPE_CHECKING:
    from drivers.simulators.tracker import SimulatedTracker

TERMINAL = "terminal.zk_adms"
TRACKER = "tracker."
KIOSK = "kiosk"  # a card reader and a fingerprint module, and the same people at both


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("simulate", help="play a device on a pty", description=__doc__)
    parser.add_argument(
        "kind",
        choices=["idcard.sam", KIOSK, TERMINAL, *(TRACKER + one for one in FAMILIES)],
        help="what to play",
    )
    parser.add_argument("--port", type=Path, help="name the port gets, as udev would make it")
    parser.add_argument("--finger-port", type=Path, help="the same of the fingerprint module (kiosk)")
    parser.add_argument(
        "--to", help="address:port where the gateway listens (terminal.zk_adms, or a tracker that calls)"
    )
    parser.add_argument(
        "--serial",
        help="serial number of the terminal, id (IMEI, phone) of the tracker (default: an invented one)",
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
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play until interrupted."""
    if args.kind == TERMINAL:
        asyncio.run(_until_stopped(_terminal(args)))
        return 0
    if args.kind.startswith(TRACKER) and args.port is None:
        asyncio.run(_until_stopped(_calling_tracker(args)))
        return 0
    if args.port is None:
        raise StartError("simulate", f"{args.kind} needs --port, the name its port gets")
    try:
        asyncio.run(_until_stopped(_on_port(args)))
    except OSError as exc:
        raise StartError(
            "simulate", f"{args.port}: {exc.strerror}; choose another place for the port"
        ) from exc
    return 0


def _on_port(args: argparse.Namespace) -> Coroutine[Any, Any, object]:
    if args.kind == KIOSK:
        return _kiosk(args)
    return _docked_tracker(args) if args.kind.startswith(TRACKER) else _idcard(args)


def _idcard(args: argparse.Namespace) -> Coroutine[Any, Any, object]:
    from drivers.simulators.counter import run_idcard

    return run_idcard(
        args.port,
        seed=args.seed,
        interval_s=args.interval,
        dwell_s=args.dwell,
        bad_share=args.bad,
        unplug_share=args.unplug,
        tell=_tell,
    )


def _kiosk(args: argparse.Namespace) -> Coroutine[Any, Any, object]:
    from drivers.simulators.kiosk import run_kiosk

    if args.finger_port is None:
        raise StartError("simulate", "kiosk needs --finger-port, the name the module's port gets")
    return run_kiosk(
        args.port,
        args.finger_port,
        seed=args.seed,
        interval_s=args.interval,
        bad_share=args.bad,
        tell=_tell,
    )


async def _calling_tracker(args: argparse.Namespace) -> None:
    from drivers.simulators.call import Call
    from drivers.simulators.tracker_walk import run_tracker

    async with Call(*_to(args)) as call:
        await run_tracker(_tracker(args), call, interval_s=args.interval, tell=_tell)


async def _docked_tracker(args: argparse.Namespace) -> None:
    from drivers.simulators.pty_host import PtyHost
    from drivers.simulators.tracker_walk import run_tracker

    async with PtyHost(args.port) as port:
        await run_tracker(_tracker(args), port, interval_s=args.interval, tell=_tell)


def _tracker(args: argparse.Namespace) -> "SimulatedTracker":
    from drivers.simulators.tracker import SimulatedTracker

    try:
        return SimulatedTracker(args.kind.removeprefix(TRACKER), args.serial)
    except LocalProtocolError as exc:
        raise StartError("simulate", f"--serial: {exc}") from exc


def _to(args: argparse.Namespace) -> tuple[str, int]:
    host, _, port = (args.to or "").rpartition(":")
    if not host or not port.isdigit():
        raise StartError("simulate", f"{args.kind} needs --to ADDRESS:PORT, where the gateway listens for it")
    return host, int(port)


def _terminal(args: argparse.Namespace) -> Coroutine[Any, Any, object]:
    from drivers.simulators.terminal import SimulatedTerminal, TerminalFaults, run_terminal

    host, port = _to(args)
    faults = TerminalFaults(
        repeat=args.repeat,
        cut=args.cut,
        stale_stamp=args.stale_stamp,
        templates=args.templates,
        in_2000=args.in_2000,
    )
    terminal = SimulatedTerminal(host, port, args.serial or "TEST001", faults=faults, seed=args.seed)
    return run_terminal(terminal, interval_s=args.interval, tell=_tell)


async def _until_stopped(work: Coroutine[Any, Any, object]) -> None:
    playing = asyncio.create_task(work)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, playing.cancel)
    await asyncio.wait({playing})
    if not playing.cancelled():
        playing.result()


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
