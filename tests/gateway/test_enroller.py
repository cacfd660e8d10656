"""Enrolment through everything that is real: store, supervisor, driver, pty, a simulated module, a kiosk."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.factors import Step
from drivers.fingerprint_reader import FingerprintReader
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.fingerprint import Finger, SimulatedModule
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.zfm import commands as c
from gateway.checkin import incoming
from gateway.checkin.at_rest import Purpose as Rest
from gateway.checkin.directory import DirectoryAt, RosterDirectory
from gateway.checkin.enroller import Enroller, EnrolView
from gateway.checkin.enrolment_steps import Ending, Outcome
from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.kiosk import Kiosk
from gateway.checkin.modules import Modules
from gateway.checkin.persons import Desk
from gateway.checkin.purposes import Purpose
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.references import State
from gateway.checkin.releases import Releases
from gateway.checkin.session import Stage
from gateway.clock import ManualClock
from gateway.config import load
from gateway.errors import ContractError
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.keyring import Keys
from gateway.metrics import Metrics
from gateway.store.database import StoreDamaged
from gateway.supervisor import DeviceTask
from gateway.uuid7 import uuid7
from gateway.view import DeviceView
from tests.gateway import rosters
from tests.gateway.roster_box import roster_box
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import Box
from tests.gateway.uplink_bench import until

pytestmark = pytest.mark.timeout(60)
ANNA, BORIS = "p-0000", "p-0001"
FINGERS = {ANNA: Finger("anna"), BORIS: Finger("boris")}
HASHES = {ref: rosters.person(number)["number_hmac"] for number, ref in enumerate(FINGERS)}
ROSTER = [rosters.person(0), rosters.person(1)]


class Office:
    """One kiosk with one module, and staff."""

    device, kind = "finger-1", "finger.zfm"

    def __init__(self, desk: Box, port: PtyHost, clock: ManualClock, module: SimulatedModule) -> None:
        self.box, self.port, self.clock, self.module = desk, port, clock, module
        self.finger = Finger("nobody")
        self.holds = False
        self._serving: asyncio.Task[None] | None = None

    async def open(self, store: Any) -> None:
        keys, metrics, clock = Keys.load(load(self.box.config)), Metrics(), self.clock
        ingest = Ingest(store, clock, keys.sealer, metrics, GATEWAY)
        self.references = ReferenceKeeper(store, ingest, keys.roster.seal, lambda: clock.now().wall_ms)
        keeper = RosterKeeper(
            folder=self.box.store.parent,
            keys=keys.roster,
            store=store,
            ingest=ingest,
            clock=clock,
            companion=self.references,
        )
        self.keeper = keeper
        await self.references.load()
        await keeper.load()
        view = DeviceView(
            id=self.device, kind=self.kind, state="unknown", since_ms=0, port=str(self.port.link)
        )
        self.task = DeviceTask(
            view,
            ingest=ingest,
            alarms=Alarms(ingest, store),
            clock=clock,
            metrics=metrics,
            changed=lambda: None,
        )
        self.driver = self.build()
        directory = RosterDirectory(keeper, self.references, clock, ZoneInfo("Asia/Shanghai"))
        self.modules = Modules(
            {self.device: self.driver},
            lambda: [self.task.view],
            self.references,
            clock=clock,
            changed=lambda: None,
        )
        self.kiosk = Kiosk(
            "kiosk-1",
            directory=DirectoryAt(directory, self.modules, [self.device]),
            recorder=ingest,
            devices={self.device: self.driver},
            new_id=lambda: uuid7(clock.now().wall_ms),
            changed=lambda: self.guided(self.kiosk.view.step),
            stamp=clock.now,
            only=Purpose.REPORT,
        )
        self.enroller = Enroller(
            {"kiosk-1": (self.kiosk, (self.device,))},
            self.modules,
            self.references,
            directory,
            clock=clock,
            new_id=lambda: uuid7(clock.now().wall_ms),
            changed=self.changed,
        )
        self.releases = Releases(
            self.modules,
            self.references,
            clock=clock,
            zone=ZoneInfo("Asia/Shanghai"),
            changed=lambda: None,
            enrolling=self.enroller.people,
        )
        self.persons = Desk(
            self.references,
            self.modules,
            self.enroller,
            self.releases,
            ingest=ingest,
            clock=clock,
            zone=ZoneInfo("Asia/Shanghai"),
        )
        self.plug()
        work = [
            self.task.serve(self.driver),
            self.kiosk.run(),
            *self.modules.tasks().values(),
            self.releases.run(),
        ]
        self.tasks = [asyncio.create_task(one) for one in work]
        await until(lambda: self.modules.ready(self.device) is not None, "the module to be compared")

    def build(self) -> Any:
        """The driver of the module."""
        settings = {"port": str(self.port.link), "family": "grow"}
        return FingerprintReader.build(self.device, settings, self.task)

    def plug(self, module: SimulatedModule | None = None) -> None:
        self.module = module or self.module
        self.clock.wall_ms += 1000
        self.port.plug()
        self._serving = asyncio.create_task(self.module.serve(self.port))

    async def pull(self) -> None:
        self.port.unplug()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])

    async def swap(self, module: SimulatedModule) -> None:
        """Behind the adapter, whose port never goes away."""
        assert self._serving is not None
        self._serving.cancel()
        await asyncio.wait([self._serving])
        self.module = module
        self._serving = asyncio.create_task(module.serve(self.port))

    async def unplug(self) -> None:
        await self.pull()
        await until(lambda: self.task.view.state != "online", "the module to be missed")

    async def close(self) -> None:
        await self.enroller.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        await self.pull()

    def changed(self) -> None:
        for view in self.enroller.views.values():
            if view.stage == "verify" and self.holds:
                self.module.lift()  # takes the finger away when it is to be verified
            elif view.ending is None:
                self.guided(view.step)

    def guided(self, step: Step | None) -> None:
        if step is Step.LIFT:
            self.module.lift()
        elif step is not None:
            self.module.press(self.finger)

    async def enrol(self, ref: str, finger: Finger | None = None, card: str | None = None) -> EnrolView:
        self.finger = finger or FINGERS[ref]
        self.persons.begin(ref, device=self.device, staff="staff-1", consent=True, label="right_index")
        await until(lambda: self.view(ref).stage == "person", "the question who it is")
        self.kiosk.card(card or HASHES[ref], "event-1")
        await self.ended(ref)
        return self.view(ref)

    def view(self, ref: str) -> EnrolView:
        view = self.persons.enrolment(ref)
        assert view is not None
        return view

    async def ended(self, ref: str) -> None:
        await until(lambda: self.view(ref).ending is not None and not self.kiosk.view.lent, "the end", 20)
        self.module.lift()

    def events(self, kind: str) -> list[Any]:
        with closing(sqlite3.connect(self.box.store)) as db:
            found = [json.loads(wire) for (wire,) in db.execute("SELECT wire FROM event ORDER BY n")]
        return [one for one in found if one["type"] == f"cn.zhijiao.{kind}"]


@asynccontextmanager
async def office(
    desk: Box,
    port: PtyHost,
    module: Any,
    clock: ManualClock | None = None,
    *,
    clean: bool = True,
    kind: type[Office] = Office,
) -> AsyncIterator[Office]:
    clock = clock or ManualClock()
    async with running_store(desk.store, clock, clean=clean) as store:
        one = kind(desk, port, clock, module)
        await one.open(store)
        try:
            yield one
        finally:
            await one.close()


def give(desk: Box, persons: list[Any], version: int = 1) -> None:
    """As an import leaves it."""
    seal = Keys.load(load(desk.config)).roster.seal
    desk.store.parent.mkdir(exist_ok=True)
    file = rosters.signed(persons, version=version)
    incoming.inbox(desk.store.parent).leave(seal.close(file, Rest.INCOMING), 1_795_309_322_000 + version)


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    made = roster_box(tmp_path)
    give(made, ROSTER)
    return made


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[PtyHost]:
    async with PtyHost(tmp_path / "usb-Test_Finger_0001-if00-port0") as host:
        yield host


async def test_a_person_is_enrolled_checks_in_by_it_and_is_released_with_proof(
    desk: Box, port: PtyHost
) -> None:
    module = SimulatedModule()
    async with office(desk, port, module) as one:
        assert (await one.enrol(ANNA)).ending == Ending(Outcome.ENROLLED)
        (enrolled,) = one.events("identity.enrolled")
        assert enrolled["subject"] == f"person/{ANNA}"
        assert enrolled["data"] | {"enrolment": ""} == {
            "enrolment": "",
            "method": "finger",
            "module": "0001-SIM00001",
            "slot": 0,
            "kiosk": "kiosk-1",
            "device": "finger-1",
            "by": "staff-1",
            "consent": "2026-1",
            "label": "right_index",
            "identified_by": "card",
        }
        assert module.library == {0: FINGERS[ANNA].template}
        one.kiosk.card(HASHES[ANNA], "event-2")
        await until(lambda: one.kiosk.view.stage is Stage.SHOWN, "the check-in", 20)
        (done,) = one.events("checkin.completed")
        assert done["data"]["method"] == "finger"
        await one.persons.release(ANNA, staff="staff-1", reason="over")
        await until(lambda: one.events("identity.erased"), "the proof", 20)
        (erased,) = one.events("identity.erased")
        assert erased["data"]["enrolments"] == [enrolled["data"]["enrolment"]]
        assert (erased["data"]["slots"], erased["data"]["reason"]) == ([0], "staff")
    assert module.library == {}
    port.plug()
    serving = asyncio.create_task(module.serve(port))
    await asyncio.sleep(0.2)  # its "ready" is out, and is dropped when the port is opened
    library = import_module("pyfingerprint.pyfingerprint")
    client = await asyncio.to_thread(library.PyFingerprint, str(port.link), 57600, 0xFFFFFFFF, 0)
    assert await asyncio.to_thread(client.verifyPassword)
    assert await asyncio.to_thread(client.getTemplateCount) == 0
    assert not any(await asyncio.to_thread(client.getTemplateIndex, 0))
    client._PyFingerprint__serial.close()
    serving.cancel()
    await asyncio.wait([serving])


async def test_the_finger_of_another_is_refused_and_both_are_named(desk: Box, port: PtyHost) -> None:
    async with office(desk, port, SimulatedModule()) as one:
        await one.enrol(ANNA)
        ended = await one.enrol(BORIS, FINGERS[ANNA])
        assert ended.ending == Ending(Outcome.REFUSED, "known_as_another", ANNA)
        (refused,) = one.events("identity.finger_refused")
        assert (refused["subject"], refused["data"]["other"]) == (f"person/{BORIS}", ANNA)
        assert (await one.enrol(ANNA)).ending == Ending(Outcome.KNOWN, "known")
        assert len(one.module.library) == len(one.events("identity.enrolled")) == 1


async def test_the_card_of_another_does_not_do_and_staff_may_vouch(desk: Box, port: PtyHost) -> None:
    async with office(desk, port, SimulatedModule()) as one:
        one.finger = FINGERS[ANNA]
        one.persons.begin(ANNA, device="finger-1", staff="staff-1", consent=True, label=None)
        with pytest.raises(ContractError, match="enrolled already"):
            one.persons.begin(ANNA, device="finger-1", staff="staff-1", consent=True, label=None)
        await until(lambda: one.view(ANNA).stage == "person", "the question")
        one.kiosk.card(HASHES[BORIS], "event-1")
        await until(lambda: one.view(ANNA).hint == "another_card", "the hint")
        assert one.events("checkin.opened") == [], "no check-in meanwhile"
        one.persons.vouch(ANNA, "known for years")
        await one.ended(ANNA)
        (enrolled,) = one.events("identity.enrolled")
        assert enrolled["data"]["staff_reason"] == "known for years"


async def test_without_consent_nothing_is_asked_of_the_module(desk: Box, port: PtyHost) -> None:
    async with office(desk, port, SimulatedModule()) as one:
        one.persons.begin(ANNA, device="finger-1", staff="staff-1", consent=False, label=None)
        await one.ended(ANNA)
        assert one.view(ANNA).ending == Ending(Outcome.NO_CONSENT, "no_consent")
        assert one.module.asked[c.GenImg] == 0
        (said,) = one.events("audit.enrolled")
        assert said["data"]["outcome"] == "no_consent"


async def test_a_kill_between_the_modules_write_and_the_commit_leaves_nothing(
    desk: Box, port: PtyHost
) -> None:
    """The module holds a template that nobody was told of: it is found at the next start, and deleted."""
    module = SimulatedModule()
    async with office(desk, port, module, clean=False) as one:
        one.finger, one.holds = FINGERS[ANNA], True
        one.persons.begin(ANNA, device="finger-1", staff="staff-1", consent=True, label=None)
        await until(lambda: one.view(ANNA).stage == "person", "the question")
        one.kiosk.card(HASHES[ANNA], "event-1")
        await until(lambda: one.view(ANNA).stage in {"verify", "done"}, "the write", 20)
        assert one.view(ANNA).stage == "verify"
        assert module.library
    assert module.library, "it was not tidied up: the power went"
    module.lift()
    async with office(desk, port, module) as one:
        assert module.library == {}
        (erased,) = one.events("identity.erased")
        assert erased["data"]["reason"] == "cut_off"
        assert one.events("identity.enrolled") == []
        assert (await one.enrol(ANNA)).ending == Ending(Outcome.ENROLLED)


async def test_an_enrolment_survives_a_kill_and_another_modules_slot_is_nobodys(
    desk: Box, port: PtyHost
) -> None:
    module = SimulatedModule()
    async with office(desk, port, module, clean=False) as one:
        await one.enrol(ANNA)
    async with office(desk, port, module) as one:
        person = one.persons.of(ANNA)
        assert person is not None
        assert [kept.counts for kept in person.templates] == [True]
        await one.unplug()
        other = SimulatedModule(serial=b"SIM00002")
        other.know(0, FINGERS[ANNA])  # the same finger, in the same slot, by an older system
        one.plug(other)
        await until(lambda: one.modules.ready("finger-1") == "0001-SIM00002", "the new module", 20)
        (replaced,) = one.events("device.replaced")
        assert replaced["data"] == {
            "was": "0001-SIM00001",
            "now": "0001-SIM00002",
            "voided": 1,
            "persons": 1,
        }
        assert one.references.book.owner("0001-SIM00002", 0, one.references.roster) is None
        assert {item.code for item in one.releases.health()} == {"reenrol", "unknown_slots"}
        one.kiosk.card(HASHES[ANNA], "event-2")
        await until(lambda: one.kiosk.view.stage is Stage.PROVING, "the session")
        assert one.kiosk.view.wanted == frozenset(), "no finger is asked for that the module does not know"
        one.kiosk.staff_word(one.kiosk.view.session or "", "staff-1", "known")
        await until(lambda: one.kiosk.view.stage is Stage.SHOWN, "the check-in")
        (done,) = one.events("checkin.completed")
        assert (done["data"]["method"], done["data"]["reenrol"]) == ("staff", True)


async def test_a_module_that_is_pulled_in_the_middle_is_tidied_up_when_it_is_back(
    desk: Box, port: PtyHost
) -> None:
    module = SimulatedModule()
    module.faults.add(Fault(FaultKind.UNPLUG, on=c.Store))
    async with office(desk, port, module) as one:
        ended = await one.enrol(ANNA)
        assert ended.ending is not None
        assert ended.ending.outcome is Outcome.FAILED
        await until(lambda: one.task.view.state != "online", "the loss")
        one.plug()
        await until(lambda: one.modules.ready("finger-1") is not None, "it to be compared", 20)
        assert module.library == {}
        assert {row.state for row in one.references.book} == {State.ERASED}


async def test_tidying_up_never_touches_a_module_that_came_in_the_meantime(desk: Box, port: PtyHost) -> None:
    """What lies in it is other people's, and what was taken in lies in the one that is gone."""
    module, other = SimulatedModule(), SimulatedModule(serial=b"SIM00002")
    other.know(5, FINGERS[BORIS])
    async with office(desk, port, module) as one:
        one.finger, one.holds = FINGERS[ANNA], True
        one.persons.begin(ANNA, device="finger-1", staff="staff-1", consent=True, label=None)
        await until(lambda: one.view(ANNA).stage == "person", "the question")
        one.kiosk.card(HASHES[ANNA], "event-1")
        await until(lambda: one.view(ANNA).stage in {"verify", "done"}, "the write", 20)
        assert module.library
        await one.swap(other)
        one.holds = False  # does what is said again, however far the module was when it was swapped
        other.press(FINGERS[ANNA])
        await one.ended(ANNA)
        assert set(other.library) == {5}
        assert one.events("identity.erased") == [], "nothing was deleted, so nothing is proven"
        assert {row.state for row in one.references.book} == {State.PENDING}
        await one.unplug()
        one.plug(module)
        await until(lambda: one.modules.ready("finger-1") == "0001-SIM00001", "the first module", 20)
        await until(lambda: module.library == {}, "the template to go", 20)
        await until(lambda: {row.state for row in one.references.book} == {State.ERASED}, "the proof", 20)


