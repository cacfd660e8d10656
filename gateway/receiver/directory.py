"""What gateways say of themselves, kept: birth document, state, and which of their boxes is the live one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.receiver.documents import Info, Status, read_status
from gateway.receiver.notices import Notices
from gateway.receiver.sql import Connection, marks
from gateway.receiver.topics import Topic

SESSIONS_KEPT = 8


@dataclass(frozen=True, slots=True)
class GatewayState:
    """The last word of one gateway."""

    gw: str
    org: str
    session: str | None = None  # the last one that was online
    sessions: tuple[str, ...] = ()  # those before it, newest last
    state: str | None = None
    status_ms: int | None = None  # the status' own time
    epoch: str | None = None
    last_seq: int = 0
    acked: int = 0
    backlog: int = 0
    ack_mode: str = "center"


class Directory:
    """The table `gateway` in one transaction."""

    def __init__(
        self, connection: Connection, known: Mapping[str, GatewayState], notices: Notices, now_ms: int
    ) -> None:
        self.changed: dict[str, GatewayState] = {}
        self._connection = connection
        self._known = known
        self._notices = notices
        self._now_ms = now_ms

    def state(self, topic: Topic) -> GatewayState:
        """What is known in this transaction."""
        fresh = GatewayState(topic.gateway, topic.org)
        return self.changed.get(topic.gateway) or self._known.get(topic.gateway) or fresh

    def note_info(self, topic: Topic, info: Info) -> None:
        """A birth document whose signature holds."""
        self._ensure(topic)
        self._connection.execute(
            "UPDATE gateway SET info = ?, info_ms = ? WHERE gw = ?", (info.wire, info.at_ms, topic.gateway)
        )

    def note_status(self, topic: Topic, status: Status) -> bool:
        """State and high-water mark; False for the will of a connection that is not the last one."""
        before = self.state(topic)
        if status.state == "lost" and before.session is not None and status.session != before.session:
            return False
        after = self._with_session(before, status)
        after = _with_status(after, status)
        self._ensure(topic)
        self._connection.execute(
            "UPDATE gateway SET session = ?, sessions = ?, status = ?, status_ms = ?, status_received_ms = ? "
            "WHERE gw = ?",
            (
                after.session,
                json.dumps(after.sessions),
                status.text,
                status.at_ms,
                self._now_ms,
                topic.gateway,
            ),
        )
        self.changed[topic.gateway] = after
        return True

    def _with_session(self, before: GatewayState, status: Status) -> GatewayState:
        if status.state != "online" or status.session == before.session:
            return before
        earlier = before.sessions if before.session is None else (*before.sessions, before.session)
        # A session ends with its connection. One that speaks again, later by its own clock, after
        # another one did, is a second box under the same name. A repeat by the broker is not later.
        if status.session in before.sessions:
            if before.status_ms is not None and status.at_ms <= before.status_ms:
                return before
            self._notices.alarm(before.gw, "duplicate_identity", epoch=status.epoch, seq=status.last_seq)
            earlier = tuple(session for session in earlier if session != status.session)
        return replace(before, session=status.session, sessions=earlier[-SESSIONS_KEPT:])

    def _ensure(self, topic: Topic) -> None:
        if topic.gateway not in self._known and topic.gateway not in self.changed:
            self._connection.execute(
                "INSERT INTO gateway (gw, org, sessions) VALUES (?, ?, '[]') ON CONFLICT (gw) DO NOTHING",
                (topic.gateway, topic.org),
            )


def load_directory(connection: Connection, gateways: Sequence[str]) -> dict[str, GatewayState]:
    """Those of these gateways that have spoken."""
    found = {}
    for gw, org, session, sessions, text in connection.execute(
        f"SELECT gw, org, session, sessions, status FROM gateway WHERE gw IN ({marks(len(gateways))})",  # noqa: S608
        gateways,
    ):
        state = GatewayState(gw, org, session, tuple(json.loads(sessions)))
        found[gw] = state if text is None else _with_status(state, read_status(text.encode()))
    return found


def _with_status(state: GatewayState, status: Status) -> GatewayState:
    return replace(
        state,
        state=status.state,
        status_ms=status.at_ms,
        epoch=status.epoch,
        last_seq=status.last_seq,
        acked=status.acked,
        backlog=status.backlog,
        ack_mode=status.ack_mode,
    )
