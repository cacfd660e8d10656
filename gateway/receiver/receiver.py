"""The library: hand in what arrives, get a verdict after COMMIT, hand out the acks that are due.

    receiver = await Receiver.open(settings)
    verdict = await receiver.accept(topic, payload)      # then PUBACK
    for topic, payload in receiver.acks_due():           # publish retained, QoS 1
        ...
    for topic, payload in receiver.messages_due():       # answers and commands: not retained, QoS 1
        ...
    await receiver.look_after()                          # every few seconds: asks for what is missing
    for event in await receiver.events_after(n):         # act upon it, and keep its n with what you did
        ...
    await receiver.close()

Any transport will do. Verdicts come in order of arrival, and a crash after COMMIT swallows them: whoever
acts on events reads them from the record, with a cursor of its own (`consuming`). So it gets every
accepted event at least once, and by `events_in_sequence` in the order of the gateway's sequence.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import TrustStore
from gateway.receiver import acks, requests, topics
from gateway.receiver.acks import AckSchedule
from gateway.receiver.checking import Checker
from gateway.receiver.consuming import MOST_AT_ONCE, Accepted, by_arrival, in_sequence
from gateway.receiver.database import Database, path_of
from gateway.receiver.directory import GatewayState, load_directory
from gateway.receiver.judge import Judge, Result
from gateway.receiver.ledger import EpochState, Key, load_book
from gateway.receiver.lives import Life, load_lives
from gateway.receiver.notices import describe
from gateway.receiver.requests import Allowance
from gateway.receiver.resends import Resend, load_resends
from gateway.receiver.unseal import Unsealer
from gateway.receiver.verdict import Verdict
from gateway.receiver.waiting_room import blocked_at, parked_gateways

log = logging.getLogger(__name__)

MAX_OUTGOING = 4096  # answers and commands; beyond, the oldest ones are dropped: they are asked for again


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """What a receiver needs. The clocks are for tests."""

    database: str  # a path, or sqlite:///path
    trust: TrustStore
    ack_signer: Signer
    unsealer: Unsealer | None = None
    wall_ms: Callable[[], int] = _wall_ms
    mono_s: Callable[[], float] = time.monotonic


class Receiver:
    """One center's record of its gateways. Build with `open`; one per database file."""

    def __init__(self, settings: ReceiverSettings, database: Database) -> None:
        self._settings = settings
        self._trust = settings.trust
        self._database = database
        self._book: dict[str, dict[str, EpochState]] = {}
        self._gateways: dict[str, GatewayState] = {}
        self._blocked: dict[str, dict[str, int]] = {}
        self._schedule = AckSchedule()
        self._checker = Checker()
        self._resends: dict[Key, Resend] = {}
        self._lives: dict[str, dict[str, Life]] = {}
        self._allowance = Allowance()
        self._outgoing: deque[tuple[str, str, dict[str, Json]]] = deque(maxlen=MAX_OUTGOING)
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()  # one batch at a time: each begins where the one before has committed

    @classmethod
    async def open(cls, settings: ReceiverSettings) -> "Receiver":
        """Open or make the database. Raises `ConfigError`, `StartError`, `StoreRefused`.

        Every gateway's ack is due: nobody knows which of them went out before the last end.
        """
        database = await Database.open(path_of(settings.database), settings.wall_ms())
        receiver = cls(settings, database)
        await receiver._load()
        await receiver.retrust(settings.trust)
        receiver.ack_everybody()
        return receiver

    async def accept(self, topic: str, payload: bytes) -> Verdict:
        """Judge and store one message; returns after COMMIT. Raises `StoreRefused`: not stored, keep it."""
        return (await self.accept_many([(topic, payload)]))[0]

    async def accept_many(self, batch: Sequence[tuple[str, bytes]]) -> list[Verdict]:
        """The same for several messages, in one transaction."""
        return (await self._in_turn(self._accept(batch))).verdicts

    async def retrust(self, trust: TrustStore) -> list[Verdict]:
        """Believe these keys from now on; the verdicts on parked messages whose key has become known.

        A batch that is being checked is judged by the keys it began with.
        """
        async with self._turn:
            self._trust = trust
        verdicts: list[Verdict] = []
        while True:
            result = await self._in_turn(self._run(Judge.judge_released))
            if not result.verdicts:
                return verdicts
            verdicts += result.verdicts

    async def look_after(self) -> None:
        """Compare what gateways say with what is here; asks for what is missing (see `resends`)."""
        await self._in_turn(self._run(Judge.look_after))

    async def events_after(self, n: int, limit: int = MOST_AT_ONCE) -> list[Accepted]:
        """Accepted events in order of commit, after the `n` that the consumer has dealt with."""
        return await self._database.run(partial(by_arrival, n=n, limit=limit))

    async def events_in_sequence(
        self, gateway: str, epoch: str, after: int, limit: int = MOST_AT_ONCE
    ) -> list[Accepted]:
        """Accepted events of one epoch in order of sequence, no further than everything before them is here."""
        return await self._database.run(
            partial(in_sequence, gateway=gateway, epoch=epoch, seq=after, limit=limit)
        )

    def answer_at_once(self, topic: str, payload: bytes) -> tuple[str, bytes] | None:
        """The answer to `req/time`, for a transport that looks at messages before it hands them in.

        None for anything else, and for what is not to be answered: hand that in, it is judged and counted.
        """
        asked = topics.parse(topic)
        if asked is None or (asked.channel, asked.name) != ("req", "time"):
            return None
        if not self._trust.of_gateway(asked.gateway) or not self._allow(asked.gateway):
            return None
        try:
            request = requests.read_time(payload)
        except ContractError:
            return None
        answer = requests.time_answer(asked.gateway, request, self._settings.wall_ms())
        return asked.sibling("res/time"), self._settings.ack_signer.sign_object(answer)

    def messages_due(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of answers and commands to publish now, not retained, QoS 1."""
        due = [
            (topics.of_gateway(gateway, rest), self._settings.ack_signer.sign_object(content))
            for gateway, rest, content in self._outgoing
        ]
        self._outgoing.clear()
        return due

    async def until_due(self) -> None:
        """Return when it is worth asking for `acks_due` and `messages_due` again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.next_ack_in_s()):
                await self._news.wait()
        self._news.clear()

    def acks_due(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of the acks to publish now, retained, QoS 1."""
        return [self._ack(gateway) for gateway in self._schedule.due(self._settings.mono_s())]

    def acks_pending(self) -> list[tuple[str, bytes]]:
        """The same without waiting for the time to come: before an orderly end."""
        return [self._ack(gateway) for gateway in self._schedule.all()]

    def next_ack_in_s(self) -> float | None:
        """How long until `acks_due` has something by time alone; None while nobody waits."""
        due_s = self._schedule.next_due_s(self._settings.mono_s())
        return None if due_s is None else max(0.0, due_s - self._settings.mono_s())

    def ack_everybody(self) -> None:
        """Make every gateway's ack due: after a start, and for a broker that forgot what it retained."""
        for gateway in {*self._book, *self._blocked}:
            self._schedule.ask(gateway, self._settings.mono_s())
        self._news.set()

    def ack_again(self, gateway: str) -> None:
        """An ack did not reach the broker."""
        self._schedule.ask(gateway, self._settings.mono_s())
        self._news.set()

    async def close(self) -> None:
        """Finish the batch that runs and close the file."""
        async with self._turn:
            self._checker.close()
            await self._database.close()

    async def _load(self) -> None:
        self._book = await self._database.run(load_book)
        self._gateways = await self._database.run(load_directory)
        self._resends = await self._database.run(load_resends)
        self._lives = await self._database.run(load_lives)
        parked = await self._database.run(parked_gateways)
        for gateway in parked:
            self._blocked[gateway] = await self._database.run(partial(blocked_at, gateway=gateway))

    async def _in_turn(self, work: Coroutine[object, object, Result]) -> Result:
        # Shielded as a whole: once it is committed, memory follows, whoever stopped waiting for it.
        return await asyncio.shield(asyncio.ensure_future(self._when_free(work)))

    async def _when_free(self, work: Coroutine[object, object, Result]) -> Result:
        async with self._turn:
            return await work

    async def _accept(self, batch: Sequence[tuple[str, bytes]]) -> Result:
        since_s = self._settings.mono_s()
        arrived = await self._checker.check(batch, self._trust)
        return await self._run(partial(Judge.judge_all, batch=arrived), since_s)

    async def _run(self, work: Callable[[Judge], Result], since_s: float | None = None) -> Result:
        """`since_s`: when the work came in; an ack counts its 50 ms from there."""
        result = await self._database.run(lambda connection: work(self._judge(connection)))
        self._take_up(result, self._settings.mono_s() if since_s is None else since_s)
        return result

    def _allow(self, gateway: str) -> bool:
        return self._allowance.take(gateway, self._settings.mono_s())

    def _judge(self, connection: sqlite3.Connection) -> Judge:
        return Judge(
            connection,
            trust=self._trust,
            unsealer=self._settings.unsealer,
            book=self._book,
            gateways=self._gateways,
            blocked=self._blocked,
            open_resends=self._resends,
            lived=self._lives,
            allow=self._allow,
            now_ms=self._settings.wall_ms(),
        )

    def _take_up(self, result: Result, since_s: float) -> None:
        """COMMIT returned: memory follows."""
        for (gateway, epoch), state in result.epochs.items():
            self._book.setdefault(gateway, {})[epoch] = state
        for (gateway, epoch), life in result.lives.items():
            self._lives.setdefault(gateway, {})[epoch] = life
        self._gateways.update(result.gateways)
        self._blocked.update(result.blocked)
        for key, row in result.resends.items():
            if row is None:
                self._resends.pop(key, None)
            else:
                self._resends[key] = row
        for gateway, epoch, seq in result.touched:
            self._schedule.touch(gateway, epoch, [(seq, seq)], since_s)
        for gateway in result.asked:
            self._schedule.ask(gateway, since_s)
        self._outgoing.extend(result.outgoing)
        if result.touched or result.asked or result.outgoing:
            self._news.set()
        for raised in result.raised:
            log.warning("alarm raised", extra=describe(raised))

    def _ack(self, gateway: str) -> tuple[str, bytes]:
        touched = self._schedule.take(gateway)
        epochs, blocked = self._book.get(gateway, {}), self._blocked.get(gateway, {})
        ack = acks.build(gateway, epochs, touched, blocked, self._settings.wall_ms())
        for epoch, ranges in ack.untold.items():
            self._schedule.touch(gateway, epoch, ranges, self._settings.mono_s())
        org = gateway[3:9]  # gw-{org}-{nn}
        return topics.ack_topic(org, gateway), self._settings.ack_signer.sign_object(ack.message)
