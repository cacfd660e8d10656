"""The OSDP driver on real ptys through real pyserial: cards, faults, unplugging, a slow line."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from drivers.errors import LinkLost, LinkUnavailable
from drivers.events import BadgeForm, BadgeRead
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
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


async def presented(bench: OsdpBench) -> None:
    """A badge that is held to the reader makes its event."""
    before = len(bench.host.events)
    bench.reader.present(CARD)
    await bench.until_read(before + 1)
    assert bench.host.events[before:] == [BadgeRead(form=BadgeForm.BITS, number=CARD)]


async def test_a_badge_is_read_and_the_verdict_is_shown(make: BenchMaker) -> None:
    bench = make()
    await bench.until_ready()
    await presented(bench)
    await bench.until(lambda: len(bench.reader.shown) == 2)
    bench.reader.press(b"1870\r")
    await bench.until(lambda: bool(bench.host.noises["keys"]))
    assert len(bench.host.events) == 1


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
    await presented(bench)
    assert not bench.running.done()


async def test_a_slow_line_of_9600_baud_is_waited_for(make: BenchMaker, port: PtyHost) -> None:
    bench = make(secured(baud=9600), baud=9600)
    await bench.until_ready()
    assert port.baud == 9600
    await presented(bench)


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
    await presented(bench)
