"""One transaction after the other: what is read, judged and written, and what is remembered of it.

Memory follows the disk: it takes up what is committed, it is read anew where a connection broke in the middle,
and it knows nothing of a gateway that another worker has.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from itertools import compress
from typing import TypeVar

from gateway.evidence.keys import TrustStore
from gateway.receiver import leases, memory, topics
from gateway.receiver.checking import Checker
from gateway.receiver.database import Database
from gateway.receiver.judge import Judge, Result
from gateway.receiver.leases import LeaseLostError
from gateway.receiver.memory import Memory
from gateway.receiver.notices import NOBODY
from gateway.receiver.overheard import Overheard
from gateway.receiver.requests import Allowance
from gateway.receiver.settings import ReceiverSettings
from gateway.receiver.sql import Connection
from gateway.receiver.tenure import Tenure
from gateway.receiver.verdict import Outcome, Verdict

ResultT = TypeVar("ResultT")
NOT_MINE = Verdict(Outcome.IGNORED, "not_mine")
MOST_OVERHEARD = 256  # messages in one transaction
Told = Callable[[Result, float], None]  # what was committed, and when the work came in


class Turns:
    """The record of one receiver, or one worker's part in it."""

    def __init__(self, settings: ReceiverSettings, database: Database, told: Told) -> None:
        self.memory = Memory()
        self.tenure = Tenure(settings.worker)
        self.trust = settings.trust
        self.database = database
        self._settings = settings
        self._told = told
        self._overheard = Overheard(settings.worker)
        self._losses = 0  # of the connection, that memory knows of
        self._checker = Checker()
        self._allowance = Allowance()
        self._turn = asyncio.Lock()  # one batch at a time: each begins where the one before has committed

    async def load(self) -> None:
        """Without workers: remember everybody."""
        self.memory = await self.database.run(partial(memory.read, mine=self.is_mine))

    async def accept(self, batch: Sequence[tuple[str, bytes]]) -> list[Verdict]:
        """Judge and store what is for gateways of ours, in one transaction."""
        return (await self._in_turn(lambda: self._accept(batch))).verdicts

    async def retrust(self, trust: TrustStore) -> list[Verdict]:
        """See `Receiver.retrust`."""
        async with self._turn:
            self.trust = trust
        return await self.release()

    async def release(self) -> list[Verdict]:
        """Judge parked messages whose key is known by now."""
        verdicts: list[Verdict] = []
        while True:
            result = await self._in_turn(lambda: self._run(Judge.judge_released))
            if not result.verdicts:
                return verdicts
            verdicts += result.verdicts

    async def look_after(self) -> None:
        """Look for what is missing."""
        await self._in_turn(lambda: self._run(Judge.look_after))

    async def beat(self) -> set[str]:
        """A worker's; whom it has remembered since: their acks are due."""
        return await self._in_turn(self._beat)

    async def give_back(self) -> None:
        """A worker's."""
        await self._in_turn(self._give_back)

    async def close(self) -> None:
        """Finish the batch that runs and close the record."""
        async with self._turn:
            self._checker.close()
            await self.database.close()

    def is_mine(self, gateway: str) -> bool:
        """Whether no other worker has it, as far as we know."""
        return self.tenure.has(self.tenure.key(gateway, self.trust))

    def allow(self, gateway: str) -> bool:
        """Whether one more request of it is answered."""
        return self._allowance.take(gateway, self._settings.mono_s())

    async def _in_turn(self, work: Callable[[], Coroutine[object, object, ResultT]]) -> ResultT:
        # Shielded as a whole: once it is committed, memory follows, whoever stopped waiting for it.
        return await asyncio.shield(asyncio.ensure_future(self._when_free(work)))

    async def _when_free(self, work: Callable[[], Coroutine[object, object, ResultT]]) -> ResultT:
        async with self._turn:
            if self._losses != self.database.losses:
                await self._catch_up()
            return await work()

    async def _catch_up(self) -> None:
        """The connection was lost: what was said to be refused may be stored, so memory is read anew."""
        losses = self.database.losses
        if self._settings.worker is None:
            await self.load()
        else:
            self.tenure.end()
            self.memory = Memory()
        self._losses = losses

    async def _accept(self, batch: Sequence[tuple[str, bytes]]) -> Result:
        since_s = self._settings.mono_s()
        owners = [self.tenure.key(topics.gateway_of(text), self.trust) for text, _ in batch]
        while True:
            mine = [self.tenure.has(owner) for owner in owners]
            some = [message for message, is_mine in zip(batch, mine, strict=True) if is_mine]
            arrived = await self._checker.check(some, self.trust)
            try:
                result = await self._run(
                    partial(Judge.judge_all, batch=arrived), {*compress(owners, mine)}, since_s
                )
            except LeaseLostError:
                continue  # without them
            for owner, is_mine, message in zip(owners, mine, batch, strict=True):
                if not is_mine and "/evt/" in message[0]:
                    self._overheard.keep(owner, *message, since_s)
            verdicts = iter(result.verdicts)
            return replace(result, verdicts=[next(verdicts) if is_mine else NOT_MINE for is_mine in mine])

    async def _run(
        self,
        work: Callable[[Judge], Result],
        owners: frozenset[str] | set[str] | None = None,
        since_s: float | None = None,
    ) -> Result:
        """One transaction. `owners`: whom it writes for, None for all; `since_s`: an ack counts its 50 ms from there.

        Raises `LeaseLostError` where another worker has one of them by now, who is forgotten here.
        """
        worker, theirs = self._settings.worker, owners if owners is not None else self.tenure.gateways

        def transaction(connection: Connection) -> Result:
            if worker is not None:
                leases.check(connection, worker, theirs or ())
            return work(self._judge(connection))

        try:
            result = await self.database.run(transaction)
        except LeaseLostError as exc:
            self.tenure.lose(exc.gateways)
            self.memory.keep(self.is_mine)
            if owners is None:
                return Result()  # at the next look
            raise
        self.memory.take_up(result)
        self._told(result, self._settings.mono_s() if since_s is None else since_s)
        return result

    async def _beat(self) -> set[str]:
        worker, before = self._settings.worker, self.tenure.gateways or frozenset()
        if worker is None:
            return set()
        since_s = self._settings.mono_s()
        wanted = {NOBODY, *(str(key.gateway) for key in self.trust.of_gateway(None))}

        def transaction(connection: Connection) -> tuple[set[str], Memory]:
            now_ms = self.database.now_ms(connection, self._settings.wall_ms)
            has = leases.beat(connection, worker, wanted, now_ms, joins=self.tenure.joins)
            fresh = has - before
            if not fresh:
                return has, Memory()
            return has, memory.read(connection, lambda name: self.tenure.key(name, self.trust) in fresh)

        has, known = await self.database.run(transaction)
        self.tenure.renew(has, since_s)
        self.memory.keep(self.is_mine)
        self.memory.add(known)
        heard = self._overheard.take(has - before, since_s)
        for some in range(0, len(heard), MOST_OVERHEARD):
            await self._accept(heard[some : some + MOST_OVERHEARD])
        return known.heard_of()

    async def _give_back(self) -> None:
        worker = self._settings.worker
        self.tenure.end()
        self.memory = Memory()
        if worker is not None:
            await self.database.run(partial(leases.give_back, worker=worker))

    def _judge(self, connection: Connection) -> Judge:
        return Judge(
            connection,
            trust=self.trust,
            unsealer=self._settings.unsealer,
            book=self.memory.book,
            gateways=self.memory.gateways,
            blocked=self.memory.blocked,
            open_resends=self.memory.resends,
            lived=self.memory.lives,
            allow=self.allow,
            mine=self.is_mine,
            now_ms=self._settings.wall_ms(),
        )
