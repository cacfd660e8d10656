"""One batch of messages, each judged and stored, in one transaction of the database thread."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import ContractError
from gateway.evidence.keys import Role, TrustStore
from gateway.receiver import documents
from gateway.receiver.checking import Arrived, check_one
from gateway.receiver.directory import Directory, GatewayState
from gateway.receiver.ledger import Book, EpochState, Key, Ledger
from gateway.receiver.notices import NOBODY, Notices, Raised
from gateway.receiver.topics import Topic
from gateway.receiver.unseal import Unsealer, sealed_in
from gateway.receiver.verdict import Outcome, Verdict
from gateway.receiver.verify import Event, NoEvent, Standing
from gateway.receiver.waiting_room import WaitingRoom, blocked_at, released

RELEASED_AT_ONCE = 500  # parked messages in one transaction


@dataclass(slots=True)
class Result:
    """What a committed batch came to; the loop takes it up."""

    verdicts: list[Verdict] = field(default_factory=list)
    epochs: dict[Key, EpochState] = field(default_factory=dict)
    gateways: dict[str, GatewayState] = field(default_factory=dict)
    blocked: dict[str, dict[str, int]] = field(default_factory=dict)  # gateway -> epoch -> parked sequence
    touched: list[tuple[str, str, int]] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)  # gateways to answer with an ack
    raised: list[Raised] = field(default_factory=list)


class Judge:
    """Everything one transaction needs. Build one per batch."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        trust: TrustStore,
        unsealer: Unsealer | None,
        book: Book,
        gateways: Mapping[str, GatewayState],
        blocked: Mapping[str, Mapping[str, int]],
        now_ms: int,
    ) -> None:
        self._connection = connection
        self._trust = trust
        self._unsealer = unsealer
        self._book = book
        self._blocked = blocked
        self._notices = Notices(connection, now_ms)
        self._ledger = Ledger(connection, book, self._notices, now_ms)
        self._directory = Directory(connection, gateways, self._notices, now_ms)
        self._waiting = WaitingRoom(connection, self._notices, now_ms)
        self._asked: set[str] = set()

    def judge_all(self, batch: Sequence[Arrived]) -> Result:
        """The verdicts in order, and everything that memory must know once this is committed."""
        self._ledger.expect(arrived.event for arrived in batch if isinstance(arrived.event, Event))
        return self._finish([self._judge(arrived) for arrived in batch])

    def judge_released(self) -> Result:
        """The same for parked messages whose key is known now; no verdicts when none is left."""
        verdicts = []
        for message in list(released(self._connection, self._is_trusted, RELEASED_AT_ONCE)):
            arrived = check_one(message.topic, message.wire, self._trust)
            if arrived.topic is not None:
                self._waiting.unpark(message, arrived.topic.gateway)
                verdicts.append(self._judge(arrived))
        return self._finish(verdicts)

    def _finish(self, verdicts: list[Verdict]) -> Result:
        self._ledger.finish()
        self._waiting.finish()
        self._notices.finish()
        # What was blocked may have been stored by now.
        stored = {gateway for gateway, _, _ in self._ledger.touched if self._blocked.get(gateway)}
        blocked = {
            gateway: blocked_at(self._connection, gateway)
            for gateway in self._waiting.parked_changed | stored
        }
        return Result(
            verdicts=verdicts,
            epochs=self._ledger.changed,
            gateways=self._directory.changed,
            blocked=blocked,
            touched=self._ledger.touched,
            asked=self._asked | self._waiting.parked_changed,
            raised=self._notices.raised,
        )

    def _judge(self, arrived: Arrived) -> Verdict:
        topic, text, payload = arrived.topic, arrived.text, arrived.wire
        if topic is None:
            return self._quarantine(NOBODY, text, "topic", payload)
        if arrived.event is not None:
            return self._event(topic, text, arrived.event, payload)
        match topic.channel:
            case "info" if not topic.name:
                return self._info(topic, text, payload)
            case "status" if not topic.name:
                return self._status(topic, payload)
            case "req" if topic.name == "ack" and self._is_named(topic.gateway):
                self._asked.add(topic.gateway)
                return Verdict(Outcome.NOTED)
            case _:
                self._notices.count(NOBODY, "", f"ignored:{topic.channel}"[:40])
                return Verdict(Outcome.IGNORED, "channel")

    # -- events ---------------------------------------------------------------------------------------

    def _event(self, topic: Topic, text: str, judged: Event | NoEvent, wire: bytes) -> Verdict:
        if isinstance(judged, Event):
            verdict = self._ledger.record(judged)
            if verdict.outcome is Outcome.ACCEPTED:
                self._try_seal(judged)
            return verdict
        return self._no_event(topic, text, judged, wire)

    def _no_event(self, topic: Topic, text: str, why: NoEvent, wire: bytes) -> Verdict:
        if why.standing is Standing.PARKED:
            kept = self._waiting.park(topic, text, why, wire)
            self._notices.alarm(self._name(topic.gateway), "unknown_kid")
            return Verdict(Outcome.PARKED, "unknown_kid" if kept else "no_room")
        return self._quarantine(self._name(topic.gateway), text, why.code, wire)

    def _quarantine(self, gateway: str, text: str, code: str, wire: bytes) -> Verdict:
        self._waiting.quarantine(gateway, text, code, wire)
        return Verdict(Outcome.QUARANTINED, code)

    def _try_seal(self, event: Event) -> None:
        """A center that cannot open what is sealed to it must hear of it now, not when it needs a name."""
        if self._unsealer is None or sealed_in(event) is None:
            return
        try:
            self._unsealer.open(event)
        except ContractError as exc:
            self._notices.alarm(event.gateway, "sealed", epoch=event.epoch, seq=event.seq, code=exc.code)

    # -- documents ------------------------------------------------------------------------------------

    def _info(self, topic: Topic, text: str, payload: bytes) -> Verdict:
        if not payload:
            return Verdict(Outcome.IGNORED, "cleared")  # a retained message that somebody took away
        try:
            info = documents.read_info(topic, payload, self._trust)
        except ContractError as exc:
            if exc.code != "unknown_kid":
                return self._quarantine(self._name(topic.gateway), text, exc.code, payload)
            # Keys come from the trust file only: whoever enrolled the box must add it there.
            self._notices.alarm(self._name(topic.gateway), "unknown_kid", code="info")
            return Verdict(Outcome.IGNORED, exc.code)
        self._directory.note_info(topic, info)
        for claim in info.epochs:
            self._ledger.claim(topic.gateway, claim)
        return Verdict(Outcome.NOTED)

    def _status(self, topic: Topic, payload: bytes) -> Verdict:
        if not payload or not self._is_named(topic.gateway):
            return Verdict(Outcome.IGNORED, "cleared" if not payload else "unknown_gateway")
        try:
            status = documents.read_status(payload)
        except ContractError as exc:
            self._notices.count(topic.gateway, "", "status_unreadable")
            return Verdict(Outcome.IGNORED, exc.code)
        if not self._directory.note_status(topic, status):
            self._notices.count(topic.gateway, "", "status_out_of_date")
            return Verdict(Outcome.IGNORED, "session")
        state = self._ledger.changed.get((topic.gateway, status.epoch)) or self._book.get(
            topic.gateway, {}
        ).get(status.epoch)
        upto = 0 if state is None else state.cursor.upto
        if status.acked < upto:
            self._asked.add(topic.gateway)
        elif status.acked > upto and status.ack_mode == "center":
            # It was told more than we know: this database is older than our own word.
            self._notices.alarm(topic.gateway, "center_rollback", epoch=status.epoch, seq=status.acked)
        return Verdict(Outcome.NOTED)

    # -- whom we know ---------------------------------------------------------------------------------

    def _is_named(self, gateway: str) -> bool:
        """Whether the trust file has a key of this gateway."""
        return bool(self._trust.of_gateway(gateway))

    def _name(self, gateway: str) -> str:
        return gateway if self._is_named(gateway) else NOBODY

    def _is_trusted(self, kid: str, gateway: str) -> bool:
        try:
            self._trust.find(Role.GATEWAY, gateway=gateway)(kid)
        except ContractError as exc:
            return exc.code != "unknown_kid"  # known and of no use: it is judged, and quarantined
        return True


def describe(raised: Raised) -> dict[str, object]:
    """Fields of a log line about an alarm; nothing where there is nothing to say."""
    fields = {
        "kind": raised.kind,
        "gw": raised.gw,
        "epoch": raised.epoch,
        "seq": raised.seq,
        "code": raised.code,
    }
    return {name: value for name, value in fields.items() if value}
