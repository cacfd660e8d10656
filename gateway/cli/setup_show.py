"""`zhijiao setup show`: what is there of the first run, read beside the gateway, and what is still missing.

What only the running gateway knows (line, clock, which devices answer) is said by `zhijiao doctor` and on the page.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from gateway.access import handover
from gateway.access.model import Role
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.network_show import network_lines, trial_lines
from gateway.cli.place import Place, add_json, configured_place
from gateway.cli.setup_request import SetupDesk
from gateway.config import Config
from gateway.config.model import DEFAULT_PATH
from gateway.errors import ConfigError
from gateway.evidence.keys import Role as KeyRole
from gateway.evidence.keys import load_trust
from gateway.network.trial import TRIAL
from gateway.setup.center_name import CENTER_NAME
from gateway.setup.verified import checkin_verified

EXIT_ATTENTION = 1
EXIT_CODES = {0: "nothing of this is missing", EXIT_ATTENTION: "something is missing, see the lines"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "show", summary="what is still missing (首次设置进度)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `GatewayError`."""
    place = configured_place(args.config)
    if place.config is None:
        raise ConfigError("usage", "the first run belongs to a configured gateway; give --config")
    lines = list(_lines(place, place.config, SetupDesk(place.store)))
    good = all(line.mark is not Mark.ATTENTION for line in lines)
    if args.json:
        print_json({"ok": good, "lines": [line.as_dict() for line in lines]})
    else:
        print_lines(lines)
    return 0 if good else EXIT_ATTENTION


def _lines(place: Place, config: Config, desk: SetupDesk) -> Iterator[Line]:
    name = desk.noted(CENTER_NAME)
    yield _fact("center", name or "", "it has no name", "zhijiao setup name NAME")
    yield from network_lines()
    yield from trial_lines(desk.noted(TRIAL))
    kept = handover.kept(place.store)
    for role, todo in (
        (Role.ADMIN, "zhijiao user add NAME --role admin"),
        (Role.STAFF, "zhijiao user add NAME --role staff"),
    ):
        count = sum(one.role == role and not one.disabled for one in kept.accounts)
        yield _fact(role.value, f"{count} accounts" if count else "", "no account", todo)
    paired = {one.kiosk for one in kept.tokens}
    yield _fact("kiosks", ", ".join(one.id for one in config.kiosks), "none is configured", "write [[kiosk]]")
    for kiosk in config.kiosks:
        if kiosk.id not in paired and not kiosk.terminal:
            yield Line(Mark.ATTENTION, kiosk.id, "is not paired", f"zhijiao kiosk token {kiosk.id}")
    trusted = _trusts(config)
    yield _fact(
        "trust", "keys of the center are here" if trusted else "", "none of the center", "enrol the gateway"
    )
    verified = place.store.exists() and checkin_verified(place.store)
    yield _fact("check-in", "one was verified" if verified else "", "none was verified yet", "zhijiao doctor")


def _trusts(config: Config) -> bool:
    try:
        found = load_trust(config.keys.trust_file, allow_demo=False).everybody()
    except ConfigError:
        return False
    return any(one.role is KeyRole.ACK and not one.demo for one in found)


def _fact(name: str, value: str, missing: str, todo: str) -> Line:
    return Line(Mark.OK, name, value) if value else Line(Mark.ATTENTION, name, missing, todo)
