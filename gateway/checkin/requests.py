"""What programs ask of a kiosk: the same as people do, answered when it is on disk, and harmless to repeat."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from drivers.events import CardRead, DeviceEvent
from drivers.factors import Factor, Identified
from gateway.checkin.answered import Answer, Answered, Key, Reader, TooMany
from gateway.checkin.facts import Action
from gateway.checkin.kiosk import Kiosk
from gateway.checkin.purposes import Purpose
from gateway.checkin.session import Card, Session
from gateway.clock import Stamp
from gateway.errors import ContractError
from gateway.ingest.facts import Fact

BURST, PER_S = 30, 1.0  # requests that change something; a kiosk makes some three in a check-in

Said = Callable[[Session, float], Sequence[Action]]


class Ingests(Reader, Protocol):
    """What turns the word of a terminal into a fact."""

    def said(self, device: str, event: DeviceEvent) -> Fact:
        """Hashed and sealed, with its id; raises `ContractError`."""
        ...


class Requests:
    """The requests of one kiosk."""

    def __init__(self, kiosk: Kiosk, ingest: Ingests, stamp: Callable[[], Stamp]) -> None:
        self.kiosk = kiosk
        self._answered = Answered(kiosk.id, ingest, stamp)
        self._ingest = ingest
        self._stamp = stamp
        self._tokens, self._filled_ms = float(BURST), 0
        self._running: set[asyncio.Task[Answer]] = set()

    def key(self, key: str, body: bytes) -> Key:
        """By what a repeat is known."""
        return self._answered.key(key, body)

    async def touch(self, key: Key, purpose: Purpose) -> Answer:
        """A purpose was chosen."""
        return await self._ask(key, lambda session, now_s: session.touch(purpose, now_s))

    async def cancel(self, key: Key) -> Answer:
        """The person does not go on."""
        return await self._ask(key, lambda session, _now_s: session.leave())

    async def card(self, key: Key, read: CardRead) -> Answer:
        """A terminal has read a card. Only its keyed hash stays here; the rest is sealed to the center."""
        self._only_terminals()
        fact = self._ingest.said(self.kiosk.id, read)
        fact.data["reported_by"] = self.kiosk.id
        card = Card(str(fact.data["number_hmac"]), fact.id or "")
        return await self._ask(key, lambda session, now_s: session.card(card, now_s), fact)

    async def factor(self, key: Key, session: str, factor: Factor, result: Identified) -> Answer:
        """A terminal has compared a finger or a face for this session."""
        self._only_terminals()
        reporter = self.kiosk.id
        return await self._ask(
            key, lambda running, _now_s: running.factor(session, factor, result, reported_by=reporter)
        )

    def _only_terminals(self) -> None:
        if not self.kiosk.terminal:
            raise ContractError(
                "not_a_terminal",
                "this kiosk may not report cards, fingers or faces; they come from the devices bound to it. "
                "For a terminal with its own: [[kiosk]] terminal = true",
            )

    async def _ask(self, key: Key, said: Said, *before: Fact) -> Answer:
        """To its end, also when whoever asked goes away: what is on disk must be remembered."""
        asking = asyncio.get_running_loop().create_task(
            self._carry_out(key, said, *before), name=f"request-{self.kiosk.id}"
        )
        self._running.add(asking)
        asking.add_done_callback(self._ended)
        return await asyncio.shield(asking)

    def _ended(self, asking: asyncio.Task[Answer]) -> None:
        self._running.discard(asking)
        if not asking.cancelled():
            asking.exception()  # told to whoever asked; nobody may be there any more

    async def _carry_out(self, key: Key, said: Said, *before: Fact) -> Answer:
        known = await self._answered.begin(key)
        if known is not None:
            return known
        answers: list[Answer] = []

        def remember(session: str | None, changed: bool) -> dict[str, str | None]:  # noqa: FBT001 - `Remember`
            answers.append(Answer(session, changed))
            return self._answered.noted(key, answers[0])

        committed = False
        try:
            self._pay()
            if self.kiosk.view.lent:
                raise ContractError(
                    "enrolling", "somebody is being enrolled at this kiosk; ask again when it is over"
                )
            committed = await self.kiosk.carry_out(said, remember, *before)
            if not committed:
                raise TooMany("too_many", "this kiosk has too much to do; ask again in a moment")
        finally:
            self._answered.end(key, answers[0] if committed else None)
        return answers[0]

    def _pay(self) -> None:
        now_ms = self._stamp().mono_ms
        self._tokens = min(float(BURST), self._tokens + (now_ms - self._filled_ms) / 1000 * PER_S)
        self._filled_ms = now_ms
        if self._tokens < 1:
            raise TooMany("too_many", "more requests than a kiosk makes; ask again in a second")
        self._tokens -= 1
