"""What the gateway asks of the center, and its signed answers (contract, 1).

    req/{name}  {"v":1,"reqid",…}                                        not signed: asking harms nobody
    req/roster-part  the same with "gw", "name" and "jws"                signed: the answer speaks of persons
    res/{name}  {"v":1,"gw","name","reqid",…,"ts","jws"}                 signed with the ack key

An answer counts when it is verified, for this gateway, of this name, and to a question that waits. Every
question has a deadline.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.clock import Clock, parse_iso_ms
from gateway.envelope import sequence
from gateway.errors import ContractError
from gateway.evidence import jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey, Signer
from gateway.metrics import Metrics
from gateway.mqtt_bridge import Connection, Message
from gateway.uplink.acks import Rejection, read_rejections
from gateway.uplink.seldom import Seldom
from gateway.uplink.topics import Topics
from gateway.uuid7 import uuid7

log = logging.getLogger(__name__)

DEADLINE_S = 10.0
MOST_WAITING = 16  # questions at once


class RequestFailed(Exception):  # noqa: N818 - named for the condition
    """No answer that counts. Codes: `offline`, `busy`, `no_answer`, `malformed`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    answer: "asyncio.Future[tuple[dict[str, Json], int]]"  # and when it came, monotonic ms


@dataclass(frozen=True, slots=True)
class RejectedPage:
    """Refusals of one epoch, by sequence."""

    rejected: tuple[Rejection, ...]
    more: bool


class Requests:
    """The questions of one gateway. Lives as long as the gateway."""

    def __init__(
        self, *, topics: Topics, clock: Clock, metrics: Metrics, ack_key: FindKey, signer: Signer
    ) -> None:
        self._topics = topics
        self._clock = clock
        self._metrics = metrics
        self._ack_key = ack_key
        self._signer = signer
        self._connection: Connection | None = None
        self._waiting: dict[str, _Question] = {}
        self._seldom = Seldom()

    def connected(self, connection: Connection) -> None:
        """Questions go out here from now on."""
        self._connection = connection

    def ask_ack(self) -> None:
        """The answer comes on `ack`, like every ack."""
        if self._connection is not None:
            self._connection.publish(self._topics.request("ack"), b'{"v":1}')

    async def ask_time(self) -> tuple[int, int, int]:
        """(center's wall clock, our monotonic clock when asked, and when answered), all in ms.

        Raises `RequestFailed`.
        """
        sent_ms = self._clock.now().mono_ms
        answer, received_ms = await self._ask("time", {"mono": str(sent_ms)})
        if answer.get("mono") != str(sent_ms):
            raise self._malformed("time", "mono is not what was asked")
        try:
            return parse_iso_ms(_text(answer.get("ts"))), sent_ms, received_ms
        except ValueError as exc:
            raise self._malformed("time", str(exc)) from exc

    async def ask_rejected(self, epoch: str, from_seq: int) -> RejectedPage:
        """A page of the refusals of an epoch, from a sequence on; raises `RequestFailed`."""
        answer, _ = await self._ask("rejected", {"epoch": epoch, "from": sequence(from_seq)})
        if answer.get("epoch") != epoch:
            raise self._malformed("rejected", "another epoch than asked for")
        try:
            return RejectedPage(read_rejections(answer.get("rejected")), answer.get("more") is True)
        except (KeyError, TypeError, ValueError) as exc:
            raise self._malformed("rejected", str(exc)) from exc

    async def ask_roster_part(self, wanted: Mapping[str, Json]) -> dict[str, Json]:
        """A part of a page of the roster, sealed for the key named in `wanted`; raises `RequestFailed`."""
        answer, _ = await self._ask("roster-part", wanted, signed=True)
        return answer

    def take(self, message: Message) -> None:
        """A message on `res/#`."""
        received_ms = self._clock.now().mono_ms
        try:
            question, answer = self._believed(message)
        except ContractError as exc:
            self._metrics.answers_rejected.labels(reason=exc.code).inc()
            if self._seldom.due(exc.code):
                log.warning("answer not believed", extra={"reason": exc.code, "cause": str(exc)})
            return
        if not question.answer.done():
            question.answer.set_result((answer, received_ms))

    def _believed(self, message: Message) -> tuple[_Question, dict[str, Json]]:
        name = message.topic.removeprefix(self._topics.result(""))
        answer, _, _ = jws.open_message(message.payload, self._ack_key)
        if answer.get("v") != 1 or answer.get("gw") != self._topics.gateway:
            raise ContractError("foreign", "answer is for another gateway")
        question = self._waiting.get(str(answer.get("reqid")))
        if question is None or name != question.name or answer.get("name") != name:
            raise ContractError("unasked", "answer to nothing that was asked")
        return question, answer

    async def _ask(
        self, name: str, members: Mapping[str, Json], *, signed: bool = False
    ) -> tuple[dict[str, Json], int]:
        connection = self._connection
        if connection is None or connection.closed.done():
            raise RequestFailed("offline", "not connected to the center's broker")
        if len(self._waiting) >= MOST_WAITING:
            raise RequestFailed("busy", f"{MOST_WAITING} questions wait for the center already")
        reqid = uuid7(self._clock.now().wall_ms)
        answer: asyncio.Future[tuple[dict[str, Json], int]] = asyncio.get_running_loop().create_future()
        self._waiting[reqid] = _Question(name, answer)
        content: dict[str, Json] = {"v": 1, "reqid": reqid, **members}
        if signed:
            document = self._signer.sign_object({**content, "gw": self._topics.gateway, "name": name})
        else:
            document = json.dumps(content, separators=(",", ":")).encode()
        connection.publish(self._topics.request(name), document)
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await answer
        except TimeoutError as exc:
            raise RequestFailed(
                "no_answer", f"req/{name}: the center did not answer in {DEADLINE_S:.0f} s"
            ) from exc
        finally:
            del self._waiting[reqid]

    def _malformed(self, name: str, why: str) -> RequestFailed:
        self._metrics.answers_rejected.labels(reason="malformed").inc()
        return RequestFailed("malformed", f"res/{name} cannot be read: {why}")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
