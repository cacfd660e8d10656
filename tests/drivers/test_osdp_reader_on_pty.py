"""The OSDP driver on real ptys through real pyserial: cards, faults, unplugging, a slow line."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.osdp_reader import Badge, Entered
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.osdp.codes import Command
from tests.drivers.osdp_bench import CARD, OsdpBench, osdp_settings, secured

BenchMaker = Callable[..., OsdpBench]


@pytest.fixture
async def make(port: PtyHost) -> AsyncIterator[BenchMaker]:
    """Benches on the port; stopped at the end."""
    made: list[OsdpBench] = []

    def make_one(reader: SimulatedOsdpReader | None = None, *, baud: int = 115200) -> OsdpBench:
        link = SerialLink(str(port.link), SerialSettings(baud=baud))
        made.append(OsdpBench(reader or secured(), link, port, osdp_settings(baud=baud)))
        return made[-1]

    yield make_one
    for bench in made:
        await bench.stop()


async def shown(bench: OsdpBench) -> object:
    asking = asyncio.create_task(bench.driver.presented(timeout_s=15))
    await asyncio.sleep(0.4)
    bench.reader.present(CARD)
    return await asking


async def test_a_card_and_a_code_are_read_and_the_verdict_is_shown(make: BenchMaker) -> None:
    bench = make()
    await bench.until_ready()
    assert await shown(bench) == Badge(CARD)
    asking = asyncio.create_task(bench.driver.presented(timeout_s=15))
    await asyncio.sleep(0.4)
    bench.reader.press(b"1870\r")
    assert await asking == Entered("1870")
    await bench.driver.show(accepted=False)
    assert len(bench.reader.shown) == 2


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.NOISE_BEFORE,
        FaultKind.NOISE_INSIDE,
        FaultKind.CUT,
        FaultKind.CHECKSUM,
        FaultKind.MUTE,
        FaultKind.HUGE,
    ],
)
async def test_one_spoilt_reply_loses_no_card(make: BenchMaker, kind: FaultKind) -> None:
    bench = make()
    await bench.until_ready()
    bench.reader.faults.add(Fault(kind, Command.POLL, times=2))
    assert await shown(bench) == Badge(CARD)
    assert not bench.running.done()


async def test_a_slow_line_of_9600_baud_is_waited_for(make: BenchMaker, port: PtyHost) -> None:
    bench = make(secured(baud=9600), baud=9600)
    await bench.until_ready()
    assert port.baud == 9600
    assert await shown(bench) == Badge(CARD)


@pytest.mark.parametrize("moment", ["idle", "in the middle of a reply"])
async def test_an_unplugged_reader_is_lost_then_absent_then_back(
    make: BenchMaker, port: PtyHost, moment: str
) -> None:
    bench = make()
    await bench.until_ready()
    if moment == "idle":
        port.unplug()
    else:
        bench.reader.faults.add(Fault(FaultKind.UNPLUG, Command.POLL))
    error = await bench.end()
    assert (type(error), error.code) == (LinkLost, "unplugged")
    bench.restart()
    error = await bench.end()
    assert (type(error), error.code) == (LinkUnavailable, "absent")
    port.plug()
    bench.serving = asyncio.create_task(bench.reader.serve(port))
    bench.restart()
    await bench.until_ready(2)
    assert await shown(bench) == Badge(CARD)
