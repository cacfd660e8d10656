"""Devices of `zhijiao simulate` that people come to by themselves, without a script. For ever."""

import argparse
from collections.abc import Callable, Coroutine
from typing import Any

from drivers.simulators.counter import run_idcard
from drivers.simulators.kiosk import run_kiosk
from drivers.simulators.terminal import run_terminal
from drivers.simulators.tracker_walk import run_tracker
from gateway.cli.simulate import KIOSK, TERMINAL, TRACKER
from gateway.cli.simulate_devices import (
    finger_port_name,
    made_terminal,
    made_tracker,
    port_name,
    tracker_port,
)

Tell = Callable[[str], None]


def played(args: argparse.Namespace, tell: Tell) -> Coroutine[Any, Any, object]:
    """Of a kind in `simulate.CROWDED`."""
    if args.kind == TERMINAL:
        return run_terminal(made_terminal(args), interval_s=args.interval, tell=tell)
    if args.kind.startswith(TRACKER):
        return _tracker(args, tell)
    return _kiosk(args, tell) if args.kind == KIOSK else _idcard(args, tell)


async def _tracker(args: argparse.Namespace, tell: Tell) -> None:
    tracker = made_tracker(args)
    async with tracker_port(args) as port:
        await run_tracker(tracker, port, interval_s=args.interval, tell=tell)


def _idcard(args: argparse.Namespace, tell: Tell) -> Coroutine[Any, Any, object]:
    return run_idcard(
        port_name(args),
        seed=args.seed,
        interval_s=args.interval,
        dwell_s=args.dwell,
        bad_share=args.bad,
        unplug_share=args.unplug,
        tell=tell,
    )


def _kiosk(args: argparse.Namespace, tell: Tell) -> Coroutine[Any, Any, object]:
    return run_kiosk(
        port_name(args),
        finger_port_name(args),
        seed=args.seed,
        interval_s=args.interval,
        bad_share=args.bad,
        tell=tell,
    )
