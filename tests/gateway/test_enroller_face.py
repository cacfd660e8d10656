"""A face is enrolled, checks in and is released, from staff to the module's own bytes on a pty."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.face_module import FaceModule
from drivers.simulators.face import SimulatedFaceModule
from drivers.simulators.faces import Face
from drivers.simulators.pty_host import PtyHost
from gateway.checkin.enrolment_steps import Ending, Outcome
from gateway.checkin.session import Stage
from tests.gateway import rosters
from tests.gateway.roster_box import roster_box
from tests.gateway.technicians_box import Box
from tests.gateway.test_enroller import ANNA, BORIS, HASHES, Office, give, office
from tests.gateway.uplink_bench import until

FACES: Any = {ref: Face(ref) for ref in HASHES}
PERSONS = [rosters.person(n) | {"methods": ["face", "staff"]} for n in (0, 1)]


class Module(SimulatedFaceModule):
    """Played by whoever plays a finger."""

    def press(self, face: Face) -> None:
        self.stand(face)

    def lift(self) -> None:
        self.leave()


class FaceOffice(Office):
    device, kind = "face-1", "face.efaa_xor16"

    def build(self) -> Any:
        return FaceModule.build(self.device, {"port": str(self.port.link)}, self.task)


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    made = roster_box(tmp_path)
    give(made, PERSONS)
    return made


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[PtyHost]:
    async with PtyHost(tmp_path / "usb-Test_Face_0001-if00-port0") as host:
        yield host


async def test_a_face_is_enrolled_checks_in_and_is_released_with_proof(desk: Box, port: PtyHost) -> None:
    module = Module()
    async with office(desk, port, module, kind=FaceOffice) as one:
        assert (await one.enrol(ANNA, FACES[ANNA])).ending == Ending(Outcome.ENROLLED)
        (enrolled,) = one.events("identity.enrolled")
        assert (enrolled["subject"], enrolled["data"]["method"]) == (f"person/{ANNA}", "face")
        assert list(module.users.values()) == [ANNA]
        one.finger = FACES[ANNA]
        one.kiosk.card(HASHES[ANNA], "event-2")
        await until(lambda: one.kiosk.view.stage is Stage.SHOWN, "the check-in", 20)
        (done,) = one.events("checkin.completed")
        assert done["data"]["method"] == "face"
        module.leave()
        await one.persons.release(ANNA, staff="staff-1", reason="over")
        await until(lambda: one.events("identity.erased"), "the proof", 20)
    assert module.users == {}


async def test_the_face_of_another_is_refused_and_both_are_named(desk: Box, port: PtyHost) -> None:
    async with office(desk, port, Module(), kind=FaceOffice) as one:
        await one.enrol(ANNA, FACES[ANNA])
        ended = await one.enrol(BORIS, FACES[ANNA])
        assert ended.ending == Ending(Outcome.REFUSED, "known_as_another", ANNA)
