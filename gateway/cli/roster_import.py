"""`zhijiao roster import`: hand a roster that the center signed to the gateway.

Verified here, every page of it, then left encrypted beside the store. A running gateway verifies it again
and applies it within seconds, a stopped one at its next start. No name is shown.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.checkin import incoming
from gateway.checkin.at_rest import Purpose
from gateway.checkin.incoming import MOST_WAITING
from gateway.checkin.roster import Roster
from gateway.checkin.signed_file import MAX_FILE
from gateway.checkin.strict import RosterError
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import Place, add_json, configured_place
from gateway.cli.roster_status import LocalTime
from gateway.clock import iso_ms
from gateway.config.model import DEFAULT_PATH
from gateway.errors import ConfigError, StartError
from gateway.keyring import load_roster_keys
from gateway.store import rosters
from gateway.store.lock import is_held
from gateway.store.reading import open_for_reading

EXIT_ATTENTION = 1
EXIT_CODES: Mapping[int, str] = {
    0: "verified and handed to the gateway",
    EXIT_ATTENTION: "the same, but its time is over by this machine's clock",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "import",
        summary="hand over a roster that the center signed (导入花名册)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the roster as the center issued it")
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify, hand over and tell; raises `GatewayError`."""
    place = configured_place(args.config)
    if place.config is None:
        raise ConfigError("usage", "a roster belongs to a configured gateway; give --config")
    keys = load_roster_keys(place.config)
    file = _read(args.file)
    roster = keys.verified(file)
    _check_version(place, roster)
    folder = place.store.parent
    if not folder.is_dir():
        raise StartError(
            "state_dir", f"{folder}: no such folder; start the gateway once, it makes it, then import again"
        )
    if len(incoming.inbox(folder).waiting()) >= MOST_WAITING:
        raise StartError(
            "roster_waits", f"{folder}: {MOST_WAITING} rosters wait already; start the gateway, it takes them"
        )
    now_ms = int(time.time() * 1000)
    incoming.inbox(folder).leave(keys.seal.close(file, Purpose.INCOMING), now_ms)
    expired = roster.head.expired(now_ms)
    if args.json:
        print_json({"ok": not expired, **_facts(roster), "expired": expired, "running": is_held(place.store)})
    else:
        zone = LocalTime(place.config.checkin.timezone)
        print_lines(list(_lines(args.file, roster, zone, expired=expired, running=is_held(place.store))))
    return EXIT_ATTENTION if expired else 0


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as exc:
        raise ConfigError("file_unreadable", f"{path}: cannot be read ({exc.strerror})") from exc


def _check_version(place: Place, roster: Roster) -> None:
    """The gateway decides; here it is only said at once where it will say no."""
    if not place.store.exists():
        return
    with open_for_reading(place.store) as reading:
        seen = rosters.look(reading)
    if seen.stored is None or seen.unreadable is not None:
        return
    if roster.head.version <= seen.stored.version:
        raise RosterError(
            "roster_version",
            f"version {roster.head.version} is not above version {seen.stored.version}, which is in force; "
            "have the center issue it with a higher one",
        )


def _facts(roster: Roster) -> dict[str, object]:
    head = roster.head
    return {
        "gateway": head.gateway,
        "version": head.version,
        "persons": len(roster.persons),
        "sha256": roster.digest.hex(),
        "issued": iso_ms(head.issued_ms),
        "expires": iso_ms(head.expires_ms),
        "left_out": roster.left_out,
    }


def _lines(path: Path, roster: Roster, zone: LocalTime, *, expired: bool, running: bool) -> Iterator[Line]:
    head = roster.head
    yield Line(Mark.OK, "verified", f"{path}: signed by the center, every page as the head names it")
    yield Line(
        Mark.OK, "roster", f"version {head.version} for {head.gateway}, {len(roster.persons):,} persons"
    )
    until = f"issued {zone.text(head.issued_ms)}, expires {zone.text(head.expires_ms)}"
    if expired:
        todo = "people still check in, pending review; ask the center for a newer one"
        yield Line(Mark.ATTENTION, "expired", until, todo)
    else:
        yield Line(Mark.OK, "valid", until)
    if roster.left_out:
        yield Line(Mark.NOTE, "left out", f"{roster.left_out} members of a newer minor version")
    when = "the gateway applies it within seconds" if running else "the gateway applies it at its next start"
    yield Line(Mark.OK, "handed over", when, "see: zhijiao roster status")
    yield Line(
        Mark.NOTE,
        "the file",
        "it speaks of persons (含个人信息,仅限有权人员)",
        "delete it here when it is in force",
    )
