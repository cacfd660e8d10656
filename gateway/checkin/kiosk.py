"""A kiosk at work: what devices and people say goes through its session, what the session wants is done.

Inputs wait in one queue and are taken one at a time, so that a card laid while the disk is busy comes after
what was being stored. Devices are asked beside it; what they answer is one more input.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drivers.errors import DriverError
from drivers.factors import Factor, FactorDevice, Identified, NotMatched, Step
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
from gateway.checkin.session import STEP_S, Card, NewId, Session, Stage
from gateway.errors import StoreRefused
from gateway.ingest.facts import Fact

log = logging.getLogger(__name__)

TICK_S = 0.25  # how often patience is looked at
MOST_WAITING = 64  # inputs; beyond that people tap faster than anything can be stored
OPEN = "session:"  # notes: sessions that were opened and have not ended, by kiosk and session
NOBODY_TRIED = frozenset({"nothing_presented", "cancelled"})
LOOK_AGAIN_S = 2.0  # a device that was away is asked again while its answer is wanted


class Recorder(Protocol):
    """Where facts go."""

    async def store(
        self, facts: Sequence[Fact], device: str, *, note: tuple[str, str | None] | None = None
    ) -> object:
        """Commit them together, the note too (None forgets it); raises `StoreRefused`."""
        ...

    async def notes(self, prefix: str) -> Mapping[str, str]:
        """What was noted, by the rest of its key; raises `StoreRefused`."""
        ...


@dataclass(frozen=True, slots=True)
class KioskView:
    """What the kiosk's page shows now. Nothing of a session that is over."""

    stage: Stage = Stage.IDLE
    session: str | None = None  # what staff vouch for names it
    purpose: Purpose | None = None
    name: str | None = field(default=None, repr=False)  # masked; None for a protected person
    wanted: frozenset[Factor] = frozenset()  # second factors that a device is being asked for
    step: Step | None = None  # what the device asks of the person
    hint: str | None = None  # code: why the last card or finger was not taken
    shown: Shown | None = None
    lent: bool = False  # somebody is being enrolled here: no check-in now


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
        only: Purpose | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`devices`: those that can be asked, by id; `clock`: seconds that nobody can set."""
        self.id = kiosk
        self.view = KioskView()
        self._recorder = recorder
        self._devices = devices
        self._changed = changed
        self._clock = clock
        self._session = Session(kiosk, directory, new_id, only=only)
        self._inputs: asyncio.Queue[Callable[[float], Sequence[Action]]] = asyncio.Queue(MOST_WAITING)
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._lights: set[asyncio.Task[None]] = set()
        self._open_notes = f"{OPEN}{kiosk}:"
        self._owes_endings = True
        self._taker: Callable[[str], None] | None = None  # whoever takes the cards now
        self._hint: str | None = None
        self._step: Step | None = None
        self._shown: Shown | None = None

    # -- what happens at the kiosk; never waits -------------------------------------------------------

    def card(self, number_hmac: str, event_id: str) -> bool:
        """A card was read, and that is on disk. False: too much waits already."""
        if self._taker is not None:
            self._taker(number_hmac)
            return True
        return self._take(lambda now_s: self._session.card(Card(number_hmac, event_id), now_s))

    def unread(self, reason: str) -> bool:
        """A card was laid and could not be read."""

        def tell(_now_s: float) -> Sequence[Action]:
            self._hint = reason
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

    def lend(self, taker: Callable[[str], None]) -> bool:
        """Hand the cards to somebody else until `give_back`; False while somebody checks in here."""
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

    def _take(self, taken: Callable[[float], Sequence[Action]]) -> bool:
        try:
            self._inputs.put_nowait(taken)
        except asyncio.QueueFull:
            log.warning("kiosk input dropped", extra={"kiosk": self.id, "waiting": MOST_WAITING})
            return False
        return True

    # -- at work --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve for ever. A session that was cut off with the last run is ended first."""
        try:
            if await self._end_cut_off():
                self._hint = Reason.CUT_OFF
                self._look()
            while True:
                try:
                    async with asyncio.timeout(TICK_S):
                        taken = await self._inputs.get()
                except TimeoutError:
                    pass
                else:
                    self._hint = None
                    await self._do(taken(self._clock()))
                await self._do(self._session.tick(self._clock()))
                if self._owes_endings and self._session.stage in (Stage.IDLE, Stage.SHOWN):
                    await self._end_cut_off()
                self._look()
        finally:
            self._stop_asking()
            for light in self._lights:
                light.cancel()

    async def close(self) -> None:
        """After `run` has ended: what was begun is recorded as abandoned."""
        await self._do(self._session.leave(Reason.STOPPED))

    async def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Store(session, facts, goes_on):
                    await self._do(await self._store(session, facts, goes_on=goes_on))
                case AskFactor(session, factors):
                    self._ask(session, factors)
                case StopAsking():
                    self._stop_asking()
                case Show(shown):
                    self._shown, self._step = shown, None
                    self._look()
                    self._light(shown)
                case Clear():
                    self._shown = self._step = None

    async def _store(self, session: str, facts: Sequence[Fact], *, goes_on: bool) -> Sequence[Action]:
        note = None
        if goes_on:
            note = json.dumps({"subject": facts[0].subject, "purpose": facts[0].data["purpose"]})
        try:
            await self._recorder.store(facts, self.id, note=(self._open_notes + session, note))
        except StoreRefused as exc:
            self._owes_endings = True  # it may have been opened
            return self._session.refused(session, exc.code, self._clock())
        return self._session.stored(session, self._clock())

    async def _end_cut_off(self) -> bool:
        """End what was begun and has no ending: it does not count. Whether there was any.

        The power went or the process was killed while somebody stood here, or the disk took no ending.
        """
        ended = False
        try:
            for session, note in (await self._recorder.notes(self._open_notes)).items():
                begun = json.loads(note)
                subject = str(begun["subject"])
                data = {
                    "session": session,
                    "kiosk": self.id,
                    "purpose": begun["purpose"],
                    "reason": Reason.CUT_OFF,
                }
                fact = Fact("checkin.abandoned", subject, data, restricted=subject.startswith("person/"))
                await self._recorder.store([fact], self.id, note=(self._open_notes + session, None))
                ended = True
        except StoreRefused:
            return ended  # it is owed still
        self._owes_endings = False
        return ended

    def _look(self) -> None:
        session = self._session
        person = session.person
        name = None if person is None or person.protected else person.name
        wanted = frozenset(self._devices[one].factor for one in self._asking)
        running = None if session.stage in (Stage.IDLE, Stage.SHOWN) else session.id or None
        view = KioskView(
            session.stage,
            running,
            session.purpose,
            name,
            wanted,
            self._step,
            self._hint,
            self._shown,
            self._taker is not None,
        )
        if view != self.view:
            self.view = view
            self._changed()

    # -- devices --------------------------------------------------------------------------------------

    def _ask(self, session: str, factors: frozenset[Factor]) -> None:
        for device_id, device in self._devices.items():
            if device.factor in factors and device_id not in self._asking:
                asking = asyncio.get_running_loop().create_task(
                    self._identify(session, device_id, device), name=f"ask-{device_id}"
                )
                self._asking[device_id] = asking

    async def _identify(self, session: str, device_id: str, device: FactorDevice) -> None:
        try:
            result = await self._answer(device_id, device)
        finally:
            if self._asking.get(device_id) is asyncio.current_task():
                del self._asking[device_id]
        await self._inputs.put(lambda _now_s: self._session.factor(session, device.factor, result))

    async def _answer(self, device_id: str, device: FactorDevice) -> Identified:
        """Until somebody tried: a device that is away, or saw nobody, is asked again for as long as it is wanted."""
        while True:
            try:
                result = await device.identify(timeout_s=STEP_S, guide=self._guide)
            except DriverError as exc:
                log.info("device cannot be asked", extra={"device": device_id, "code": exc.code})
                self._hint = "away"
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            if not (isinstance(result, NotMatched) and result.reason in NOBODY_TRIED):
                return result
            await asyncio.sleep(TICK_S)

    def _guide(self, step: Step) -> None:
        self._step = step
        self._look()

    def _stop_asking(self) -> None:
        asked, self._asking = self._asking, {}
        for asking in asked.values():
            asking.cancel()

    def _light(self, shown: Shown) -> None:
        """At the sensors, beside the screen, which waits for nobody."""
        if shown.outcome in {Outcome.COMPLETED, Outcome.REJECTED, Outcome.NOT_STORED}:
            for device in self._devices.values():
                light = asyncio.get_running_loop().create_task(
                    _show(device, accepted=shown.outcome is Outcome.COMPLETED), name=f"light-{self.id}"
                )
                self._lights.add(light)
                light.add_done_callback(self._lights.discard)


async def _show(device: FactorDevice, *, accepted: bool) -> None:
    with contextlib.suppress(DriverError):  # a device that is away shows nothing
        await device.show(accepted=accepted)
