"""`zhijiao rotate-key`: a new key for signing events, handed over to by the old one.

The new key is made now and taken up at the next start of the gateway: the old key signs an event that names it,
and what follows is signed by the new one. The center follows by that event alone; nobody types anything there.
For an enrolled box; of a box that was lost or opened by strangers nothing is rotated: it is revoked.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.config import load_without_files
from gateway.config.enrolled import read_enrolled
from gateway.config.model import DEFAULT_PATH
from gateway.errors import ConfigError
from gateway.rotating import ask
from gateway.store.lock import is_held
from gateway.store.reading import STORE_FILE

EXIT_CODES: Mapping[int, str] = {0: "the new key waits for the next start"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "rotate-key",
        summary="a new key for signing events (更换签名密钥)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make and tell; raises `GatewayError`."""
    config = load_without_files(args.config)
    facts = read_enrolled(config.gateway.state_dir)
    if facts is None or facts.kid != config.keys.event_kid:
        raise ConfigError(
            "not_enrolled", "the event key of this box does not come from an enrolment; replace it by hand"
        )
    kid = ask(config.gateway.state_dir, facts)
    running = is_held(config.gateway.state_dir / STORE_FILE)
    if args.json:
        print_json({"ok": True, "old": facts.kid, "kid": kid, "running": running})
        return 0
    todo = "systemctl restart zhijiao" if running else "systemctl start zhijiao"
    print_lines(
        [
            Line(Mark.OK, "new key", f"{kid}, made on this box"),
            Line(Mark.NOTE, "now", f"{facts.kid} signs until the next start", todo),
        ]
    )
    return 0
