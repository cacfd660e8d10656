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

One of several workers on one database (`settings.worker`) also calls `beat` every `beat_s`, before anything else
and for as long as it hears its gateways, and `give_back` when it does not.

Any transport will do. Verdicts come in order of arrival, and a crash after COMMIT swallows them: whoever
acts on events reads them from the record, with a cursor of its own (`consuming`). So it gets every
accepted event at least once, and by `events_in_sequence` in the order of the gateway's sequence.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role, TrustStore
from gateway.receiver import acks, requests, topics
from gateway.receiver.acks import AckSchedule
from gateway.receiver.consuming import MOST_AT_ONCE, Accepted, by_arrival, in_sequence
from gateway.receiver.database import Database
from gateway.receiver.judge import Result
from gateway.receiver.notices import describe
from gateway.receiver.roster_parts import read_part
from gateway.receiver.settings import ReceiverSettings
from gateway.receiver.turns import Turns
from gateway.receiver.verdict import Verdict

__all__ = ["Receiver", "ReceiverSettings"]

log = logging.getLogger(__name__)

MAX_OUTGOING = 4096  # answers and commands; beyond, the oldest ones are dropped: they are asked for again
BEATS = 3  # of a worker in the time of a lease
SILENT_S = 0.2  # a worker whose lease may be over looks again whether it may speak


