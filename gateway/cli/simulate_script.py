"""Devices of `zhijiao simulate` that do what a script says, or lie there and answer."""

import argparse
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib import import_module
from typing import Any

from drivers.simulators.face import SimulatedFaceModule
from drivers.simulators.idcard import SimulatedReader, sam_id
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.script import Script, read_script
from drivers.simulators.stage import Stage, play
from drivers.simulators.stage_beacon import beacon_stage
from drivers.simulators.stage_kiosk import kiosk_stage
from drivers.simulators.stage_people import (
    badge_line_stage,
    face_stage,
    finger_stage,
    idcard_stage,
    osdp_stage,
)
from drivers.simulators.stage_terminal import terminal_stage
from drivers.simulators.stage_tracker import tracker_stage
from drivers.simulators.step import ScriptError
from gateway.cli.simulate import BEACON, KIOSK, TERMINAL, TRACKER
from gateway.cli.simulate_devices import (
    finger_port_name,
    made_converter,
    made_module,
    made_osdp_reader,
    made_terminal,
    made_tracker,
    port_name,
    tracker_port,
)
from gateway.errors import ContractError, GatewayError

READ_S = 0.8  # of a real card
CARD, FINGER = "card", "finger"  # a kiosk's devices

Tell = Callable[[str], None]
Port = AbstractAsyncContextManager[object]


class BadScript(GatewayError):  # noqa: N818 - named for the condition
    """The script has a fault; nothing was played. The code is that of the fault."""

    exit_code = ContractError.exit_code


def played(args: argparse.Namespace, tell: Tell) -> Coroutine[Any, Any, int]:
    """Reads the script at once. Raises `BadScript`."""
    stage, ports = _staged(args, tell)
    script: Script | None = None
    if args.script is not None:
        try:
            script = read_script(args.script, args.kind, stage.words)
        except ScriptError as exc:
            raise BadScript(exc.code, str(exc)) from exc
    return _play(stage, ports, script, tell)


async def _play(stage: Stage, ports: Sequence[Port], script: Script | None, tell: Tell) -> int:
    async with AsyncExitStack() as plugged:
        for port in ports:
            await plugged.enter_async_context(port)
        return await play(stage, script, tell)


def _staged(args: argparse.Namespace, tell: Tell) -> tuple[Stage, Sequence[Port]]:
    """The stage of a kind, and its ports."""
    if args.kind == TERMINAL:
        return terminal_stage(made_terminal(args)), ()
    if args.kind.startswith(TRACKER):
        calling = tracker_port(args)
        return tracker_stage(args.kind, made_tracker(args), calling), (calling,)
    if args.kind == BEACON:
        air = import_module("drivers.links.ble_advertiser").Advertiser(args.adapter)  # loads D-Bus
        return beacon_stage(args.kind, air, tell, alone=args.script is None), (air,)
    port = PtyHost(port_name(args))
    match args.kind:
        case "finger.zfm":
            return finger_stage(made_module(args), port, args.seed), (port,)
        case "face.efaa_xor16":
            return face_stage(SimulatedFaceModule(), port, args.seed), (port,)
        case "reader.osdp":
            return osdp_stage(made_osdp_reader(args), port), (port,)
        case "badge.line":
            return badge_line_stage(made_converter(args), port), (port,)
    cards = idcard_stage(SimulatedReader(sam_id=sam_id(args.seed), read_s=READ_S), port, args.seed, tell)
    if args.kind != KIOSK:
        return cards, (port,)
    finger_port = PtyHost(finger_port_name(args))
    fingers = finger_stage(made_module(args), finger_port, args.seed)
    return kiosk_stage({CARD: cards, FINGER: fingers}), (port, finger_port)
