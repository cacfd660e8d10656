"""`zhijiao outbox status`: what waits, how full it is, what needs attention and what to do.

Reads only: works while the gateway runs, on a full disk and on a read-only file system.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from gateway.cli.answer import Line, Mark, age, describe, mib, print_json, print_lines, when
from gateway.cli.place import Place, add_json, add_place, find_place
from gateway.store.overview import Overview, overview
from gateway.store.reading import open_for_reading

EXIT_ATTENTION = 1
EXIT_CODES: Mapping[int, str] = {
    0: "nothing needs attention",
    EXIT_ATTENTION: "something does, see the lines with !!",
}

OLD_BACKLOG_S = 900  # as the page: unsettled for longer, somebody should look
QUOTA_FULL = 0.9  # of the quota; above it settled events go before their time
DISK_LOW = 256 << 20  # bytes
EPOCHS_SHOWN = 5  # the newest; --json has all


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "status",
        summary="what waits and what needs attention (状态)",
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
        seen = overview(reading)
    lines = list(judge(place, seen, time.time()))
    attention = any(line.mark is Mark.ATTENTION for line in lines)
    if args.json:
        facts = {**asdict(seen), "gateway": place.gateway, "store": str(place.store)}
        print_json({"ok": not attention, **facts, "lines": [line.as_dict() for line in lines]})
    else:
        print_lines(lines)
    return EXIT_ATTENTION if attention else 0


def judge(place: Place, seen: Overview, now_s: float) -> Iterator[Line]:
    """The facts, each with its verdict."""
    yield _gateway(place, seen)
    yield from _epochs(seen)
    yield from _waiting(seen, now_s)
    yield from _center(seen, now_s)
    yield from _space(place, seen)
    yield from _trouble(place, seen)


def _gateway(place: Place, seen: Overview) -> Line:
    name = place.gateway or "unknown"
    if seen.running:
        return Line(Mark.OK, "gateway", f"{name}, running")
    if place.config is None:  # a copy, or a look from outside
        return Line(Mark.NOTE, "gateway", "none runs on this file")
    how = "stopped in order" if seen.clean_stop else "not running, and it was not stopped in order"
    return Line(
        Mark.ATTENTION, "gateway", f"{name}, {how}", "nobody can check in; start it: systemctl start zhijiao"
    )


def _epochs(seen: Overview) -> Iterator[Line]:
    if not seen.epochs:
        yield Line(Mark.NOTE, "epochs", "none: the gateway has not run on this store yet")
        return
    shown = seen.epochs[-EPOCHS_SHOWN:]
    if len(shown) < len(seen.epochs):
        yield Line(Mark.NOTE, "epochs", f"{len(seen.epochs)}, the newest {len(shown)}:")
    for entry in shown:
        held = "no events left" if entry.first is None else f"events {entry.first} to {entry.last}"
        name = "epoch now" if entry is seen.epochs[-1] else "epoch"
        opened = when(entry.opened_ms)
        yield Line(Mark.OK, name, f"{entry.epoch}  {held}  (opened {opened}, {entry.reason})")


def _waiting(seen: Overview, now_s: float) -> Iterator[Line]:
    waiting = seen.waiting_urgent + seen.waiting_rest
    if not waiting:
        yield Line(Mark.OK, "waiting", "nothing: the center has confirmed everything")
        return
    yield Line(
        Mark.OK,
        "waiting",
        f"{waiting:,} events: {seen.waiting_urgent:,} check-ins and alarms, {seen.waiting_rest:,} others",
    )
    if seen.oldest_waiting_ms is None:
        return
    old_s = now_s - seen.oldest_waiting_ms / 1000
    told = f"recorded {when(seen.oldest_waiting_ms)}, {age(old_s)} ago"
    if old_s <= OLD_BACKLOG_S:
        yield Line(Mark.OK, "oldest waiting", told)
        return
    todo = "nothing is lost; check the line and ask the center whether its receiver runs"
    yield Line(Mark.ATTENTION, "oldest waiting", told, todo)


def _center(seen: Overview, now_s: float) -> Iterator[Line]:
    if seen.newest_settled is None:
        yield Line(Mark.NOTE, "last settled", "the center has confirmed nothing of what is stored here")
    else:
        epoch, seq, recorded_ms = seen.newest_settled
        ago = age(now_s - recorded_ms / 1000)
        yield Line(Mark.OK, "last settled", f"event {seq} of epoch {epoch}, recorded {ago} ago")
    if seen.rejected:
        codes = ", ".join(f"{code} {count}" for code, count in seen.rejected)
        todo = "they are kept; tell the center these codes, its rules and ours differ"
        yield Line(Mark.ATTENTION, "rejected", f"{sum(n for _, n in seen.rejected)} ({codes})", todo)
    else:
        yield Line(Mark.OK, "rejected", "none")


def _space(place: Place, seen: Overview) -> Iterator[Line]:
    used = seen.store_bytes - seen.free_in_file_bytes
    quota = 0 if place.config is None else place.config.store.max_mib << 20
    size = f"{mib(seen.store_bytes)}, {mib(seen.free_in_file_bytes)} of it free inside"
    if quota and used > QUOTA_FULL * quota:
        todo = "settled events leave early now; bring the uplink back or raise [store] max_mib"
        yield Line(Mark.ATTENTION, "size", f"{size}; quota {mib(quota)}", todo)
    else:
        yield Line(
            Mark.OK,
            "size",
            f"{size}; " + (f"quota {mib(quota)}" if quota else "no quota, the disk is the limit"),
        )
    reserve = "none" if seen.reserve_bytes is None else mib(seen.reserve_bytes)
    yield Line(Mark.OK if seen.reserve_bytes else Mark.NOTE, "reserve", reserve)
    if seen.read_only:
        todo = "check-ins do not count; keep a list on paper, see deploy/README.md, card failing"
        yield Line(Mark.ATTENTION, "disk", "the file system is read-only", todo)
    elif seen.disk_free_bytes < DISK_LOW:
        todo = "free space (journalctl --vacuum-size=32M, apt-get clean), never delete beside the store"
        yield Line(Mark.ATTENTION, "disk", f"{mib(seen.disk_free_bytes)} free", todo)
    else:
        yield Line(Mark.OK, "disk", f"{mib(seen.disk_free_bytes)} free")


def _trouble(place: Place, seen: Overview) -> Iterator[Line]:
    if seen.suspect:
        todo = (
            "restart the gateway, it mends the store at its start; or stop it and run: zhijiao outbox repair"
        )
        yield Line(Mark.ATTENTION, "damage", "the gateway met damage in this store while running", todo)
    if seen.restored:
        yield Line(Mark.NOTE, "restored", "from a backup; the next start opens a new epoch")
    for name in seen.set_aside:
        todo = "evidence: copy it to another medium, then ask the center before it is removed"
        yield Line(Mark.NOTE, "set aside", str(place.store.with_name(name)), todo)
    for alarm in seen.alarms:
        kind, _, about = alarm.partition("/")
        yield Line(
            Mark.ATTENTION,
            "alarm",
            f"{kind} about {about}",
            "it stands until its cause is gone; see the page",
        )
