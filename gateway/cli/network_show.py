"""`zhijiao network show`: the wired interfaces of this machine, and what is on trial."""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.cli.setup_request import SetupDesk
from gateway.config.model import DEFAULT_PATH
from gateway.network.daemon import NetworkManager
from gateway.network.interface import Interface, NetworkTrouble
from gateway.network.ipv4 import Ipv4
from gateway.network.trial import KEEPING, TRIAL, Kept

EXIT_ATTENTION = 1
EXIT_CODES = {
    0: "an interface is up",
    EXIT_ATTENTION: "none is, or NetworkManager does not answer; or something is on trial",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "show",
        summary="wired interfaces and their addresses (网络状态)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `GatewayError`."""
    noted = SetupDesk.of(args.config).noted(TRIAL)
    lines = [*network_lines(), *trial_lines(noted)]
    good = all(line.mark is not Mark.ATTENTION for line in lines)
    if args.json:
        print_json({"ok": good, "lines": [line.as_dict() for line in lines]})
    else:
        print_lines(lines)
    return 0 if good else EXIT_ATTENTION


def network_lines() -> Sequence[Line]:
    """Each interface, or why nothing is known."""
    try:
        found = asyncio.run(NetworkManager().interfaces())
    except NetworkTrouble as exc:
        todo = "apt-get install network-manager; or set the network in the system itself"
        return [Line(Mark.ATTENTION, "network", str(exc), todo if exc.code == "no_network_manager" else "")]
    if not found:
        return [Line(Mark.ATTENTION, "network", "NetworkManager has no wired interface")]
    up = any(one.online for one in found)
    return [_line(one, worst=Mark.NOTE if up else Mark.ATTENTION) for one in found]


def _line(one: Interface, *, worst: Mark) -> Line:
    has = ", ".join(map(str, one.addresses)) or "no address"
    said = "no settings yet" if one.configured is None else one.configured.told()
    if one.online:
        return Line(Mark.OK, one.name, f"{has}; set to {said}")
    return Line(worst, one.name, f"{has}; set to {said}", "" if one.plugged else "plug the cable in")


def trial_lines(noted: str | None) -> Sequence[Line]:
    """What is on trial."""
    if noted is None:
        return []
    try:
        trial = Kept.from_text(noted)
    except (ValueError, TypeError, KeyError):
        return [Line(Mark.ATTENTION, "trial", "not readable; the gateway forgets it at its next start")]
    wanted = f"{trial.interface}: {Ipv4.from_text(trial.wanted).told()}"
    if trial.phase == KEEPING:
        return [
            Line(Mark.ATTENTION, "trial", f"{wanted}, kept and not made to hold yet", "the gateway tries on")
        ]
    todo = "reached at it: zhijiao network keep; else it goes back by itself"
    return [Line(Mark.ATTENTION, "trial", f"{wanted}, by {trial.by}", todo)]
