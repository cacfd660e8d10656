"""`zhijiao roster status`: which roster is in force, how old it is, until when; no names.

Reads only; needs no key, and works while the gateway runs.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.checkin import incoming
from gateway.cli.answer import Line, Mark, age, describe, print_json, print_lines, when
from gateway.cli.place import add_json, add_place, find_place
from gateway.clock import iso_ms
from gateway.config.model import DEFAULT_TIMEZONE
from gateway.store import rosters
from gateway.store.reading import open_for_reading
from gateway.store.rosters import Seen, StoredRoster

EXIT_ATTENTION = 1
EXIT_CODES: Mapping[int, str] = {
    0: "a roster is in force and not expired",
    EXIT_ATTENTION: "something needs attention, see the lines with !!",
}
EXPIRES_SOON_S = 3 * 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LocalTime:
    """Times as people at the center read them."""

    def __init__(self, name: str) -> None:
        self._zone: tzinfo
        try:
            self._zone, self._name = ZoneInfo(name), name
        except ZoneInfoNotFoundError:  # a machine without tzdata still gets its answer
            self._zone, self._name = UTC, "UTC"

    def text(self, wall_ms: int) -> str:
        """`2026-12-31 23:59 (Asia/Shanghai)`."""
        try:
            moment = (_EPOCH + timedelta(milliseconds=wall_ms)).astimezone(self._zone)
        except OverflowError:
            return when(wall_ms)
        return f"{moment:%Y-%m-%d %H:%M} ({self._name})"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "status",
        summary="which roster is in force, until when (花名册状态)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `GatewayError`."""
    place = find_place(args)
    with open_for_reading(place.store) as reading:
        seen = rosters.look(reading)
    waiting = len(incoming.inbox(place.store.parent).waiting())
    now_ms = int(time.time() * 1000)
    zone = LocalTime(DEFAULT_TIMEZONE if place.config is None else place.config.checkin.timezone)
    lines = list(judge(seen, waiting, now_ms, zone))
    attention = any(line.mark is Mark.ATTENTION for line in lines)
    if args.json:
        print_json(
            {
                "ok": not attention,
                "gateway": place.gateway,
                "store": str(place.store),
                **_facts(seen, now_ms),
                "waiting": waiting,
                "lines": [line.as_dict() for line in lines],
            }
        )
    else:
        print_lines(lines)
    return EXIT_ATTENTION if attention else 0


def judge(seen: Seen, waiting: int, now_ms: int, zone: LocalTime) -> Iterator[Line]:
    """The facts, each with its verdict."""
    if seen.stored is None:
        todo = "everybody who checks in is pending review; zhijiao roster import FILE"
        yield Line(Mark.ATTENTION, "roster", "none is in force", todo)
    else:
        yield from _in_force(seen.stored, now_ms, zone)
    if seen.unreadable is not None:
        todo = "everybody who checks in is pending review; import the roster again"
        yield Line(Mark.ATTENTION, "not usable", f"the gateway could not open it ({seen.unreadable})", todo)
    if waiting:
        todo = "a running gateway takes it within seconds: journalctl -u zhijiao, or start it"
        yield Line(Mark.ATTENTION, "waiting", f"{waiting} to be applied", todo)
    if seen.refusal is not None:
        which = "one" if seen.refusal.version is None else f"version {seen.refusal.version}"
        todo = "the one in force stays; tell the center this code"
        yield Line(
            Mark.ATTENTION, "refused", f"{which}, {zone.text(seen.refusal.at_ms)} ({seen.refusal.code})", todo
        )


def _in_force(stored: StoredRoster, now_ms: int, zone: LocalTime) -> Iterator[Line]:
    applied = age((now_ms - stored.applied_ms) / 1000)
    yield Line(
        Mark.OK, "roster", f"version {stored.version}, {stored.persons:,} persons, applied {applied} ago"
    )
    yield Line(
        Mark.OK, "issued", f"{zone.text(stored.issued_ms)}, {age((now_ms - stored.issued_ms) / 1000)} ago"
    )
    left_s = (stored.expires_ms - now_ms) / 1000
    told = zone.text(stored.expires_ms)
    if left_s <= 0:
        todo = "people still check in, pending review; ask the center for a newer one"
        yield Line(Mark.ATTENTION, "expired", told, todo)
    elif left_s < EXPIRES_SOON_S:
        yield Line(Mark.NOTE, "expires", f"{told}, in {age(left_s)}", "ask the center for a newer one")
    else:
        yield Line(Mark.OK, "expires", f"{told}, in {age(left_s)}")
    if stored.left_out:
        yield Line(Mark.NOTE, "left out", f"{stored.left_out} members of a newer minor version")


def _facts(seen: Seen, now_ms: int) -> dict[str, object]:
    stored, refusal = seen.stored, seen.refusal
    facts: dict[str, object] = {"roster": None, "unreadable": seen.unreadable, "refused": None}
    if stored is not None:
        facts["roster"] = {
            "version": stored.version,
            "persons": stored.persons,
            "sha256": stored.digest.hex(),
            "issued": _iso(stored.issued_ms),
            "expires": _iso(stored.expires_ms),
            "applied": _iso(stored.applied_ms),
            "age_s": (now_ms - stored.issued_ms) // 1000,
            "expired": now_ms >= stored.expires_ms,
            "left_out": stored.left_out,
        }
    if refusal is not None:
        facts["refused"] = {"code": refusal.code, "version": refusal.version, "at": _iso(refusal.at_ms)}
    return facts


def _iso(wall_ms: int) -> str | None:
    try:
        return iso_ms(wall_ms)
    except OverflowError:
        return None
