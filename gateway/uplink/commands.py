"""Commands of the center: verified, remembered, run, answered (contract, 4).

The id is committed before anything is done and the outcome before it is told. A repeat gets the stored
answer, whatever its session or time; what a crash cut off is answered `interrupted` and never run
again. An answer is published until the broker has taken it. One at a time: they are few.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway import __version__
from gateway.clock import Clock, ClockQuality, iso_ms
from gateway.errors import ContractError, StoreRefused
from gateway.evidence.canonical import Json
from gateway.metrics import Metrics
from gateway.mqtt_bridge import FAILURE, Connection, Message
from gateway.store import commands as book
from gateway.store.store import Store
from gateway.uplink.command_message import (
    SIGNERS,
    Command,
    FindByRole,
    Refusal,
    check_valid_now,
    read_command,
    verified,
)
from gateway.uplink.requests import RequestFailed
from gateway.uplink.resend import resend
from gateway.uplink.seldom import Seldom
from gateway.uplink.topics import Topics

log = logging.getLogger(__name__)

WAITING = 32  # commands not begun yet; further ones stay with the broker until the next connection
UNTOLD = 64  # answers that no broker has taken yet
PURGE_EVERY_S = 3600.0

Tell = Callable[[dict[str, Json]], None]  # how far it is, on `rsp/{name}`: published, not kept
Run = Callable[[Command, Tell], Awaitable[dict[str, Json]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out on `rsp/{name}`."""

    name: str
    cmdid: str
    status: str
    wire: bytes


