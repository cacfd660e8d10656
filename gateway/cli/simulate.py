"""`zhijiao simulate`: a device that is not there, on a port that looks like a real one, or over HTTP."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from gateway.errors import StartError

TERMINAL = "terminal.zk_adms"
TRACKER = "tracker.jt808"
KIOSK = "kiosk"  # a card reader and a fingerprint module, and the same people at both


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("simulate", help="play a device on a pty", description=__doc__)
    parser.add_argument("kind", choices=["idcard.sam", KIOSK, TERMINAL, TRACKER], help="what to play")
    parser.add_argument(
        "--port", type=Path, help="name the port gets, as udev would make it (idcard.sam, kiosk)"
    )
    parser.add_argument("--finger-port", type=Path, help="the same of the fingerprint module (kiosk)")
    parser.add_argument(
        "--to", help="address:port where the gateway listens (terminal.zk_adms, tracker.jt808)"
    )
    parser.add_argument(
        "--serial",
        default="TEST001",
        help="serial number of the terminal, phone of the tracker (default: TEST001)",
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
    if args.kind == TRACKER:
        asyncio.run(_until_stopped(_tracker(args)))
        return 0
    if args.port is None:
        raise StartError("simulate", f"{args.kind} needs --port, the name its port gets")
    try:
        asyncio.run(_until_stopped(_kiosk(args) if args.kind == KIOSK else _idcard(args)))
    except OSError as exc:
        raise StartError(
            "simulate", f"{args.port}: {exc.strerror}; choose another place for the port"
        ) from exc
    return 0


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


def _tracker(args: argparse.Namespace) -> Coroutine[Any, Any, object]:
    from drivers.simulators.tracker import SimulatedTracker, run_tracker

    host, port = _to(args)
    phone = args.serial if args.serial.isdigit() else "13812345678"
    return run_tracker(SimulatedTracker(host, port, phone.zfill(12)), interval_s=args.interval, tell=_tell)


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
    terminal = SimulatedTerminal(host, port, args.serial, faults=faults, seed=args.seed)
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
