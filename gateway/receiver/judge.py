"""One batch of messages, each judged and stored, in one transaction of the database thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import ContractError
from gateway.event_types import event_class
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role, TrustStore
from gateway.receiver import documents, requests, resends
from gateway.receiver.checking import Arrived, check_one
from gateway.receiver.data_rules import LostRange
from gateway.receiver.directory import Directory, GatewayState
from gateway.receiver.ledger import Book, EpochState, Key, Ledger
from gateway.receiver.lives import Life, Lived, Lives
from gateway.receiver.notices import NOBODY, Notices, Raised
from gateway.receiver.resends import Resend, Resends
from gateway.receiver.sql import Connection
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
    resends: dict[Key, Resend | None] = field(default_factory=dict)
    lives: dict[Key, Life] = field(default_factory=dict)
    outgoing: list[tuple[str, str, dict[str, Json]]] = field(
        default_factory=list
    )  # gateway, topic below, content


class Judge:
    """Everything one transaction needs. Build one per batch."""

    def __init__(
        self,
        connection: Connection,
        *,
        trust: TrustStore,
        unsealer: Unsealer | None,
        book: Book,
        gateways: Mapping[str, GatewayState],
        blocked: Mapping[str, Mapping[str, int]],
        open_resends: Mapping[Key, Resend],
        lived: Lived,
        allow: Callable[[str], bool],
        mine: Callable[[str], bool],
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
        self._lives = Lives(connection, lived, self._notices, now_ms)
        self._resends = Resends(connection, open_resends, now_ms)
        self._gateways = gateways
        self._allow = allow
        self._mine = mine
        self._now_ms = now_ms
        self._asked: set[str] = set()
        self._answers: list[tuple[str, str, dict[str, Json]]] = []

    def judge_all(self, batch: Sequence[Arrived]) -> Result:
        """The verdicts in order, and everything that memory must know once this is committed."""
        self._ledger.expect(arrived.event for arrived in batch if isinstance(arrived.event, Event))
        return self._finish([self._judge(arrived) for arrived in batch])

    def look_after(self) -> Result:
        """What is missing, and whom to ask for it."""
        for gateway in self._gateways.values():
            if self._is_named(gateway.gw):
                self._look(gateway)
        return self._finish([])

    def judge_released(self) -> Result:
        """The same for parked messages whose key is known now; no verdicts when none is left."""
        verdicts = []
        for message in list(released(self._connection, self._is_released, RELEASED_AT_ONCE)):
            arrived = check_one(message.topic, message.wire, self._trust)
            if arrived.topic is not None:
                self._waiting.unpark(message, arrived.topic.gateway)
                verdicts.append(self._judge(arrived))
        return self._finish(verdicts)

    def _finish(self, verdicts: list[Verdict]) -> Result:
        self._ledger.finish()
        self._lives.finish(self._ledger.changed)
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
            resends=self._resends.changed,
            lives=self._lives.changed,
            outgoing=self._answers
            + [(gateway, "cmd/resend", content) for gateway, content in self._resends.commands],
        )

    def _judge(self, arrived: Arrived) -> Verdict:
        """One message. What it breaks is its own matter: a batch holds the words of many gateways."""
        try:
            return self._judge_one(arrived)
        except ContractError as exc:
            gateway = NOBODY if arrived.topic is None else self._name(arrived.topic.gateway)
            return self._quarantine(gateway, arrived.text, exc.code, arrived.wire)

    def _judge_one(self, arrived: Arrived) -> Verdict:
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
            case "req" if self._is_named(topic.gateway):
                return self._request(topic, payload)
            case "rsp" if topic.name == "resend" and self._is_named(topic.gateway):
                return self._answer(topic, payload)
            case _:
                self._notices.count(NOBODY, "", f"ignored:{topic.channel}"[:40])
                return Verdict(Outcome.IGNORED, "channel")

    # -- events ---------------------------------------------------------------------------------------

    def _event(self, topic: Topic, text: str, judged: Event | NoEvent, wire: bytes) -> Verdict:
        if isinstance(judged, Event):
            verdict = self._ledger.record(judged)
            self._lives.see(judged, verdict)
            if judged.type and event_class(judged.type) != topic.name:
                self._notices.alarm(
                    judged.gateway, "misplaced", epoch=judged.epoch, seq=judged.seq, code="class"
                )
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
        state = self._ledger.known(topic.gateway).get(status.epoch)
        upto = 0 if state is None else state.cursor.upto
        if status.acked < upto:
            self._asked.add(topic.gateway)
        # It was told more than we know: this database is older than our own word.
        held = 0 if state is None else state.cursor.reach()
        told_more = status.acked > held and status.ack_mode == "center"
        if told_more and self._resends.note_rollback((topic.gateway, status.epoch)):
            self._notices.alarm(topic.gateway, "center_rollback", epoch=status.epoch, seq=status.acked)
        return Verdict(Outcome.NOTED)

    # -- questions and answers ------------------------------------------------------------------------

    def _request(self, topic: Topic, payload: bytes) -> Verdict:
        if not self._allow(topic.gateway):
            self._notices.count(topic.gateway, "", "requests_dropped")
            return Verdict(Outcome.IGNORED, "too_many")
        try:
            self._reply(topic, payload)
        except ContractError as exc:
            self._notices.count(topic.gateway, "", "requests_malformed")
            return Verdict(Outcome.IGNORED, exc.code)
        return Verdict(Outcome.NOTED)

    def _reply(self, topic: Topic, payload: bytes) -> None:
        match topic.name:
            case "ack":
                self._asked.add(topic.gateway)
            case "rejected":
                self._answers.append((topic.gateway, "res/rejected", self._refusals(topic.gateway, payload)))
            case "time":
                answer = requests.time_answer(topic.gateway, requests.read_time(payload), self._now_ms)
                self._answers.append((topic.gateway, "res/time", answer))
            case _:
                raise ContractError("unsupported", "no such request")

    def _refusals(self, gateway: str, payload: bytes) -> dict[str, Json]:
        request = requests.read_rejected(payload)
        found = self._ledger.refusals(gateway, request.epoch, request.first, requests.LISTED + 1)
        return requests.rejected_answer(gateway, request, found, self._now_ms)

    def _answer(self, topic: Topic, payload: bytes) -> Verdict:
        try:
            epoch, unavailable = self._resends.answer(topic.gateway, resends.read_answer(payload))
        except ContractError as exc:
            self._notices.count(topic.gateway, "", "answers_ignored")
            return Verdict(Outcome.IGNORED, exc.code)
        for first, last in unavailable:
            self._ledger.lose(topic.gateway, LostRange(epoch, first, last, "unavailable"))
        return Verdict(Outcome.NOTED)

    def _look(self, gateway: GatewayState) -> None:
        """One gateway's gaps; only one that is there and takes acks can be asked."""
        if gateway.state != "online" or gateway.session is None or gateway.ack_mode != "center":
            return
        known = self._ledger.known(gateway.gw)
        if gateway.epoch is not None:
            known.setdefault(gateway.epoch, EpochState(0, gateway.gw, gateway.epoch))
        for epoch, state in known.items():
            end = max(state.end_seq, state.cursor.highest())
            if epoch == gateway.epoch:
                end = max(end, gateway.last_seq, gateway.acked)
            missing = state.cursor.missing(end)
            self._resends.look((gateway.gw, epoch), gateway.session, missing, idle=gateway.backlog == 0)

    # -- whom we know ---------------------------------------------------------------------------------

    def _is_named(self, gateway: str) -> bool:
        """Whether the trust file has a key of this gateway."""
        return bool(self._trust.of_gateway(gateway))

    def _name(self, gateway: str) -> str:
        return gateway if self._is_named(gateway) else NOBODY

    def _is_released(self, kid: str, gateway: str) -> bool:
        if not self._mine(gateway):
            return False
        try:
            self._trust.find(Role.GATEWAY, gateway=gateway)(kid)
        except ContractError as exc:
            return exc.code != "unknown_kid"  # known and of no use: it is judged, and quarantined
        return True