class Commands:
    """The commands of one gateway. Lives as long as the gateway; `serve` runs what comes in."""

    def __init__(
        self,
        *,
        topics: Topics,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        find_key: FindByRole,
        put_back: Callable[[], object],
        orders: Mapping[str, Run],
    ) -> None:
        """`orders`: what other rooms carry out, by name."""
        self.session = ""  # of the last status; a command must name it
        self._topics = topics
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._find_key = find_key
        self._put_back = put_back
        self._queue: asyncio.Queue[Message] = asyncio.Queue(WAITING)
        self._untold: dict[str, Answer] = {}
        self._connection: Connection | None = None
        self._purged_s: float | None = None
        self._seldom = Seldom()
        self._working: asyncio.Future[None] | None = None
        self._built: Mapping[str, Run] = {"ping": self._ping, "resend": self._resend, **orders}

    @property
    def built(self) -> tuple[str, ...]:
        """Names that are carried out; every other one is answered `unsupported`."""
        return tuple(sorted(self._built))

    async def load(self) -> None:
        """After a start: what a crash cut off is answered, not run."""
        for cmdid, name in await self._store.read(lambda _box: book.unfinished()):
            answer = _answer(
                name, cmdid, book.INTERRUPTED, None, ("interrupted", "the gateway ended meanwhile")
            )
            await self._finish(answer)

    def connected(self, connection: Connection, session: str) -> None:
        """Answers go out here from now on, those first that no broker has taken."""
        self._connection, self.session = connection, session
        for answer in list(self._untold.values()):
            self._publish(answer)

    def take(self, message: Message) -> None:
        """A message on `cmd/#`; the broker is told when it is dealt with."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("too many commands at once; the rest stays with the broker")

    async def serve(self) -> None:
        """Run what comes in, one after the other. Cancelled with its connection, it lets a command finish."""
        while True:
            if self._working is None:
                message = await self._queue.get()
                self._working = asyncio.ensure_future(self._deal_with(message))
            working = self._working
            try:
                await asyncio.shield(working)
            finally:
                if working.done():
                    self._working = None

    async def _deal_with(self, message: Message) -> None:
        await self._run(message)
        message.done()
        await self._purge()

    async def _run(self, message: Message) -> None:
        name = message.topic.removeprefix(self._topics.command(""))
        try:
            content, cmdid = verified(message.payload, self._topics.gateway, name, self._find_key)
        except ContractError as exc:
            self._metrics.commands_not_verified.labels(reason=exc.code).inc()
            if self._seldom.due(exc.code):
                log.warning("command not verified, dropped", extra={"reason": exc.code, "cause": str(exc)})
            return
        try:
            known = await self._store.run(lambda _box: self._begin(name, cmdid))
        except StoreRefused as exc:  # not remembered, so not run; the same id may come again
            self._publish(_answer(name, cmdid, "failed", None, (exc.code, str(exc))))
            return
        if known is None:
            answer = await self._carry_out(content, name, cmdid)
        elif known.answer is None:  # its outcome was not stored; one at a time, so nobody works on it
            answer = _interrupted(known.name, cmdid)
        else:
            self._publish(Answer(known.name, cmdid, known.status, known.answer))
            return
        try:
            await self._finish(answer)
        except StoreRefused as exc:  # not on disk, so not told: a repeat will hear `interrupted`
            log.warning("outcome of a command not stored", extra={"cmdid": cmdid, "code": exc.code})
            return
        self._publish(answer)

    def _begin(self, name: str, cmdid: str) -> book.Known | None:
        known = book.known(cmdid)
        if known is None:
            book.begin(cmdid, name, self._clock.now().wall_ms)
        return known

    async def _carry_out(self, content: dict[str, Json], name: str, cmdid: str) -> Answer:
        try:
            command = read_command(content, name, cmdid)
            check_valid_now(command, self.session, self._clock.now())
            run = self._built.get(name, _unsupported)
            return _answer(name, cmdid, "done", await run(command, partial(self._tell, name, cmdid)), None)
        except Refusal as exc:
            return _answer(name, cmdid, exc.status, None, (exc.code, str(exc)))
        except ContractError as exc:  # what it asks for cannot be; its text names places, never values
            return _answer(name, cmdid, "rejected", None, (exc.code, str(exc)))
        except RequestFailed as exc:
            return _answer(name, cmdid, "failed", None, (exc.code, str(exc)))
        except StoreRefused as exc:
            return _answer(name, cmdid, "failed", None, (exc.code, str(exc)))

    async def _finish(self, answer: Answer) -> None:
        await self._store.run(lambda _box: book.finish(answer.cmdid, answer.status, answer.wire))
        self._metrics.commands.labels(
            command=answer.name if answer.name in SIGNERS else "other", status=answer.status
        ).inc()
        log.info(
            "command", extra={"command": answer.name[:64], "cmdid": answer.cmdid, "status": answer.status}
        )
        self._untold[answer.cmdid] = answer
        while len(self._untold) > UNTOLD:
            del self._untold[next(iter(self._untold))]  # its outcome is stored: a repeat is answered

    def _tell(self, name: str, cmdid: str, progress: dict[str, Json]) -> None:
        """Not kept, and not repeated: whoever missed it sees the outcome."""
        if self._connection is not None and not self._connection.closed.done():
            answer = _answer(name, cmdid, book.RUNNING, progress, None)
            self._connection.publish(self._topics.response(name), answer.wire)

    def _publish(self, answer: Answer) -> None:
        if self._connection is None or self._connection.closed.done():
            return
        taking = self._connection.publish(self._topics.response(answer.name), answer.wire)

        def taken(done: "asyncio.Future[int]") -> None:
            if not done.cancelled() and done.result() < FAILURE:
                self._untold.pop(answer.cmdid, None)

        taking.add_done_callback(taken)

    async def _purge(self) -> None:
        now_s = time.monotonic()
        if self._purged_s is not None and now_s - self._purged_s < PURGE_EVERY_S:
            return
        self._purged_s = now_s
        now = self._clock.now()
        by_age = now.quality is not ClockQuality.UNSYNCED
        try:
            await self._store.run(lambda _box: book.purge(now.wall_ms, by_age=by_age))
        except StoreRefused as exc:
            log.warning("old outcomes not purged", extra={"code": exc.code})

    # -- what is built --------------------------------------------------------------------------------

    async def _ping(self, _command: Command, _tell: Tell) -> dict[str, Json]:
        now = self._clock.now()
        return {"ts": iso_ms(now.wall_ms), "mono": str(now.mono_ms), "clockq": now.quality.value}

    async def _resend(self, command: Command, _tell: Tell) -> dict[str, Json]:
        return await resend(self._store, command.args, self._put_back)


async def _unsupported(command: Command, _tell: Tell) -> dict[str, Json]:
    raise Refusal("unsupported", f"{command.name[:64]} is not built in version {__version__}")


def _interrupted(name: str, cmdid: str) -> Answer:
    return _answer(name, cmdid, book.INTERRUPTED, None, ("interrupted", "cut off; ask anew with another id"))


def _answer(
    name: str, cmdid: str, status: str, result: dict[str, Json] | None, error: tuple[str, str] | None
) -> Answer:
    document = {
        "v": 1,
        "cmdid": cmdid,
        "status": status,
        "result": result,
        "error": None if error is None else {"code": error[0], "msg": error[1]},
    }
    wire = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return Answer(name, cmdid, status, wire)
