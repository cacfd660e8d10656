"""How each gateway stands, read from the record: when it was last heard, what waits, what is missing, what is wrong.

Read-only, beside receiver or workers. Nothing in it speaks of a person: names of gateways, numbers, codes, times.
Backlog, clock and MQTT version are the gateway's own word (`status`, unsigned); versions are signed (`info`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.receiver.database import open_for_reading
from gateway.receiver.intervals import Ranges
from gateway.receiver.notices import NOBODY
from gateway.receiver.sql import Reading

MOST_TEXT = 64  # characters of what a gateway says of itself
SILENT_MS = 3 * 60 * 1000  # three times what lies between two words of `status`
# Alarms after which a person must look at the record; the others tell of something that mends itself or is told above.
GRAVE = frozenset(
    {"fork", "chain_broken", "chain_mismatch", "store_rollback", "center_rollback", "duplicate_identity"}
    | {"id_conflict", "sealed", "quarantined", "unknown_kid"}
)


@dataclass(slots=True)
class GatewayFacts:
    """One gateway. Times are the center's, in milliseconds."""

    gw: str
    state: str | None = None  # online | offline | lost; None: it never said
    seen_ms: int | None = None  # its last status or event
    epoch: str | None = None  # the running one
    epochs: int = 0
    upto: int = 0  # of the running one
    last_seq: int = 0  # the highest that it announced of it
    backlog: int | None = None  # as it announced
    oldest_unacked_s: int | None = None
    missing: int = 0  # sequences of all epochs that are neither here nor declared lost
    lost: int = 0  # declared lost
    forks: int = 0
    rejected: int = 0
    quarantined: int = 0
    parked: int = 0
    duplicates: int = 0
    asked: bool = False  # a resend is open
    clockq: str | None = None
    mqtt: str | None = None
    ack_mode: str | None = None
    software: str | None = None
    profile: str | None = None
    worker: str | None = None  # who has it
    certificate_ms: int | None = None  # until when its certificate is valid, where the center knows
    alarms: dict[str, int] = field(default_factory=dict)  # by kind, how often

    def level(self, now_ms: int) -> str:
        """The one word for it, as pages show it: ok, attention, fault, unknown."""
        if self.forks or GRAVE & self.alarms.keys():
            return "fault"
        if self.state is None or self.seen_ms is None:
            return "unknown"
        stuck = self.missing > 0 and not self.backlog
        silent = self.state != "online" or now_ms - self.seen_ms > SILENT_MS
        return "attention" if silent or stuck or self.lost or self.clockq == "unsynced" else "ok"


@dataclass(frozen=True, slots=True)
class Overview:
    """All of them, in order of name, and what belongs to none."""

    at_ms: int
    gateways: tuple[GatewayFacts, ...]
    workers: tuple[str, ...]  # that live; empty where one receiver works alone
    nameless: int  # messages quarantined of names that nobody knows


def overview(database: str | Path, now_ms: int, certificates: Mapping[str, int] | None = None) -> Overview:
    """Read it; raises `StartError`, `StoreRefused`. `certificates`: by gateway, until when its own is valid."""
    connection = open_for_reading(database)
    try:
        found: dict[str, GatewayFacts] = {}
        for gw, status, received_ms, info in connection.execute(
            "SELECT gw, status, status_received_ms, info FROM gateway"
        ).fetchall():
            found[gw] = _said(GatewayFacts(gw, seen_ms=received_ms), status, info)
        _add_epochs(connection, found)
        nameless = _add_counts(connection, found)
        workers = _add_workers(connection, found, now_ms)
    finally:
        connection.close()
    for gw, until_ms in (certificates or {}).items():
        found.setdefault(gw, GatewayFacts(gw)).certificate_ms = until_ms
    return Overview(now_ms, tuple(found[gw] for gw in sorted(found)), workers, nameless)


def _said(facts: GatewayFacts, status: str | None, info: bytes | None) -> GatewayFacts:
    told: dict[str, Any] = {} if status is None else json.loads(status)
    facts.state, facts.clockq = _text(told.get("state")), _text(told.get("clockq"))
    facts.mqtt, facts.ack_mode = _text(told.get("mqtt")), _text(told.get("ack_mode"))
    facts.epoch, facts.last_seq = _text(told.get("epoch")), int(told.get("last_seq") or 0)
    facts.backlog, facts.oldest_unacked_s = _count(told.get("backlog")), _count(told.get("oldest_unacked_s"))
    document: dict[str, Any] = {} if info is None else json.loads(info)
    versions = document.get("versions")
    facts.software = _text(versions.get("software")) if isinstance(versions, dict) else None
    facts.profile = _text(document.get("profile"))
    return facts