async def test_nothing_is_begun_while_the_gateway_stops(desk: Box, port: PtyHost) -> None:
    """The pages are served until the devices have ended."""
    async with office(desk, port, SimulatedModule()) as one:
        await one.enroller.close()
        with pytest.raises(ContractError) as told:
            one.persons.begin(ANNA, device="finger-1", staff="staff-1", consent=True, label=None)
        assert told.value.code == "no_module"
        assert not one.kiosk.view.lent


async def test_an_enrolment_that_dies_holds_up_nobody_and_is_noticed(
    desk: Box, port: PtyHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(*_: object, **__: object) -> None:
        raise StoreDamaged("a torn page")

    async with office(desk, port, SimulatedModule()) as one:
        watched = asyncio.create_task(one.enroller.until_broken())
        with monkeypatch.context() as patch:
            patch.setattr(one.references, "commit", damaged)
            assert (await one.enrol(ANNA)).ending == Ending(Outcome.FAILED, "broken")
        with pytest.raises(StoreDamaged):
            await watched
        await one.persons.release(ANNA, staff="staff-1", reason="supervision is over")


async def test_a_person_left_out_by_the_roster_is_deleted_after_a_day(desk: Box, port: PtyHost) -> None:
    module = SimulatedModule()
    async with office(desk, port, module) as one:
        await one.enrol(ANNA)
        await one.enrol(BORIS)
        give(desk, ROSTER[1:], version=2)
        await one.keeper.look()
        await one.releases.look()
        assert len(module.library) == 2, "the center may put a mistake right"
        one.clock.wall_ms += 24 * 3600 * 1000
        await one.releases.look()
        await until(lambda: one.events("identity.erased"), "the proof", 20)
        assert module.library == {1: FINGERS[BORIS].template}
        assert one.events("identity.erased")[0]["data"]["reason"] == "left_out"


async def test_nothing_of_it_can_be_read_on_disk_without_the_key(desk: Box, port: PtyHost) -> None:
    async with office(desk, port, SimulatedModule()) as one:
        await one.enrol(ANNA)
    with closing(sqlite3.connect(desk.store)) as db:
        rows = db.execute("SELECT digest, sealed FROM enrolment").fetchall()
    assert len(rows) == 1
    assert not any(word in cell for cell in rows[0] for word in (b"p-0000", b"SIM00001", b"finger"))
