"""Several OSDP readers on one line: one question at a time, a mute one starves nobody, each has its own state."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from drivers.aes import aes
from drivers.errors import DriverError, LinkLost, LinkUnavailable, SettingsError
from drivers.events import BadgeRead, DeviceEvent
from drivers.links.memory_link import MemoryLink
from drivers.links.serial_port import SerialSettings
from drivers.links.shared_line import Place, SharedLine, place_on
from drivers.osdp_keys import give_key
from drivers.osdp_reader import OsdpReader
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.osdp_bus import SimulatedOsdpBus
from firmware_protocols.osdp.codes import Command
from firmware_protocols.osdp.decoder import CommandDecoder
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY
from tests.drivers.bench import RecordingHost, in_skipped_time, until
from tests.drivers.osdp_bench import SCBK, osdp_settings, secured


class Line:
    """A line with readers and a driver for each, supervised as the gateway does it."""

    def __init__(self, readers: Sequence[SimulatedOsdpReader], near: MemoryLink, far: MemoryLink) -> None:
        self.readers, self.near, self.far = list(readers), near, far
        self.shared = SharedLine(lambda _settings: near)
        self.hosts = [RecordingHost() for _ in readers]
        self.errors: list[list[str]] = [[] for _ in readers]
        self.serving = asyncio.create_task(SimulatedOsdpBus(self.readers).serve(far))
        self.running = [asyncio.create_task(self._drive(at)) for at in range(len(readers))]

    async def _drive(self, at: int) -> None:
        address = self.readers[at].address
        place = Place(self.near.name, address, line=self.shared)
        driver = OsdpReader(f"door-{at}", osdp_settings(address=address), self.hosts[at], place)
        while True:
            try:
                await driver.run()
            except DriverError as exc:
                self.errors[at].append(exc.code)
                await asyncio.sleep(2)

    async def until_ready(self, but: int | None = None, times: int = 1) -> None:
        await until(lambda: all(len(one.readies) >= times for n, one in enumerate(self.hosts) if n != but))

    async def stop(self) -> None:
        for task in [*self.running, self.serving]:
            task.cancel()
        await asyncio.gather(*self.running, self.serving, return_exceptions=True)


def readers(count: int) -> list[SimulatedOsdpReader]:
    return [secured(address=address, serial=0x18700100 + address) for address in range(count)]


@asynccontextmanager
async def line(count: int) -> AsyncIterator[Line]:
    near, far = MemoryLink.pair("line")
    await far.open()
    made = Line(readers(count), near, far)
    try:
        yield made
    finally:
        await made.stop()


def card(number: int) -> str:
    return f"{number:032b}"


def numbers(events: Sequence[DeviceEvent]) -> list[str]:
    return [event.number for event in events if isinstance(event, BadgeRead)]


@in_skipped_time
async def test_each_reader_has_its_own_events_and_its_own_light() -> None:
    async with line(4) as bus:
        await bus.until_ready()
        for at, reader in enumerate(bus.readers):
            reader.present(card(at))
        await until(lambda: all(len(reader.shown) == 2 for reader in bus.readers))
        assert [numbers(host.events) for host in bus.hosts] == [[card(at)] for at in range(4)]
        assert {host.readies[0].serial for host in bus.hosts} == {f"1870010{at}" for at in range(4)}
        assert not any(host.noises for host in bus.hosts)


@in_skipped_time
async def test_one_question_at_a_time() -> None:
    """Nothing is sent while an answer is due."""
    async with line(3) as bus:
        open_question: list[int] = []
        overlaps = 0

        class Watched:
            async def send(self, data: bytes) -> None:
                open_question.clear()
                await bus.far.send(data)

            async def receive(self) -> bytes:
                nonlocal overlaps
                data = await bus.far.receive()
                for found in CommandDecoder().feed(data):
                    if isinstance(found, Frame):
                        overlaps += bool(open_question)
                        open_question.append(found.address)
                return data

            def unplug(self) -> None:
                bus.far.unplug()

        bus.serving.cancel()
        bus.serving = asyncio.create_task(SimulatedOsdpBus(bus.readers).serve(Watched()))
        await bus.until_ready()
        await asyncio.sleep(20)
        asked = [reader.asked[Command.POLL] for reader in bus.readers]
        assert min(asked) > 0.8 * max(asked) > 50, "turns are shared fairly"
        assert overlaps == 0


@pytest.mark.parametrize("mutes", [1, 8])
def test_mute_readers_starve_nobody(mutes: int) -> None:
    @in_skipped_time
    async def run() -> None:
        async with line(2 + mutes) as bus:
            await bus.until_ready()
            for reader in bus.readers[2:]:
                reader.faults.add(Fault(FaultKind.MUTE, times=10**6))
            await asyncio.sleep(60)
            loop = asyncio.get_running_loop()
            waits = []
            for n in range(30):
                reader, host = bus.readers[n % 2], bus.hosts[n % 2]
                began, before = loop.time(), len(host.events)
                reader.present(card(100 + n))
                await until(lambda: len(host.events) > before)  # noqa: B023 - asked at once
                waits.append(loop.time() - began)
                await asyncio.sleep(0.37)
            assert max(waits) < 1.0, waits
            assert bus.errors[:2] == [[], []]
            for at in range(2, 2 + mutes):
                assert set(bus.errors[at]) == {"mute"}
            for reader in bus.readers[2:]:
                reader.faults.clear()
            began = loop.time()
            await until(lambda: all(len(host.readies) == 2 for host in bus.hosts[2:]))
            assert loop.time() - began < 6 + 2 * mutes, "those that are back are found"

    run()


@in_skipped_time
async def test_a_busy_reader_holds_up_nobody() -> None:
    async with line(2) as bus:
        await bus.until_ready()
        bus.readers[0].busy = 20
        began = asyncio.get_running_loop().time()
        bus.readers[1].present(card(1))
        await until(lambda: bool(bus.hosts[1].events))
        assert asyncio.get_running_loop().time() - began < 0.5
        bus.readers[0].present(card(0))
        await until(lambda: bool(bus.hosts[0].events))


@in_skipped_time
async def test_a_store_that_is_slow_for_one_holds_up_nobody() -> None:
    async with line(2) as bus:
        await bus.until_ready()
        bus.hosts[0].commit_s = 60
        bus.readers[0].present(card(0))
        await until(lambda: bool(bus.hosts[0].offered_at))
        bus.readers[1].present(card(1))
        await until(lambda: bool(bus.hosts[1].events))
        assert not bus.hosts[0].events


@in_skipped_time
async def test_an_open_case_and_a_wrong_key_are_that_reader_s_alone() -> None:
    async with line(3) as bus:
        await bus.until_ready()
        bus.readers[0].tampered(opened=True)
        bus.readers[1].scbk = bytes(16)
        bus.readers[1].forget()
        await until(lambda: bool(bus.errors[0] and bus.errors[1]))
        bus.readers[2].present(card(2))
        await until(lambda: bool(bus.hosts[2].events))
        assert (bus.errors[0][0], bus.errors[1][0], bus.errors[2]) == ("tampered", "wrong_key", [])
        bus.readers[0].tampered(opened=False)
        bus.readers[1].scbk = SCBK
        await bus.until_ready(but=2, times=2)


@in_skipped_time
async def test_answers_that_come_late_are_nobody_else_s() -> None:
    async with line(3) as bus:
        await bus.until_ready()
        for reader in bus.readers:
            reader.faults.add(Fault(FaultKind.LATE, Command.POLL, times=4))
        for n in range(5):
            for at, reader in enumerate(bus.readers):
                reader.present(card(10 * at + n))
            await asyncio.sleep(3)
        await asyncio.sleep(30)
        for at, host in enumerate(bus.hosts):
            told = numbers(host.events)
            assert len(set(told)) == len(told), "no badge twice"
            assert set(told) <= {card(10 * at + n) for n in range(5)}, "none of another reader's"
            assert len(told) >= 4


@in_skipped_time
async def test_a_pulled_cable_is_lost_for_all_and_comes_back_for_all() -> None:
    async with line(3) as bus:
        await bus.until_ready()
        for times in (2, 3):
            bus.far.unplug()
            await until(lambda: all(bus.errors))
            await asyncio.sleep(7)
            bus.far.plug()
            await bus.far.open()
            bus.serving = asyncio.create_task(SimulatedOsdpBus(bus.readers).serve(bus.far))
            await bus.until_ready(times=times)
        for codes in bus.errors:
            assert set(codes) <= {"unplugged", "absent", "closed"}
        bus.readers[1].present(card(1))
        await until(lambda: numbers(bus.hosts[1].events) == [card(1)])


@in_skipped_time
async def test_one_is_given_its_key_while_the_others_are_served() -> None:
    async with line(2) as bus:
        await bus.until_ready()
        fresh = SimulatedOsdpReader(address=7, scbk=DEFAULT_KEY, aes=aes)
        bus.readers.append(fresh)
        place = Place(bus.near.name, 7, line=bus.shared)
        giving = asyncio.create_task(
            give_key(place, 7, present=DEFAULT_KEY, new=SCBK, step=lambda _what: None, turn=place)
        )
        for n in range(4):
            bus.readers[n % 2].present(card(n))
            await until(lambda n=n: sum(len(host.events) for host in bus.hosts) == n + 1)  # type: ignore[misc]
        await giving
        assert fresh.scbk == SCBK
        assert bus.errors == [[], []]
        assert not any(host.noises for host in bus.hosts)


# -- places -------------------------------------------------------------------------------------------------


async def test_two_devices_with_one_address_or_two_speeds_are_told() -> None:
    near, _far = MemoryLink.pair("line")
    shared = SharedLine(lambda _settings: near)
    first = Place("line", 1, SerialSettings(baud=9600), line=shared)
    await first.open()
    for place, code in (
        (Place("line", 1, SerialSettings(baud=9600), line=shared), "address_taken"),
        (Place("line", 2, SerialSettings(baud=115200), line=shared), "other_speed"),
    ):
        with pytest.raises(LinkUnavailable) as told:
            await place.open()
        assert told.value.code == code
        await place.close()
    await first.send(b"x")
    await first.close()
    other = Place("line", 2, SerialSettings(baud=115200), line=shared)
    await other.open()
    await other.close()


async def test_whoever_left_or_was_lost_cannot_use_the_line_that_was_opened_anew() -> None:
    near, far = MemoryLink.pair("line")
    shared = SharedLine(lambda _settings: near)
    one, two = (Place("line", address, line=shared) for address in (1, 2))
    await one.open()
    await two.open()
    far.unplug()
    with pytest.raises(LinkLost):
        await one.send(b"x")
    await one.close()
    far.plug()
    await one.open()
    with pytest.raises(LinkLost, match="opened anew"):
        await two.send(b"x")
    await one.send(b"x")
    await two.close()
    await one.send(b"y")
    await one.close()


async def test_who_gives_up_waiting_for_the_turn_leaves_it_to_others() -> None:
    near, _far = MemoryLink.pair("line")
    shared = SharedLine(lambda _settings: near)
    places = [Place("line", address, line=shared) for address in range(3)]
    for place in places:
        await place.open()
    places[1].answered(silent=True)
    places[2].answered(silent=True)
    await places[0].acquire()
    waiting = [asyncio.create_task(place.acquire()) for place in places[1:]]
    await asyncio.sleep(0.01)
    for task in waiting:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    places[0].release()
    await asyncio.wait_for(places[0].acquire(), 1)
    places[0].release()
    await asyncio.wait_for(places[1].acquire(), 1)
    places[1].release()


def test_a_place_on_no_wire_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="Bluetooth"):
        place_on("door-1", "ble:AA:BB:CC:DD:EE:FF", 0, SerialSettings())