def _add_epochs(connection: Reading, found: dict[str, GatewayFacts]) -> None:
    beyond: dict[int, Ranges] = {}
    for key, seq in connection.each(
        "SELECT c.id, e.seq FROM cursor c JOIN event e ON e.cursor = c.id AND e.seq > c.upto"
    ):
        beyond.setdefault(key, Ranges()).add(seq, seq)
    lost: dict[int, Ranges] = {}
    for key, first, last in connection.execute("SELECT cursor, first, last FROM lost").fetchall():
        lost.setdefault(key, Ranges()).add(first, last)
    for key, gw, epoch, upto, rejected, end_seq, received_ms in connection.execute(
        "SELECT c.id, c.gw, c.epoch, c.upto, c.rejected_n, c.end_seq, (SELECT e.received_ms FROM event e "
        "WHERE e.cursor = c.id ORDER BY e.seq DESC, e.n DESC LIMIT 1) FROM cursor c ORDER BY c.id"
    ).fetchall():
        facts = found.setdefault(gw, GatewayFacts(gw))
        held = beyond.get(key, Ranges())
        end = max(end_seq, upto, held.highest() or 0, facts.last_seq if epoch == facts.epoch else 0)
        facts.missing += _missing(upto, end, held, lost.get(key, Ranges()))
        facts.lost += lost.get(key, Ranges()).total()
        facts.epochs += 1
        facts.rejected += rejected
        facts.seen_ms = max(facts.seen_ms or 0, received_ms or 0) or None
        if facts.epoch is None or epoch == facts.epoch:
            facts.upto = upto


def _missing(upto: int, end: int, held: Ranges, lost: Ranges) -> int:
    gaps = Ranges([(upto + 1, end)] if end > upto else [])
    for ranges in (held, lost):
        for first, last in ranges:
            gaps.discard(first, last)
    return gaps.total()


def _add_counts(connection: Reading, found: dict[str, GatewayFacts]) -> int:
    """What is counted by gateway; what is quarantined of nobody."""
    for gw, kind, n in connection.execute("SELECT gw, kind, sum(n) FROM alarm GROUP BY gw, kind").fetchall():
        if gw != NOBODY:
            found.setdefault(gw, GatewayFacts(gw)).alarms[str(kind)] = int(n)
    for facts in found.values():
        facts.forks = facts.alarms.get("fork", 0)
    for gw, n in connection.execute("SELECT gw, count(*) FROM parked GROUP BY gw").fetchall():
        if gw in found:  # any name may be parked
            found[gw].parked = int(n)
    for (gw,) in connection.execute("SELECT DISTINCT gw FROM resend WHERE cmdid IS NOT NULL").fetchall():
        found.setdefault(gw, GatewayFacts(gw)).asked = True
    nameless = 0
    for gw, name, n in connection.execute(
        "SELECT gw, name, sum(n) FROM tally WHERE name = 'duplicates' OR name LIKE ? GROUP BY gw, name",
        ("quarantined:%",),
    ).fetchall():
        if gw == NOBODY:
            nameless += int(n) if name != "duplicates" else 0
        elif name == "duplicates":
            found.setdefault(gw, GatewayFacts(gw)).duplicates = int(n)
        else:
            found.setdefault(gw, GatewayFacts(gw)).quarantined += int(n)
    return nameless


def _add_workers(connection: Reading, found: dict[str, GatewayFacts], now_ms: int) -> tuple[str, ...]:
    names = {
        incarnation: str(name)
        for name, incarnation in connection.execute(
            "SELECT name, incarnation FROM worker WHERE until_ms > ?", (now_ms,)
        ).fetchall()
    }
    for gw, holder in connection.execute("SELECT gw, holder FROM lease").fetchall():
        if gw in found:
            found[gw].worker = names.get(holder)
    return tuple(sorted(names.values()))


def _text(value: object) -> str | None:
    if isinstance(value, str) and value.isprintable():
        return value[:MOST_TEXT]
    return None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def shown(gateways: tuple[GatewayFacts, ...], now_ms: int) -> Iterator[tuple[GatewayFacts, str]]:
    """What needs a person first, each with its level."""
    order = {"fault": 0, "attention": 1, "unknown": 2, "ok": 3}
    levels = [(facts, facts.level(now_ms)) for facts in gateways]
    return iter(sorted(levels, key=lambda one: (order[one[1]], one[0].gw)))
