"""`zhijiao devices history`: faults and returns of one device, newest first, and what to do about them."""

import argparse
from collections.abc import Iterator, Mapping, Sequence

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines, when
from gateway.cli.place import add_json, add_place, find_place
from gateway.devices.history import Change, history
from gateway.errors import ConfigError
from gateway.web.messages import Catalogue, Lang, load_catalogue

EXIT_NOTHING = 1
EXIT_CODES: Mapping[int, str] = {
    0: "told",
    EXIT_NOTHING: "nothing of this device in the newest events",
}
_MARKS = {"online": Mark.OK, "replaced": Mark.NOTE}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "history", summary="faults of one device (故障记录)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("device", metavar="DEVICE", help="its id")
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `GatewayError`."""
    place = find_place(args)
    if place.config is not None and args.device not in {one.id for one in place.config.devices}:
        known = ", ".join(one.id for one in place.config.devices) or "none"
        raise ConfigError("unknown_device", f"no device is called '{args.device}'; known: {known}")
    changes = history(place.store, args.device)
    if args.json:
        told = [{"time": when(one.at_ms), "state": one.state, "code": one.code} for one in changes]
        print_json({"ok": bool(changes), "device": args.device, "changes": told})
    elif changes:
        print_lines(list(judge(changes, load_catalogue())))
    else:
        print_lines([Line(Mark.NOTE, args.device, "nothing in the newest events")])
    return 0 if changes else EXIT_NOTHING


def judge(changes: Sequence[Change], catalogue: Catalogue) -> Iterator[Line]:
    """A line for each change."""
    for one in changes:
        said = catalogue.find(Lang.EN, f"device.{one.code}") if one.code else ""
        code = f"{one.state}, {said or one.code}" if one.code else one.state
        todo = catalogue.find(Lang.EN, f"device.{one.code}.do") if one.code else ""
        yield Line(_MARKS.get(one.state, Mark.ATTENTION), when(one.at_ms), code, todo or "")
