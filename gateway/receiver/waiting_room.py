"""Messages without a place: parked until their key is known, or set aside for a person to look at.

Both are bounded. What does not fit is counted and dropped: it was never acked, so an honest gateway
sends it again.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.evidence.canonical import MAX_BYTES
from gateway.receiver.notices import NOBODY, Notices
from gateway.receiver.sql import Connection
from gateway.receiver.topics import Topic
from gateway.receiver.verify import NoEvent

PARKED_PER_GATEWAY = 4096  # messages; a gateway has at most 512 out at a time
PARKED_BYTES = 256 * 1024 * 1024  # of all gateways
QUARANTINED_PER_GATEWAY = 100  # the newest ones
QUARANTINED_NAMELESS = 500  # messages of unknown gateways, the newest ones
MAX_TOPIC = 256  # characters


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """One that waits for its key."""

    id: int
    topic: str
    kid: str
    wire: bytes


class WaitingRoom:
    """`parked` and `quarantine` in one transaction."""

    def __init__(self, connection: Connection, notices: Notices, now_ms: int) -> None:
        self.parked_changed: set[str] = set()  # gateways
        self._connection = connection
        self._notices = notices
        self._now_ms = now_ms
        self._levels: dict[str, int] = {}
        self._bytes: int | None = None
        self._quarantined: set[str] = set()

    def park(self, topic: Topic, text: str, why: NoEvent, wire: bytes) -> bool:
        """Keep until the key is known; False where there is no room."""
        if not self._room(topic.gateway, len(wire)):
            self._notices.count(NOBODY, "", "parked_dropped")
            return False
        digest = hashlib.sha256(wire).digest()
        fresh = self._connection.execute(
            "INSERT INTO parked (digest, topic, gw, epoch, seq, kid, size, received_ms, wire) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            (digest, text, topic.gateway, why.epoch, why.seq, why.kid, len(wire), self._now_ms, wire),
        ).rowcount
        if fresh:
            self._levels[topic.gateway] += 1
            self._bytes = (self._bytes or 0) + len(wire)
        self.parked_changed.add(topic.gateway)
        return True

    def unpark(self, message: ParkedMessage, gateway: str) -> None:
        """It has been judged."""
        self._connection.execute("DELETE FROM parked WHERE id = ?", (message.id,))
        self.parked_changed.add(gateway)

    def quarantine(self, gateway: str, text: str, code: str, wire: bytes) -> None:
        """Set aside, count, tell."""
        self._connection.execute(
            "INSERT INTO quarantine (gw, topic, code, size, received_ms, wire) VALUES (?, ?, ?, ?, ?, ?)",
            (gateway, text[:MAX_TOPIC], code, len(wire), self._now_ms, wire[:MAX_BYTES]),
        )
        self._quarantined.add(gateway)
        self._notices.count(gateway, "", f"quarantined:{code}")
        self._notices.alarm(gateway, "quarantined", code=code)

    def finish(self) -> None:
        """Keep the newest, at the end of the transaction."""
        for gateway in self._quarantined:
            limit = QUARANTINED_NAMELESS if gateway == NOBODY else QUARANTINED_PER_GATEWAY
            self._connection.execute(
                "DELETE FROM quarantine WHERE gw = :gw AND id <= "
                "(SELECT id FROM quarantine WHERE gw = :gw ORDER BY id DESC LIMIT 1 OFFSET :keep)",
                {"gw": gateway, "keep": limit},
            )

    def _room(self, gateway: str, size: int) -> bool:
        if gateway not in self._levels:
            row = self._connection.execute("SELECT count(*) FROM parked WHERE gw = ?", (gateway,)).fetchone()
            self._levels[gateway] = row[0]
        if self._bytes is None:
            row = self._connection.execute("SELECT coalesce(sum(size), 0) FROM parked").fetchone()
            self._bytes = int(row[0])
        return self._levels[gateway] < PARKED_PER_GATEWAY and self._bytes + size <= PARKED_BYTES


def blocked_at(connection: Connection, gateway: str) -> dict[str, int]:
    """Per epoch the lowest parked sequence at which nothing is stored."""
    rows = connection.execute(
        "SELECT p.epoch, min(p.seq) FROM parked p WHERE p.gw = ? AND NOT EXISTS "
        "(SELECT 1 FROM cursor c JOIN event e ON e.cursor = c.id WHERE c.gw = p.gw AND c.epoch = p.epoch "
        "AND e.seq = p.seq) GROUP BY p.epoch ORDER BY max(p.id) DESC",
        (gateway,),
    )
    return {str(epoch): int(seq) for epoch, seq in rows}


def parked_gateways(connection: Connection) -> list[str]:
    """Who has parked messages."""
    return [str(row[0]) for row in connection.execute("SELECT DISTINCT gw FROM parked")]


def released(
    connection: Connection, is_known: Callable[[str, str], bool], limit: int
) -> Iterator[ParkedMessage]:
    """At most `limit` parked messages whose (kid, gateway) is known now, in order of arrival."""
    known = [
        (kid, gateway)
        for kid, gateway in connection.execute("SELECT DISTINCT kid, gw FROM parked").fetchall()
        if is_known(kid, gateway)
    ]
    for kid, gateway in known:
        rows = connection.execute(
            "SELECT id, topic, kid, wire FROM parked WHERE gw = ? AND kid = ? ORDER BY id LIMIT ?",
            (gateway, kid, limit),
        ).fetchall()
        limit -= len(rows)
        for row in rows:
            yield ParkedMessage(*row)
        if limit <= 0:
            return
