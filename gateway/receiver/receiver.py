"""The library: hand in what arrives, get a verdict after COMMIT, hand out the acks that are due.

    receiver = await Receiver.open(settings)
    verdict = await receiver.accept(topic, payload)      # then PUBACK, and act on verdict.event
    for topic, payload in receiver.acks_due():           # publish retained, QoS 1
        ...
    await receiver.close()

Any transport will do. Whoever acts on events acts on outcome `accepted` with `repeated` false: at
least once, ordered by sequence per gateway, free of duplicates and gaps at the consumer.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.evidence.jws import Signer
from gateway.evidence.keys import TrustStore
from gateway.receiver import acks, topics
from gateway.receiver.acks import AckSchedule
from gateway.receiver.checking import Checker
from gateway.receiver.database import Database, path_of
from gateway.receiver.directory import GatewayState, load_directory
from gateway.receiver.judge import Judge, Result, describe
from gateway.receiver.ledger import EpochState, load_book
from gateway.receiver.unseal import Unsealer
from gateway.receiver.verdict import Verdict
from gateway.receiver.waiting_room import blocked_at, parked_gateways

log = logging.getLogger(__name__)


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
        """Believe these keys from now on; the verdicts on parked messages whose key has become known."""
        self._trust = trust
        verdicts: list[Verdict] = []
        while True:
            result = await self._in_turn(self._run(Judge.judge_released))
            if not result.verdicts:
                return verdicts
            verdicts += result.verdicts

    def acks_due(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of the acks to publish now, retained, QoS 1."""
        return [self._ack(gateway) for gateway in self._schedule.due(self._settings.mono_s())]

    def acks_pending(self) -> list[tuple[str, bytes]]:
        """The same without waiting for the time to come: before an orderly end."""
        return [self._ack(gateway) for gateway in self._schedule.all()]

    def next_ack_in_s(self) -> float | None:
        """How long until `acks_due` has something by time alone; None while nobody waits."""
        due_s = self._schedule.next_due_s()
        return None if due_s is None else max(0.0, due_s - self._settings.mono_s())

    def ack_everybody(self) -> None:
        """Make every gateway's ack due: after a start, and for a broker that forgot what it retained."""
        for gateway in {*self._book, *self._blocked}:
            self._schedule.ask(gateway, self._settings.mono_s())

    def ack_again(self, gateway: str) -> None:
        """An ack did not reach the broker."""
        self._schedule.ask(gateway, self._settings.mono_s())

    async def close(self) -> None:
        """Finish the batch that runs and close the file."""
        async with self._turn:
            self._checker.close()
            await self._database.close()

    async def _load(self) -> None:
        self._book = await self._database.run(load_book)
        self._gateways = await self._database.run(load_directory)
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
        arrived = await self._checker.check(batch, self._trust)
        return await self._run(partial(Judge.judge_all, batch=arrived))

    async def _run(self, work: Callable[[Judge], Result]) -> Result:
        result = await self._database.run(lambda connection: work(self._judge(connection)))
        self._take_up(result)
        return result

    def _judge(self, connection: sqlite3.Connection) -> Judge:
        return Judge(
            connection,
            trust=self._trust,
            unsealer=self._settings.unsealer,
            book=self._book,
            gateways=self._gateways,
            blocked=self._blocked,
            now_ms=self._settings.wall_ms(),
        )

    def _take_up(self, result: Result) -> None:
        """COMMIT returned: memory follows."""
        now_s = self._settings.mono_s()
        for (gateway, epoch), state in result.epochs.items():
            self._book.setdefault(gateway, {})[epoch] = state
        self._gateways.update(result.gateways)
        self._blocked.update(result.blocked)
        for gateway, epoch, seq in result.touched:
            self._schedule.touch(gateway, epoch, [(seq, seq)], now_s)
        for gateway in result.asked:
            self._schedule.ask(gateway, now_s)
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
