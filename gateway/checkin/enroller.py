"""Enrolments at work: kiosk and module are borrowed, the procedure is played, people see how far it is.

While it runs, a card laid at the kiosk is that of the person to be enrolled and begins no check-in. Patience ends:
a kiosk that is lent is given back whatever happens.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from drivers.errors import DeviceFault, DriverError
from drivers.factors import Factor, Step
from gateway.checkin.enrolment import Enrolling, allowed
from gateway.checkin.enrolment_steps import (
    Action,
    Answer,
    Asked,
    AwaitPerson,
    Ending,
    Erase,
    Keep,
    ListSlots,
    Look,
    Outcome,
    Proof,
    Take,
    Withdrawn,
)
from gateway.checkin.facts import METHOD_OF, Directory
from gateway.checkin.kiosk import Kiosk
from gateway.checkin.modules import Modules
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.session import NewId
from gateway.clock import Clock
from gateway.errors import ContractError, StoreRefused

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
CARD_S = 120.0  # until the card is laid, or staff vouch
STEP_S = 30.0  # for each look at a finger or face
TAKE_S = 60.0
MOST_PROOFS = 4  # cards laid in quick succession
STAGES: Mapping[type[Action], str] = {
    AwaitPerson: "person",
    ListSlots: "take",
    Look: "check",
    Take: "take",
    Erase: "tidy",
    Keep: "keep",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolView:
    """How far an enrolment is, for the member of staff who began it."""

    id: str
    person: str
    kiosk: str
    device: str
    factor: Factor
    staff: str
    stage: str = "person"  # person, check, take, verify, tidy, keep; then done
    step: Step | None = None
    hint: str | None = None  # code: why once more
    ending: Ending | None = None


class Enroller:
    """At most one enrolment at a kiosk."""

    def __init__(
        self,
        kiosks: Mapping[str, tuple[Kiosk, Sequence[str]]],
        modules: Modules,
        references: ReferenceKeeper,
        directory: Directory,
        *,
        clock: Clock,
        new_id: NewId,
        changed: Callable[[], None],
        counted: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        """`kiosks` by id, with the devices that stand there; `counted`: told each outcome."""
        self.kiosks = kiosks
        self.views: dict[str, EnrolView] = {}  # by id; one that has ended stays until the next at its kiosk
        self._modules = modules
        self._references = references
        self._directory = directory
        self._clock = clock
        self._new_id = new_id
        self._changed = changed
        self._counted = counted
        self._running: dict[str, _Running] = {}
        self._closed = False
        self._broken: asyncio.Queue[BaseException] = asyncio.Queue()

    async def until_broken(self) -> None:
        """Raises what an enrolment died of: nobody awaits its task."""
        raise await self._broken.get()

    def people(self) -> frozenset[str]:
        """Who is being enrolled now."""
        return frozenset(one.person for one in self.views.values() if one.id in self._running)

    def begin(
        self, *, person: str, device: str, staff: str, consent: str | None, label: str | None = None
    ) -> str:
        """Start one; its id. Raises `ContractError`: unknown_person, ended, not_allowed, no_kiosk, no_module,
        kiosk_busy."""
        kiosk_id = next((one for one, (_, devices) in self.kiosks.items() if device in devices), None)
        driver = self._modules.devices.get(device)
        if kiosk_id is None or driver is None:
            raise ContractError("no_kiosk", f"no kiosk has a module '{device}'; choose another")
        roster = self._references.roster
        known = None if roster is None else roster.of_ref(person)
        if known is None:
            raise ContractError("unknown_person", "the roster in force does not name this person")
        if not allowed(METHOD_OF[driver.factor], known.methods):
            raise ContractError("not_allowed", "the roster does not allow this way of recognition")
        visitor = self._directory.by_card(known.number_hmac.hex())
        if visitor is None or visitor.ended:
            raise ContractError("ended", "supervision of this person has ended")
        module = self._modules.ready(device)
        if module is None or self._closed:
            raise ContractError("no_module", f"'{device}' is away or being looked at; try again in a moment")
        if self._modules.hands[device].locked():
            raise ContractError("kiosk_busy", f"something is being done at '{device}'; try again in a moment")
        kiosk = self.kiosks[kiosk_id][0]
        asked = Asked(
            id=self._new_id(),
            person=person,
            factor=driver.factor,
            kiosk=kiosk_id,
            device=device,
            module=module,
            staff=staff,
            consent=consent,
            label=label,
            now_ms=lambda: self._clock.now().wall_ms,
        )
        running = _Running(asked, self)
        if not kiosk.lend(running.card):
            raise ContractError("kiosk_busy", f"somebody checks in at '{kiosk_id}'; wait for them")
        self.views = {key: one for key, one in self.views.items() if one.kiosk != kiosk_id}
        self.views[asked.id] = EnrolView(
            id=asked.id, person=person, kiosk=kiosk_id, device=device, factor=driver.factor, staff=staff
        )
        self._running[asked.id] = running
        running.task = asyncio.get_running_loop().create_task(
            self._serve(running, kiosk), name=f"enrol-{device}"
        )
        running.task.add_done_callback(self._ended)
        self._changed()
        return asked.id

    def vouch(self, enrolment: str, reason: str) -> bool:
        """The member of staff says that it is the person. False: it waits for no such word."""
        running = self._running.get(enrolment)
        return running is not None and running.proof(Proof(None, reason))

    def cancel(self, enrolment: str) -> bool:
        """Give up. False: it is over."""
        running = self._running.get(enrolment)
        if running is None:
            return False
        running.withdrawn.set()
        return True

    async def close(self) -> None:
        """The gateway stops: what was begun is found, and cleared, when its module is next seen."""
        self._closed = True
        tasks = [one.task for one in self._running.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _serve(self, running: "_Running", kiosk: Kiosk) -> None:
        asked = running.asked
        try:
            async with self._modules.hands[asked.device]:
                ending = await self._play(running)
            self.show(asked.id, stage="done", step=None, hint=None, ending=ending)
            self._counted(ending.outcome)
            log.info("enrolment ended", extra={"device": asked.device, "outcome": ending.outcome})
        finally:
            kiosk.give_back()
            del self._running[asked.id]
            if (
                self.views[asked.id].ending is None
            ):  # cut off by the end of the gateway, or by an error of ours
                self.show(asked.id, stage="done", step=None, ending=Ending(Outcome.FAILED, "broken"))
            self._changed()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broken.put_nowait(error)

    async def _play(self, running: "_Running") -> Ending:
        keeper = self._references
        steps = Enrolling(running.asked, lambda: keeper.book, lambda: keeper.roster).run()
        answer: Answer = None
        failed: Exception | None = None
        while True:
            try:
                action = steps.send(answer) if failed is None else steps.throw(failed)
            except StopIteration as ended:
                ending: Ending = ended.value
                return ending
            answer, failed = None, None
            try:
                answer = await running.do(action)
            except (DriverError, StoreRefused, Withdrawn) as exc:
                failed = exc

    def show(self, enrolment: str, **changes: object) -> None:
        """People should see this."""
        view = self.views.get(enrolment)
        if view is not None:
            self.views[enrolment] = replace(view, **changes)  # type: ignore[arg-type]
            self._changed()

    async def carry_out(self, running: "_Running", action: Action) -> Answer:
        """One action; raises what the device, the disk or patience have to say."""
        asked = running.asked
        device = self._modules.devices.get(asked.device)
        if device is None:
            raise DeviceFault("changed", f"device '{asked.device}' was taken away")

        def guide(step: Step) -> None:
            self.show(asked.id, step=step)

        match action:
            case AwaitPerson():
                return await running.person()
            case Look():
                return await running.unless_withdrawn(device.identify(timeout_s=STEP_S, guide=guide))
            case Take(slot):
                taking = device.enrol(slot=slot, timeout_s=TAKE_S, guide=guide)
                return await running.unless_withdrawn(taking)
            case ListSlots():
                taken = await device.slots()
                self._same_module(asked)  # told by the question that was just answered
                return taken
            case Erase(slots):
                self._same_module(asked)
                await device.erase(sorted(slots))
            case Keep(facts, rows):
                await self._references.commit(facts, rows, asked.kiosk)
        return None

    def _same_module(self, asked: Asked) -> None:
        """Slots of another module are those of other people; raises `DriverError`."""
        if self._modules.name(asked.device) != asked.module:
            raise DeviceFault("changed", f"device '{asked.device}' was changed; it is looked at again")


class _Running:
    """One enrolment and what people do about it."""

    def __init__(self, asked: Asked, enroller: Enroller) -> None:
        self.asked = asked
        self.withdrawn = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._enroller = enroller
        self._proofs: asyncio.Queue[Proof] = asyncio.Queue(MOST_PROOFS)

    def card(self, number_hmac: str, _event_id: str) -> None:
        """A card was laid at the kiosk."""
        visitor = self._enroller._directory.by_card(number_hmac)  # noqa: SLF001 - its own half
        self.proof(Proof(None if visitor is None else visitor.ref))

    def proof(self, proof: Proof) -> bool:
        """Who stands there. False: nobody asks, or too much was said already."""
        if self._enroller.views[self.asked.id].stage != "person" or self._proofs.full():
            return False
        self._proofs.put_nowait(proof)
        return True

    async def do(self, action: Action) -> Answer:
        """Carry out one action, and show it."""
        stage = "verify" if isinstance(action, Look) and action.verify else STAGES[type(action)]
        self._enroller.show(self.asked.id, stage=stage, step=None, hint=getattr(action, "hint", None))
        return await self._enroller.carry_out(self, action)

    async def person(self) -> Proof:
        """The next card or word; raises `Withdrawn`."""
        try:
            async with asyncio.timeout(CARD_S):
                return await self.unless_withdrawn(self._proofs.get())
        except TimeoutError:
            raise Withdrawn("timeout") from None

    async def unless_withdrawn(self, work: Awaitable[ResultT]) -> ResultT:
        """Its result; raises `Withdrawn` when somebody gives up, after the device has ended what it did."""
        working = asyncio.ensure_future(work)
        giving_up = asyncio.ensure_future(self.withdrawn.wait())
        try:
            await asyncio.wait({working, giving_up}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise Withdrawn
        finally:
            giving_up.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait({working})
