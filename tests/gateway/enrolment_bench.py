"""Modules, a disk and a center for tests of enrolment: all in memory, each able to lose its power at any step."""

import json
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from drivers.errors import DriverError, LinkUnavailable
from drivers.factors import Enrolled, Enrolment, Factor, Guide, Identified, Matched, NotEnrolled, NotMatched
from gateway.checkin.enrolment import Enrolling
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
    Proof,
    Take,
    Withdrawn,
)
from gateway.checkin.modules import Modules
from gateway.checkin.references import RESTORED, Book, Reference, State, mirrored
from gateway.checkin.releases import Releases
from gateway.checkin.roster import DeviceReference, Head, Method, Person, Roster
from gateway.checkin.workdays import Workdays
from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.ingest.facts import Fact
from gateway.view import DeviceView

ResultT = TypeVar("ResultT")
CAPACITY = 6
SUPERVISED_UNTIL = date(2099, 12, 31)


class PowerCut(BaseException):
    """Everything in memory is gone."""


@dataclass
class Fuse:
    """Counts steps; blows at one of them, before or after what it did."""

    left: int | None = None
    after: bool = False

    def step(self, effect: Callable[[], ResultT]) -> ResultT:
        if self.left is None:
            return effect()
        self.left -= 1
        if self.left > 0:
            return effect()
        self.left = None
        if self.after:
            effect()
        raise PowerCut


@dataclass
class Module:
    """A module: whose finger lies in which slot."""

    serial: str
    fingers: dict[int, str] = field(default_factory=dict)


class Place:
    """Where a module stands, and its driver."""

    factor = Factor.FINGER

    def __init__(self, device: str, fuse: Fuse) -> None:
        self.device = device
        self.module: Module | None = None
        self.since_ms = 0
        self.finger: str | None = None  # what is pressed when it is asked
        self.errors: list[DriverError] = []
        self.lifts_after = 99  # presses
        self._fuse = fuse

    def put(self, module: Module | None) -> None:
        self.module = module
        self.since_ms += 1

    @property
    def view(self) -> DeviceView:
        serial = None if self.module is None else self.module.serial
        state = "offline" if self.module is None else "online"
        return DeviceView(
            id=self.device, kind="finger.zfm", state=state, since_ms=self.since_ms, port="", serial=serial
        )

    def _there(self) -> Module:
        if self.errors:
            raise self.errors.pop(0)
        if self.module is None:
            raise LinkUnavailable("away", "not connected")
        return self.module

    async def identify(self, *, timeout_s: float, guide: Guide) -> Identified:
        del timeout_s, guide
        module = self._there()
        if self.finger is None:
            return NotMatched("nothing_presented")
        slot = next((slot for slot, finger in module.fingers.items() if finger == self.finger), None)
        return NotMatched("unknown") if slot is None else Matched(slot, 99, module.serial)

    async def enrol(self, *, slot: int | None, timeout_s: float, guide: Guide) -> Enrolment:
        del timeout_s, guide
        module, finger = self._there(), self.finger
        assert slot is not None
        if finger is None:
            return NotEnrolled("nothing_presented")
        if finger in module.fingers.values():
            return NotEnrolled("already_enrolled")
        if slot in module.fingers or slot >= CAPACITY:
            return NotEnrolled("taken" if slot in module.fingers else "no_such_slot", slot)
        self._fuse.step(lambda: module.fingers.update({slot: finger}))
        return Enrolled(slot, module.serial)

    async def erase(self, slots: Sequence[int]) -> None:
        module = self._there()
        for slot in slots:
            self._fuse.step(lambda slot=slot: module.fingers.pop(slot, None))  # type: ignore[misc]

    async def slots(self) -> frozenset[int]:
        return frozenset(self._there().fingers)

    async def show(self, *, accepted: bool) -> None:
        del accepted


@dataclass
class Disk:
    """What survives."""

    rows: dict[str, Reference] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "Disk":
        return Disk(dict(self.rows), list(self.facts), dict(self.notes))


class Keeper:
    """As `ReferenceKeeper`, over such a disk."""

    def __init__(self, disk: Disk, roster: Roster | None, fuse: Fuse) -> None:
        self.book = Book(disk.rows.values())
        self.roster = roster
        self.refusal: StoreRefused | None = None
        self._disk = disk
        self._fuse = fuse

    async def commit(
        self,
        facts: Sequence[Fact],
        rows: Sequence[Reference],
        device: str,
        *,
        notes: Mapping[str, str | None] | None = None,
    ) -> None:
        del device
        if self.refusal is not None:
            raise self.refusal
        self._fuse.step(lambda: self._write(facts, rows, notes or {}))
        self.book.take(rows)

    def _write(
        self, facts: Sequence[Fact], rows: Sequence[Reference], notes: Mapping[str, str | None]
    ) -> None:
        self._disk.facts += facts
        self._disk.rows.update((one.id, one) for one in rows)
        for key, value in notes.items():
            self._disk.notes.pop(key, None)
            if value is not None:
                self._disk.notes[key] = value

    async def module_at(self, device: str) -> str | None:
        return self._disk.notes.get(f"module:{device}")

    async def expected_at(self, device: str) -> Sequence[str]:
        found: list[str] = json.loads(self._disk.notes.get(f"expected:{device}", "[]"))
        return found


