"""Simulated wearables of every family over Bluetooth: a real driver, real bleak, a bluetoothd of our own, Bumble."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.driver import Driver
from drivers.errors import LinkLost
from drivers.registry import build
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.tracker import Part, SimulatedTracker
from drivers.simulators.tracker_families import FAMILIES
from tests.ble.uart_wire import UartWire
from tests.drivers.bench import DEADLINE_S, RecordingHost, until

if TYPE_CHECKING:
    from tests.ble.bed import Bed
    from tests.ble.wearable import Wearable

FIRST = "F0:F1:F2:F3:F4:01"
NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)


class Room:
    """One wearable, its driver, and the radio between them."""

    def __init__(self, band: "Wearable", family: str) -> None:
        self.band = band
        self.host = RecordingHost()
        self.tracker = SimulatedTracker(family)
        self.driver: Driver = build(
            f"tracker.{family}", "band-1", {"port": f"ble:{FIRST.lower()}"}, self.host
        )

    async def meet(self) -> None:
        """The gateway connects; from then on the wearable is heard."""
        times = len(self.host.readies)
        self.running = asyncio.ensure_future(self.driver.run())
        await until(lambda: len(self.host.readies) > times or self.running.done())
        self.serving = asyncio.create_task(self.tracker.serve(UartWire(self.band)))

    @property
    def fixes(self) -> int:
        return len({one.fix for one in self.host.reports if one.fix is not None})

    async def part(self) -> None:
        for task in (self.running, self.serving):
            task.cancel()
        await asyncio.wait([self.running, self.serving])


@pytest.mark.parametrize("family", FAMILIES)
async def test_it_is_heard_and_again_when_it_comes_back(family: str, bed: "Bed") -> None:
    room = Room(await bed.wearable(), family)
    async with asyncio.timeout(DEADLINE_S):
        room.tracker.take_fix(NOW)
        await room.meet()
        await until(lambda: room.fixes == 1 and not room.tracker.kept)
        await room.band.hang_up()
        with pytest.raises(LinkLost):
            await room.running
        await room.serving
        room.tracker.take_fix(NOW + timedelta(seconds=1))
        await room.meet()
        await until(lambda: room.fixes == 2 and not room.tracker.kept)
        await room.part()
    assert {one.device_id for one in room.host.reports} == {room.tracker.device_id}


@pytest.mark.parametrize("kind", [FaultKind.NOISE_BEFORE, FaultKind.TWICE])
async def test_what_is_spoilt_in_the_air_does_not_hide_what_comes_next(kind: FaultKind, bed: "Bed") -> None:
    room = Room(await bed.wearable(), "gt06")
    room.tracker.faults.add(Fault(kind, Part.RECORD))
    async with asyncio.timeout(DEADLINE_S):
        await room.meet()
        for second in range(3):
            room.tracker.take_fix(NOW + timedelta(seconds=second))
        await until(lambda: room.fixes == 3 and not room.tracker.kept)
        await room.part()
