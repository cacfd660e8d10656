"""The face module's driver through pyserial on ptys: real time, real chunks."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from drivers.errors import LinkLost, LinkUnavailable
from drivers.factors import Enrolled, Matched, NotMatched
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.registry import build
from drivers.simulators.face import SERIAL, SimulatedFaceModule
from drivers.simulators.faces import Face, picture_of
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from tests.drivers.bench import RecordingHost
from tests.drivers.face_bench import FaceBench

ANNA = Face("anna")
BenchMaker = Callable[..., FaceBench]


@pytest.fixture
async def make(port: PtyHost) -> AsyncIterator[BenchMaker]:
    made: list[FaceBench] = []

    def make_one(module: SimulatedFaceModule | None = None, **settings: object) -> FaceBench:
        link = SerialLink(str(port.link), SerialSettings(baud=115200))
        bench = FaceBench(link, port, module or SimulatedFaceModule(look_notes=1), **settings)
        made.append(bench)
        return bench

    yield make_one
    for bench in made:
        await bench.stop()


async def test_enrol_identify_erase(make: BenchMaker) -> None:
    bench = make()
    await bench.until_ready()
    bench.module.stand(ANNA)
    assert await bench.enrol() == Enrolled(1, SERIAL)
    assert await bench.identify() == Matched(1, None, SERIAL)
    await bench.driver.erase([1])
    assert await bench.identify() == NotMatched("unknown")
    bench.module.stand(picture_of(ANNA))
    assert await bench.identify() == NotMatched("liveness")
    assert set(bench.host.noises) <= {"unsolicited"}  # READY, if the port was open early enough


async def test_a_slow_line_breaks_no_frame(make: BenchMaker) -> None:
    bench = make(SimulatedFaceModule(look_notes=1, baud=9600))
    await bench.until_ready()
    bench.host.noises.clear()  # opening the port cut READY off
    bench.module.know(ANNA)
    bench.module.stand(ANNA)
    assert await bench.identify() == Matched(1, None, SERIAL)
    assert not bench.host.noises


@pytest.mark.parametrize(
    "kind", [FaultKind.NOISE_BEFORE, FaultKind.CUT, FaultKind.CHECKSUM, FaultKind.MUTE, FaultKind.HUGE]
)
async def test_spoilt_notes_do_not_stop_the_verdict(make: BenchMaker, kind: FaultKind) -> None:
    bench = make(SimulatedFaceModule(look_notes=3))
    await bench.until_ready()
    bench.module.know(ANNA)
    bench.module.stand(ANNA)
    bench.module.faults.add(Fault(kind, MsgId.NOTE, times=2))
    assert await bench.identify() == Matched(1, None, SERIAL)
    assert bench.host.noises or kind is FaultKind.MUTE


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.3])
async def test_a_cancelled_question_leaves_the_module_idle(make: BenchMaker, after_s: float) -> None:
    bench = make()
    await bench.until_ready()
    asking = asyncio.create_task(bench.identify())
    await asyncio.sleep(after_s)
    asking.cancel()
    await asyncio.wait([asking])
    assert await bench.driver.slots() == frozenset()
    assert not bench.module.working


async def test_an_unplugged_module_is_lost_then_absent_then_back(make: BenchMaker, port: PtyHost) -> None:
    bench = make()
    await bench.until_ready()
    bench.module.know(ANNA)
    bench.module.stand(ANNA)
    bench.module.faults.add(Fault(FaultKind.UNPLUG, MsgId.VERIFY))
    with pytest.raises(LinkLost):
        await bench.identify()
    error = await bench.end()
    assert (type(error), error.code) == (LinkLost, "unplugged")
    bench.restart()
    error = await bench.end()
    assert (type(error), error.code) == (LinkUnavailable, "absent")
    port.plug()
    bench.serving = asyncio.create_task(bench.module.serve(port))
    bench.restart()
    await bench.until_ready(2)
    assert await bench.identify() == Matched(1, None, SERIAL)


async def test_second_driver_on_the_same_module_is_told_that_it_is_in_use(
    make: BenchMaker, port: PtyHost
) -> None:
    bench = make()
    await bench.until_ready()
    with pytest.raises(LinkUnavailable) as caught:
        await build("face.efaa_xor16", "face-2", {"port": str(port.link)}, RecordingHost()).run()
    assert caught.value.code == "in_use"
    assert await bench.driver.slots() == frozenset()
