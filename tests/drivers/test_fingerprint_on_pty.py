"""The fingerprint driver on real ptys through real pyserial: questions, faults, unplugging, a slow line."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from drivers.errors import LinkLost, LinkUnavailable
from drivers.factors import Enrolled, Matched, NotMatched
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.fingerprint import SimulatedModule
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import exchanges
from firmware_protocols.zfm.family import Family
from tests.drivers.finger_bench import LI, WANG, FingerBench, Hand

BenchMaker = Callable[..., FingerBench]
SERIALS = {Family.GROW: "0001-SIM00001", Family.SYNOCHIP: b"SIM00001".hex().upper()}


@pytest.fixture
async def make(port: PtyHost, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BenchMaker]:
    """Benches on the port; stopped at the end. What is lost is asked again sooner than at home."""
    monkeypatch.setattr(exchanges, "REPLY_S", 0.3)
    monkeypatch.setattr(exchanges, "LATE_S", 0.1)
    made: list[FingerBench] = []

    def make_one(module: SimulatedModule | None = None, *, baud: int = 57600) -> FingerBench:
        link = SerialLink(str(port.link), SerialSettings(baud=baud))
        made.append(FingerBench(module or SimulatedModule(), link, port, baud=baud))
        return made[-1]

    yield make_one
    for bench in made:
        await bench.stop()


@pytest.mark.parametrize("family", list(Family))
async def test_a_finger_is_enrolled_and_recognised(make: BenchMaker, family: Family) -> None:
    bench = make(SimulatedModule(family))
    await bench.until_ready()
    driver, module = bench.driver, bench.module
    assert await driver.enrol(slot=None, timeout_s=9, guide=Hand(module, LI, LI)) == Enrolled(
        0, SERIALS[family]
    )
    module.lift()
    assert await driver.identify(timeout_s=9, guide=Hand(module, LI)) == Matched(0, 128, SERIALS[family])
    module.lift()
    assert await driver.identify(timeout_s=9, guide=Hand(module, WANG)) == NotMatched("unknown")
    await driver.erase([0])
    assert await driver.slots() == frozenset()
    await driver.show(accepted=False)
    assert len(module.lights) == 1


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.NOISE_BEFORE,
        FaultKind.NOISE_INSIDE,
        FaultKind.CUT,
        FaultKind.CHECKSUM,
        FaultKind.MUTE,
        FaultKind.HUGE,
        FaultKind.TWICE,
        FaultKind.ASK_AGAIN,
    ],
)
@pytest.mark.parametrize("on", [c.GenImg, c.Search])
async def test_one_spoilt_reply_changes_no_answer(make: BenchMaker, kind: FaultKind, on: type) -> None:
    bench = make()
    await bench.until_ready()
    bench.module.know(5, LI)
    bench.module.faults.add(Fault(kind, on))
    assert await bench.driver.identify(timeout_s=9, guide=Hand(bench.module, LI)) == Matched(
        5, 128, SERIALS[Family.GROW]
    )
    assert not bench.running.done()


async def test_slow_line_of_9600_baud_is_waited_for(make: BenchMaker, port: PtyHost) -> None:
    bench = make(SimulatedModule(baud=9600), baud=9600)
    await bench.until_ready()
    assert port.baud == 9600
    bench.module.know(5, LI)
    assert await bench.driver.identify(timeout_s=9, guide=Hand(bench.module, LI)) == Matched(
        5, 128, SERIALS[Family.GROW]
    )
    # The bare 55 comes before or after the port is open; a busy machine makes an answer late.
    assert set(bench.host.noises) <= {"ready", "unsolicited"}


@pytest.mark.parametrize("moment", ["idle", "in the middle of a question"])
async def test_unplugged_module_is_lost_then_absent_then_back(
    make: BenchMaker, port: PtyHost, moment: str
) -> None:
    bench = make()
    await bench.until_ready()
    bench.module.know(5, LI)
    if moment == "idle":
        port.unplug()
    else:
        bench.module.faults.add(Fault(FaultKind.UNPLUG, c.Search))
        with pytest.raises(LinkLost):
            await bench.driver.identify(timeout_s=9, guide=Hand(bench.module, LI))
    error = await bench.end()
    assert (type(error), error.code) == (LinkLost, "unplugged")
    bench.restart()
    error = await bench.end()
    assert (type(error), error.code) == (LinkUnavailable, "absent")
    port.plug()
    bench.serving = asyncio.create_task(bench.module.serve(port))
    bench.restart()
    await bench.until_ready(2)
    assert isinstance(await bench.driver.identify(timeout_s=9, guide=Hand(bench.module, LI)), Matched)
