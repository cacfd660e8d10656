"""The card reader's driver on real ptys through real pyserial: the same faults, unplugging, slow lines, floods."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from itertools import islice

import pytest

from drivers.errors import LinkLost, LinkUnavailable
from drivers.events import CardRead, CardRefused
from drivers.links.serial_link import BUFFER_LIMIT, SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.registry import build
from drivers.simulators.cards import cards
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.idcard import Habit, SimulatedReader
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.idcard_sam import exchanges
from firmware_protocols.idcard_sam.commands import Command
from tests.drivers.bench import Bench, RecordingHost, make_bench, until
from tests.drivers.fault_table import FAULTS, FaultCase, check_fault

CARDS = tuple(islice(cards(seed=21), 6))
BenchMaker = Callable[..., Bench]


@pytest.fixture
async def make(port: PtyHost) -> AsyncIterator[BenchMaker]:
    """Benches on the port; stopped at the end."""
    made: list[Bench] = []

    def make_one(reader: SimulatedReader | None = None, *, baud: int = 115200, **settings: object) -> Bench:
        link = SerialLink(str(port.link), SerialSettings(baud=baud))
        bench = make_bench(link, port, reader, None, poll_interval_ms=20, baud=baud, **settings)
        made.append(bench)
        return bench

    yield make_one
    for bench in made:
        await bench.stop()


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that never ends is given up within a second; at home it takes 3.2 s. Shorter, and a busy machine
    loses a card that was read.
    """
    monkeypatch.setattr(exchanges, "READ_S", 0.8)


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize("case", FAULTS, ids=str)
async def test_spoilt_reply(make: BenchMaker, case: FaultCase) -> None:
    await check_fault(make(), case)


@pytest.mark.parametrize("habit", list(Habit))
async def test_one_event_for_each_card_and_none_for_lying_on(make: BenchMaker, habit: Habit) -> None:
    bench = make(SimulatedReader(habit=habit))
    for count, card in enumerate(CARDS, start=1):
        bench.reader.present(card)
        await bench.until_events(count)
        await bench.until_looked(3)
        bench.reader.lift()
        await bench.until_looked(4)
    assert [type(event) for event in bench.host.events] == [CardRead] * len(CARDS)
    assert not bench.host.noises


@pytest.mark.usefixtures("short_wait")  # so that the time on the wire decides
async def test_slow_line_of_9600_baud_is_waited_for(make: BenchMaker, port: PtyHost) -> None:
    bench = make(SimulatedReader(baud=9600), baud=9600)
    await bench.until_ready()
    assert port.baud == 9600
    bench.reader.present(CARDS[0])
    await bench.until_events(1)
    assert len(bench.host.read) == 1
    assert not bench.host.noises


@pytest.mark.parametrize("moment", ["idle", "in the middle of a reply"])
async def test_unplugged_reader_is_lost_then_absent_then_back(
    make: BenchMaker, port: PtyHost, moment: str
) -> None:
    bench = make()
    await bench.until_ready()
    if moment == "idle":
        port.unplug()
    else:
        bench.reader.faults.add(Fault(FaultKind.UNPLUG, Command.READ_CARD))
        bench.reader.present(CARDS[0])
    error = await bench.end()
    assert (type(error), error.code) == (LinkLost, "unplugged")
    assert bench.host.events == []
    bench.restart()
    error = await bench.end()
    assert (type(error), error.code) == (LinkUnavailable, "absent")
    port.plug()
    bench.serving = asyncio.create_task(bench.reader.serve(port))
    bench.restart()
    bench.reader.present(CARDS[0])
    async with asyncio.timeout(10):
        await bench.until_events(1)
    assert len(bench.host.readies) == 2
    assert len(bench.host.read) == 1


async def test_second_driver_on_the_same_reader_is_told_that_it_is_in_use(
    make: BenchMaker, port: PtyHost
) -> None:
    first = make()
    await first.until_ready()
    with pytest.raises(LinkUnavailable) as caught:
        await build("idcard.sam", "door-2", {"port": str(port.link)}, RecordingHost()).run()
    assert caught.value.code == "in_use"
    first.reader.present(CARDS[0])
    await first.until_events(1)


async def test_flood_of_noise_is_counted_and_held_in_bounded_memory(port: PtyHost) -> None:
    link = SerialLink(str(port.link))
    bench = make_bench(link, port, None, None, poll_interval_ms=20)
    await bench.until_ready()
    bench.serving.cancel()
    await asyncio.wait([bench.serving])
    # Each piece claims to be the longest frame there is: the decoder waits for it as long as it can.
    rubbish = (bytes.fromhex("AAAAAA9669090A") + os.urandom(57)) * 20_000
    tracemalloc.start()
    sending = asyncio.create_task(port.send(rubbish))
    try:
        base, _ = tracemalloc.get_traced_memory()
        peak_buffered = 0
        while not sending.done() and not bench.running.done():
            peak_buffered = max(peak_buffered, link.buffered)
            await asyncio.sleep(0.005)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bench.host.noises.total() > 100_000
    assert peak_buffered < 2 * BUFFER_LIMIT
    assert peak - base < 1_000_000
    sending.cancel()
    await bench.stop()
    await asyncio.wait([sending])


async def test_driver_that_is_stopped_frees_the_port(make: BenchMaker, port: PtyHost) -> None:
    bench = make()
    await bench.until_ready()
    bench.running.cancel()
    await asyncio.wait([bench.running])
    other = SerialLink(str(port.link))
    await other.open()
    await other.close()


async def test_refusing_store_does_not_stop_the_driver(make: BenchMaker) -> None:
    bench = make()
    host: RecordingHost = bench.host
    host.refusing = True
    bench.reader.present(CARDS[0])
    await bench.until(lambda: len(host.offered_at) == 1)
    bench.reader.lift()
    await bench.until_looked(4)
    host.refusing = False
    bench.reader.present(CARDS[1])
    await bench.until_events(1)
    assert len(host.read) == 1
    assert not any(isinstance(event, CardRefused) for event in host.events)


async def test_far_end_that_talks_before_it_is_asked_is_ignored(make: BenchMaker, port: PtyHost) -> None:
    await port.send(b"boot message of an adapter\r\n")
    bench = make()
    await bench.until_ready()
    # What waited when the port was opened was dropped by pyserial; nothing of it reached the decoder.
    assert not bench.host.noises
    await until(lambda: bench.reader.asked[Command.FIND_CARD] > 3)