class Receiver:
    """One center's record of its gateways, or one worker's part in it. Build with `open`."""

    def __init__(self, settings: ReceiverSettings, database: Database) -> None:
        self._settings = settings
        self._turns = Turns(settings, database, self._take_up)
        self._schedule = AckSchedule()
        self._outgoing: deque[tuple[str, str, dict[str, Json]]] = deque(maxlen=MAX_OUTGOING)
        self._news = asyncio.Event()

    @classmethod
    async def open(cls, settings: ReceiverSettings) -> "Receiver":
        """Open or make the database. Raises `ConfigError`, `StartError`, `StoreRefused`.

        Every gateway's ack is due: nobody knows which of them went out before the last end. A worker has no
        gateway before its first `beat`.
        """
        shared = settings.worker is not None
        database = await Database.open(settings.database, settings.wall_ms(), shared=shared)
        receiver = cls(settings, database)
        if not shared:
            await receiver._turns.load()
            await receiver.retrust(settings.trust)
            receiver.ack_everybody()
        return receiver

    async def accept(self, topic: str, payload: bytes) -> Verdict:
        """Judge and store one message; returns after COMMIT. Raises `StoreRefused`: not stored, keep it."""
        return (await self.accept_many([(topic, payload)]))[0]

    async def accept_many(self, batch: Sequence[tuple[str, bytes]]) -> list[Verdict]:
        """The same for several messages, in one transaction. What another worker has is `IGNORED`, not_mine."""
        return await self._turns.accept(batch)

    async def retrust(self, trust: TrustStore) -> list[Verdict]:
        """Believe these keys from now on; the verdicts on parked messages whose key has become known.

        A batch that is being checked is judged by the keys it began with.
        """
        return await self._turns.retrust(trust)

    async def look_after(self) -> list[Verdict]:
        """Compare what gateways say with what is here; asks for what is missing (see `resends`).

        The verdicts on messages that were parked while another worker had their gateway.
        """
        await self._turns.look_after()
        return [] if self._settings.worker is None else await self._turns.release()

    async def beat(self) -> None:
        """A worker, every third of its lease: say that it lives, take gateways, give some back (see `leases`).

        Raises `StoreRefused`, and `StartError` where another process works under its name.
        """
        if self._settings.worker is not None:
            self._ask(await self._turns.beat())

    async def give_back(self) -> None:
        """A worker that ends, or hears nothing: others may have its gateways at once. Raises `StoreRefused`."""
        if self._settings.worker is not None:
            await self._turns.give_back()

    @property
    def beat_s(self) -> float | None:
        """How often a worker beats; None where there are no workers."""
        worker = self._settings.worker
        return None if worker is None else worker.lease_s / BEATS

    @property
    def gateways(self) -> frozenset[str] | None:
        """What this worker has, `?` for all that no key is known of; None without workers: everybody."""
        return self._turns.tenure.gateways

    async def events_after(self, n: int, limit: int = MOST_AT_ONCE) -> list[Accepted]:
        """Accepted events in order of commit, after the `n` that the consumer has dealt with."""
        return await self._turns.database.run(partial(by_arrival, n=n, limit=limit))

    async def events_in_sequence(
        self, gateway: str, epoch: str, after: int, limit: int = MOST_AT_ONCE
    ) -> list[Accepted]:
        """Accepted events of one epoch in order of sequence, no further than everything before them is here."""
        return await self._turns.database.run(
            partial(in_sequence, gateway=gateway, epoch=epoch, seq=after, limit=limit)
        )

    def answer_at_once(self, topic: str, payload: bytes) -> tuple[str, bytes] | None:
        """The answer to `req/time` and `req/roster-part`, for a transport that looks at messages first.

        None for anything else, and for what is not to be answered: hand that in, it is judged and counted.
        """
        asked = topics.parse(topic)
        if asked is None or asked.channel != "req" or not self._speaks_to(asked.gateway):
            return None
        if not self._turns.trust.of_gateway(asked.gateway):
            return None
        try:
            answer = self._answer(asked, payload)
        except ContractError as exc:
            if asked.name == "roster-part":  # its text names places and versions, nobody
                facts = {"gateway": asked.gateway, "code": exc.code, "cause": str(exc)}
                log.warning("roster not given", extra=facts)
            return None
        except OSError as exc:
            log.warning("roster not read", extra={"gateway": asked.gateway, "cause": exc.strerror})
            return None
        if answer is None:
            return None
        return asked.sibling(f"res/{asked.name}"), self._settings.ack_signer.sign_object(answer)

    def _answer(self, asked: topics.Topic, payload: bytes) -> dict[str, Json] | None:
        """What needs no database; raises `ContractError` and `OSError`."""
        now_ms, rosters = self._settings.wall_ms(), self._settings.rosters
        if asked.name == "time" and self._turns.allow(asked.gateway):
            return requests.time_answer(asked.gateway, requests.read_time(payload), now_ms)
        if asked.name == "roster-part" and rosters is not None:  # signed: nobody else can make us work
            find_key = self._turns.trust.find(Role.GATEWAY, gateway=asked.gateway)
            return rosters.answer(asked.gateway, read_part(payload, asked.gateway, find_key), now_ms)
        return None

    def messages_due(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of answers and commands to publish now, not retained, QoS 1."""
        due = [
            (topics.of_gateway(gateway, rest), self._settings.ack_signer.sign_object(content))
            for gateway, rest, content in self._outgoing
            if self._speaks_to(gateway)
        ]
        self._outgoing.clear()
        return due

    async def until_due(self) -> None:
        """Return when it is worth asking for `acks_due` and `messages_due` again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.next_ack_in_s()):
                await self._news.wait()
        self._news.clear()

    def acks_due(self, most: int | None = None) -> list[tuple[str, bytes]]:
        """(topic, payload) of the acks to publish now, retained, QoS 1; at most so many, who waits longest first."""
        return self._acks(self._schedule.due(self._settings.mono_s())[:most])

    def acks_pending(self) -> list[tuple[str, bytes]]:
        """The same without waiting for the time to come: before an orderly end."""
        return self._acks(self._schedule.all())

    def next_ack_in_s(self) -> float | None:
        """How long until `acks_due` has something by time alone; None while nobody waits."""
        now_s = self._settings.mono_s()
        due_s = self._schedule.next_due_s(now_s)
        least_s = 0.0 if self._turns.tenure.stands(now_s) else SILENT_S
        return None if due_s is None else max(least_s, due_s - now_s)

    def ack_everybody(self) -> None:
        """Make every gateway's ack due: after a start, and for a broker that forgot what it retained."""
        self._ask(self._turns.memory.heard_of())

    def ack_again(self, gateway: str) -> None:
        """An ack did not reach the broker."""
        self._ask([gateway])

    async def close(self) -> None:
        """Finish the batch that runs and close the record."""
        await self._turns.close()

    def _take_up(self, result: Result, since_s: float) -> None:
        """COMMIT returned: say what is to be said."""
        for gateway, epoch, seq in result.touched:
            self._schedule.touch(gateway, epoch, [(seq, seq)], since_s)
        for gateway in result.asked:
            self._schedule.ask(gateway, since_s)
        self._outgoing.extend(result.outgoing)
        if result.touched or result.asked or result.outgoing:
            self._news.set()
        for raised in result.raised:
            log.warning("alarm raised", extra=describe(raised))

    def _ask(self, gateways: Iterable[str]) -> None:
        for gateway in gateways:
            self._schedule.ask(gateway, self._settings.mono_s())
        self._news.set()

    def _speaks_to(self, gateway: str) -> bool:
        """A worker whose lease may be over says nothing, even where it has not heard so yet."""
        return self._turns.is_mine(gateway) and self._turns.tenure.stands(self._settings.mono_s())

    def _acks(self, gateways: Sequence[str]) -> list[tuple[str, bytes]]:
        made = []
        for gateway in gateways:
            if self._speaks_to(gateway):
                made.append(self._ack(gateway))
            elif not self._turns.is_mine(gateway):
                self._schedule.drop(gateway)
        return made

    def _ack(self, gateway: str) -> tuple[str, bytes]:
        touched = self._schedule.take(gateway)
        known = self._turns.memory
        epochs, blocked = known.book.get(gateway, {}), known.blocked.get(gateway, {})
        ack = acks.build(gateway, epochs, touched, blocked, self._settings.wall_ms())
        for epoch, ranges in ack.untold.items():
            self._schedule.touch(gateway, epoch, ranges, self._settings.mono_s())
        org = gateway[3:9]  # gw-{org}-{nn}
        return topics.ack_topic(org, gateway), self._settings.ack_signer.sign_object(ack.message)
