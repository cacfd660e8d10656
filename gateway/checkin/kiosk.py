"""A kiosk at work: what devices and people say goes through its session, what the session wants is done.

Inputs wait in one queue and are taken one at a time, so that a card laid while the disk is busy comes after
what was being stored. Devices are asked beside it; what they answer is one more input. What one input wants
stored is stored in one transaction, together with the answer to the program that gave it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from drivers.factors import Factor, FactorDevice, Identified, Step
from gateway.checkin.asking import NOBODY_TRIED, Asking
from gateway.checkin.ended import Endings
from gateway.checkin.facts import (
    Action,
    AskFactor,
    Clear,
    Directory,
    Outcome,
    Reason,
    Show,
    Shown,
    StopAsking,
    Store,
)
from gateway.checkin.purposes import Purpose
from gateway.checkin.record import OPEN, Record, Recorder
from gateway.checkin.screen import BEAT_S, KioskView, Screen
from gateway.checkin.session import SHOWN_S, Card, NewId, Session, Stage
from gateway.clock import Stamp
from gateway.errors import StoreRefused
from gateway.ingest.facts import Fact

__all__ = ["MOST_WAITING", "NOBODY_TRIED", "OPEN", "Kiosk", "KioskView", "Recorder"]

log = logging.getLogger(__name__)

TICK_S = 0.25  # how often patience is looked at
SLOW_S = 0.15  # a disk that takes longer is shown at work; before that the screen would only flicker
MOST_WAITING = 64  # inputs; beyond that people tap faster than anything can be stored
CUT_OFF_S = 60.0  # so long a kiosk that has just started says that somebody was cut off

Taken: TypeAlias = Callable[[float], Sequence[Action]]
Remember: TypeAlias = Callable[[str | None, bool], Mapping[str, str | None]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """An input whose sender waits for the disk."""

    before: Sequence[Fact]  # what was said, stored ahead of what follows of it
    remember: Remember  # the notes that go with it, of the session and whether anything changed
    done: asyncio.Future[None]


class Kiosk:
    """One kiosk and the devices bound to it."""

    def __init__(
        self,
        kiosk: str,
        *,
        directory: Directory,
        recorder: Recorder,
        devices: Mapping[str, FactorDevice],
        new_id: NewId,
        changed: Callable[[], None],
        stamp: Callable[[], Stamp],
        only: Purpose | None = None,
        terminal: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`devices`: those that can be asked, by id; `stamp`: when it is; `clock`: seconds that nobody can set.

        `terminal`: another maker's machine, which finds out itself whose finger or face it is.
        """
        self.id = kiosk
        self.only = only
        self.terminal = terminal
        self._record = Record(kiosk, recorder, new_id, stamp)
        self._changed = changed
        self._stamp = stamp
        self._clock = clock
        self._session = Session(kiosk, directory, new_id, only=only)
        self._inputs: asyncio.Queue[tuple[Taken, _Asked | None]] = asyncio.Queue(MOST_WAITING)
        self._asking = Asking(
            kiosk,
            devices,
            answered=self._answered,
            guide=self._guide,
            away=lambda: self._say("away", SHOWN_S),
        )
        self._wanted = frozenset[Factor]()  # of a terminal
        self._taker: Callable[[str, str], None] | None = None  # whoever takes the cards now
        self._screen = Screen()
        self._hint: tuple[str, float] | None = None  # and until when
        self._step: Step | None = None
        self._shown: Shown | None = None

    @property
    def endings(self) -> Endings:
        """How the last sessions ended."""
        return self._record.endings

    @property
    def view(self) -> KioskView:
        """What is shown now."""
        return self._screen.view

    def changes(self, beat_s: float = BEAT_S) -> AsyncIterator[KioskView]:
        """The view at once, then after each change, and again after `beat_s` without one."""
        return self._screen.changes(beat_s)

    def left_s(self, view: KioskView) -> float | None:
        """How long patience lasts; None: nothing is waited for."""
        return None if view.due_s is None else max(0.0, view.due_s - self._clock())

    # -- what happens at the kiosk; never waits -------------------------------------------------------

    def card(self, number_hmac: str, event_id: str) -> bool:
        """A card was read, and that is on disk. False: too much waits already."""
        if self._taker is not None:
            self._taker(number_hmac, event_id)
            return True
        return self._take(lambda now_s: self._session.card(Card(number_hmac, event_id), now_s))

    def unread(self, reason: str) -> bool:
        """A card was laid and could not be read."""

        def tell(_now_s: float) -> Sequence[Action]:
            self._say(reason, SHOWN_S)
            return []

        return self._take(tell)

    def touch(self, purpose: Purpose) -> bool:
        """A purpose was chosen on the screen."""
        return self._taker is None and self._take(lambda now_s: self._session.touch(purpose, now_s))

    def staff_word(self, session: str, staff: str, reason: str) -> bool:
        """A member of staff, signed in elsewhere, vouches for the person of the session that they saw."""
        return self._take(lambda _now_s: self._session.staff_word(session, staff, reason))

    def leave(self) -> bool:
        """Cancel was pressed."""
        return self._take(lambda _now_s: self._session.leave())

    def lend(self, taker: Callable[[str, str], None]) -> bool:
        """Hand the cards, and the events that tell of them, to somebody else until `give_back`; False while somebody
        checks in here."""
        idle = self._session.stage in (Stage.IDLE, Stage.SHOWN) and self._inputs.empty()
        if not idle or self._taker is not None:
            return False
        self._taker = taker
        self._look()
        return True

    def give_back(self) -> None:
        """People check in here again."""
        self._taker = None
        self._look()

    def _take(self, taken: Taken, asked: _Asked | None = None) -> bool:
        try:
            self._inputs.put_nowait((taken, asked))
        except asyncio.QueueFull:
            log.warning("kiosk input dropped", extra={"kiosk": self.id, "waiting": MOST_WAITING})
            return False
        return True

    # -- what programs say, who wait for the disk -----------------------------------------------------

    async def carry_out(
        self, said: Callable[[Session, float], Sequence[Action]], remember: Remember, *before: Fact
    ) -> bool:
        """Take an input and return when everything that came of it is on disk; False: too much waits already,
        or somebody is being enrolled here.

        Raises `StoreRefused`: nothing was stored, and nothing is remembered of it.
        """
        done = asyncio.get_running_loop().create_future()
        if self._taker is not None or not self._take(
            lambda now_s: said(self._session, now_s), _Asked(before, remember, done)
        ):
            return False
        await done
        return True

    # -- at work --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve for ever. What the last run left, an ending or none, is told first."""
        try:
            if await self._record.end_cut_off():
                self._say(Reason.CUT_OFF, CUT_OFF_S)
            await self._recall()
            self._look()
            while True:
                try:
                    async with asyncio.timeout(TICK_S):
                        taken, asked = await self._inputs.get()
                except TimeoutError:
                    pass
                else:
                    self._hint = None
                    await self._take_in(taken, asked)
                await self._do(self._session.tick(self._clock()))
                if self._record.owes_endings and self._session.stage in (Stage.IDLE, Stage.SHOWN):
                    await self._record.end_cut_off()
                if self._hint is not None and self._clock() >= self._hint[1]:
                    self._hint = None
                self._look()
        finally:
            self._asking.end()

    async def close(self) -> None:
        """After `run` has ended: what was begun is recorded as abandoned."""
        await self._do(self._session.leave(Reason.STOPPED))

    async def _take_in(self, taken: Taken, asked: _Asked | None) -> None:
        session = self._session
        before = (session.id, session.stage, session.purpose)
        actions = taken(self._clock())
        if asked is None:
            await self._do(actions)
            return
        changed = bool(actions) or before != (session.id, session.stage, session.purpose)
        about = session.id if changed or session.stage is not Stage.IDLE else None
        before_it = (
            asked.before if changed else ()
        )  # a card that lies there is no new event each time it is told
        refusal = await self._do(actions, before_it, asked.remember(about or None, changed))
        if asked.done.done():
            return  # whoever asked went away; the answer is on disk
        if refusal is None:
            asked.done.set_result(None)
        else:
            asked.done.set_exception(refusal)

    async def _do(
        self,
        actions: Sequence[Action],
        facts: Sequence[Fact] = (),
        notes: Mapping[str, str | None] | None = None,
    ) -> StoreRefused | None:
        """Carry out; what is to be stored goes to the disk together, `facts` first."""
        stores: list[Store] = []
        for action in actions:
            match action:
                case Store():
                    stores.append(action)
                case AskFactor(session, factors):
                    self._wanted = factors if self.terminal else frozenset()
                    self._asking.ask(session, factors)
                case StopAsking():
                    self._wanted = frozenset()
                    self._asking.stop()
                case Show(shown):
                    self._shown, self._step = shown, None
                    self._look()
                    self._light(shown)
                case Clear():
                    self._shown = self._step = None
        return await self._store(stores, facts, notes or {}) if stores or facts or notes else None

    async def _store(
        self, stores: Sequence[Store], facts: Sequence[Fact], notes: Mapping[str, str | None]
    ) -> StoreRefused | None:
        slow = asyncio.get_running_loop().call_later(SLOW_S, self._look)
        try:
            await self._record.keep(stores, facts, notes)
        except StoreRefused as exc:
            for store in stores:
                await self._do(self._session.refused(store.session, exc.code, self._clock()))
            return exc
        finally:
            slow.cancel()
        for store in stores:
            await self._do(self._session.stored(store.session, self._clock()))
        return None

    async def _recall(self) -> None:
        """An ending that was on disk when the process died counts, and whoever waits for it is told so."""
        ended = await self._record.last()
        shown = None if ended is None else ended.shown_again(self._stamp())
        if ended is not None and shown is not None:
            await self._do(self._session.recall(ended.session, ended.purpose, shown, self._clock()))

    # -- what is seen ---------------------------------------------------------------------------------

    def _look(self) -> None:
        session = self._session
        person = session.person
        running = None if session.stage in (Stage.IDLE, Stage.SHOWN) else session.id or None
        tried = session.tried if session.stage is Stage.PROVING else None
        view = KioskView(
            stage=session.stage,
            session=running,
            purpose=session.purpose,
            name=None if person is None or person.protected else person.name,
            wanted=self._asking.factors | self._wanted,
            step=self._step,
            hint=tried if self._hint is None else self._hint[0],
            shown=self._shown,
            due_s=session.due_s,
            tries_left=session.tries_left,
            lent=self._taker is not None,
        )
        if self._screen.show(view):
            self._changed()

    @property
    def shown_session(self) -> str | None:
        """The session whose ending is on the screen now; None: none is."""
        return self._session.id if self._session.stage is Stage.SHOWN else None

    def _say(self, hint: str, for_s: float) -> None:
        self._hint = (hint, self._clock() + for_s)

    def _guide(self, step: Step) -> None:
        self._step = step
        self._look()

    async def _answered(self, session: str, factor: Factor, result: Identified) -> None:
        await self._inputs.put((lambda _now_s: self._session.factor(session, factor, result), None))

    def _light(self, shown: Shown) -> None:
        if shown.recalled_ms is None and shown.outcome in {
            Outcome.COMPLETED,
            Outcome.REJECTED,
            Outcome.NOT_STORED,
        }:
            self._asking.light(accepted=shown.outcome is Outcome.COMPLETED)