def person(ref: str, references: Iterable[DeviceReference] = (), **changes: Any) -> Person:
    members: dict[str, Any] = {
        "ref": ref,
        "number_hmac": ref.encode().ljust(32, b"."),
        "name": "测*",
        "unit": "u-1",
        "category": "ordinary",
        "since": date(2020, 1, 1),
        "until": SUPERVISED_UNTIL,
        "responsible": "gw-370102-01",
        "protected": False,
        "methods": frozenset({Method.FINGER, Method.FACE, Method.STAFF}),
        "schedule": None,
        "leave": (),
        "references": tuple(references),
        "trackers": (),
        **changes,
    }
    return Person(**members)


def roster_of(persons: Sequence[Person], *, version: int = 1, expires_ms: int = 2**60) -> Roster:
    days = Workdays(first=date(2020, 1, 1), last=date(2100, 1, 1), holidays=frozenset(), workdays=frozenset())
    head = Head(
        org="370102",
        gateway="gw-370102-01",
        version=version,
        minor=0,
        issued_ms=0,
        expires_ms=expires_ms,
        workdays=days,
    )
    return Roster(head, persons, digest=bytes(32), left_out=0)


class Center:
    """One gateway's enrolments: two places, a disk, people; nothing of it waits for anything."""

    def __init__(self, *, erase_unknown: bool = True) -> None:
        self.erase_unknown = erase_unknown
        self.fuse = Fuse()
        self.disk = Disk()
        self.clock = ManualClock()
        self.places = [Place("finger-1", self.fuse), Place("finger-2", self.fuse)]
        self.roster: Roster | None = None
        self.count = 0
        self.doubted: int | None = None
        self.power_on()

    def power_on(self) -> None:
        self.fuse.left = None
        self.keeper = Keeper(self.disk, self.roster, self.fuse)
        self.modules = Modules(
            {place.device: place for place in self.places},
            lambda: [place.view for place in self.places],
            self.keeper,  # type: ignore[arg-type]  # the same, over a disk in memory
            clock=self.clock,
            changed=lambda: None,
            erase_unknown=self.erase_unknown,
        )
        self.releases = Releases(
            self.modules,
            self.keeper,  # type: ignore[arg-type]
            clock=self.clock,
            zone=ZoneInfo("Asia/Shanghai"),
            changed=lambda: None,
        )

    def apply(self, persons: Sequence[Person]) -> None:
        self.roster = roster_of(persons, version=self.count + 1)
        book = Book(self.disk.rows.values())
        rows = mirrored(book, self.roster, doubted_ms=self.doubted)
        self.disk.rows.update((one.id, one) for one in rows)
        self.keeper.book.take(rows)
        self.keeper.roster = self.roster
        self.modules._met.clear()

    def doubt(self) -> None:
        """The store was put back: as `ReferenceKeeper` starts after it."""
        self.doubted = 0
        self.disk.rows.update(
            (one.id, one.doubted(RESTORED, 0))
            for one in list(self.disk.rows.values())
            if one.state is State.ACTIVE
        )
        if self.roster is not None:
            rows = mirrored(Book(self.disk.rows.values()), self.roster, doubted_ms=0)
            self.disk.rows.update((one.id, one) for one in rows)
        self.power_on()

    def look(self, device: str) -> None:
        done(self.modules.look(device))

    def asked(self, ref: str, device: str, **changes: Any) -> Asked | None:
        module = self.modules.ready(device)
        if module is None:
            return None
        self.count += 1
        asked = Asked(
            id=f"enr-{self.count}",
            person=ref,
            factor=Factor.FINGER,
            kiosk="kiosk-1",
            device=device,
            module=module,
            staff="staff-1",
            consent="1",
            now_ms=lambda: self.clock.now().wall_ms,
        )
        return replace(asked, **changes)

    def enrol(
        self, asked: Asked, *, proof: Proof | None = None, on: Callable[[Action], None] | None = None
    ) -> Ending:
        """Play it to its end; raises `PowerCut`. `on`: told each action before it is done."""
        place = next(one for one in self.places if one.device == asked.device)
        steps = Enrolling(asked, lambda: self.keeper.book, lambda: self.keeper.roster).run()
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
                if on is not None:
                    on(action)
                answer = done(self._do(place, action, proof or Proof(asked.person)))
            except (DriverError, StoreRefused, Withdrawn) as exc:
                failed = exc

    async def _do(self, place: Place, action: Action, proof: Proof) -> Answer:
        def guide(_step: object) -> None:
            pass

        match action:
            case AwaitPerson():
                return proof
            case ListSlots():
                return await place.slots()
            case Look():
                return await place.identify(timeout_s=1, guide=guide)
            case Take(slot):
                return await place.enrol(slot=slot, timeout_s=1, guide=guide)
            case Erase(slots):
                await place.erase(sorted(slots))
            case Keep(facts, rows):
                await self.keeper.commit(facts, rows, "kiosk-1")
        return None

    def owner(self, module: str, slot: int) -> str | None:
        return self.keeper.book.owner(module, slot, self.keeper.roster)

    @property
    def types(self) -> list[str]:
        return [fact.type for fact in self.disk.facts]


def done(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: ResultT = ended.value
        return result
    raise AssertionError("it waits")
