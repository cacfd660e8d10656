"""`zhijiao kiosk list`: which kiosks have a token, since when, from where it counts; reads only, needs no key."""

import argparse
from collections.abc import Collection, Iterator, Mapping

from gateway.cli.access_handover import look, waiting
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines, when
from gateway.cli.place import add_json, add_place, find_place
from gateway.store.accounts import Kept

EXIT_ATTENTION = 1
EXIT_CODES: Mapping[int, str] = {
    0: "every configured kiosk has a token",
    EXIT_ATTENTION: "something needs attention, see the lines with !!",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "list", summary="which kiosks have a token (令牌列表)", text=__doc__, codes=EXIT_CODES
    )
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `GatewayError`."""
    place = find_place(args)
    known = None if place.config is None else [kiosk.id for kiosk in place.config.kiosks]
    kept, left = look(place), waiting(place)
    lines = list(judge(kept, known, left))
    attention = any(line.mark is Mark.ATTENTION for line in lines)
    if args.json:
        tokens = [
            {"kiosk": one.kiosk, "source": one.source, "created": when(one.created_ms)} for one in kept.tokens
        ]
        print_json({"ok": not attention, "kiosks": known, "tokens": tokens, "waiting": left})
    else:
        print_lines(lines)
    return EXIT_ATTENTION if attention else 0


def judge(kept: Kept, known: Collection[str] | None, left: int) -> Iterator[Line]:
    """The kiosks, each with its token. `known`: the configured ones, where there is a configuration."""
    held = {one.kiosk: one for one in kept.tokens}
    for kiosk in sorted({*held, *(known or ())}):
        token = held.get(kiosk)
        if token is None:
            yield Line(Mark.ATTENTION, kiosk, "no token", f"zhijiao kiosk token {kiosk}")
            continue
        said = f"token of {when(token.created_ms)}, from {token.source or 'any address'}"
        if known is None or kiosk in known:
            yield Line(Mark.OK, kiosk, said)
        else:
            todo = f"zhijiao kiosk revoke {kiosk}"
            yield Line(Mark.NOTE, kiosk, f"{said}; not configured, so it counts for nothing", todo)
    if not held and not known:
        yield Line(Mark.NOTE, "kiosks", "none is configured, and there is no token")
    if left:
        todo = "a running gateway takes them within seconds: journalctl -u zhijiao, or start it"
        yield Line(Mark.ATTENTION, "waiting", f"{left} changes to be taken", todo)
