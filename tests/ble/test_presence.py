"""From the air to the disk: a wearable comes, the adapter fails, bluetoothd restarts, the wearable goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.beacon_listener import BeaconListener, BeaconSettings
from drivers.links.ble_radio import Radio
from drivers.listening import BeaconRules
from gateway.metrics import Metrics
from gateway.supervisor import DeviceTask
from gateway.view import DeviceView
from tests.ble.bed import Bed
from tests.drivers.bench import DEADLINE_S, until
from tests.gateway.test_tracking_presence_desk import WRITTEN, Room, at_work

NEAR, STRANGER = WRITTEN.removeprefix("ble:").upper(), "F0:F1:F2:F3:F4:09"
RULES = BeaconRules(left_after_s=0.8, calm_s=0.5)
SETTINGS = BeaconSettings(rules=RULES, hand_over_s=0.05)


@asynccontextmanager
async def supervised(room: Room, radio: Radio) -> AsyncIterator[DeviceTask]:
    view = DeviceView(id="ears", kind="beacon.ble", state="unknown", since_ms=0, port="")
    task = DeviceTask(
        view,
        ingest=room.ingest,
        alarms=room.alarms,
        clock=room.clock,
        metrics=Metrics(),
        changed=lambda: None,
        presence=room.desk,
    )
    serving = asyncio.create_task(task.serve(BeaconListener(SETTINGS, task, radio)))
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield task
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    assert serving.cancelled(), "it served until the end"


async def test_who_cannot_hear_sees_nobody_leave(bed: Bed, tmp_path: Path) -> None:
    band = await bed.wearable(NEAR)
    await bed.wearable(STRANGER)
    async with at_work(tmp_path) as room, supervised(room, bed.radio()) as ears:
        await until(lambda: room.story() == [("entered", "p-1")])
        await bed.adapter.power(on=False)
        await until(lambda: ears.view.state == "offline")
        assert ears.view.code == "powered_off"
        await asyncio.sleep(1.0)  # longer than it takes to be gone
        await bed.adapter.power(on=True)
        await until(lambda: ears.view.state == "online")
        await asyncio.sleep(0.4)
        await bed.kill_bluetoothd()
        await asyncio.sleep(1.0)
        await bed.start_bluetoothd()
        await asyncio.sleep(1.0)
        assert room.story() == [("entered", "p-1")]
        band.walk_away()
        await until(lambda: len(room.story()) == 2)
        assert room.story()[1] == ("left", "p-1")
        assert room.events()[1]["data"]["quiet"] is False
        band.come_back()
        await until(lambda: len(room.story()) == 3)
        await until(lambda: ears.view.events_total == 3)  # counted when the commit has returned
        assert room.counts["unknown"] > 0
        assert STRANGER.encode() not in room.written()


async def test_a_gateway_that_was_killed_goes_on_where_it_was(bed: Bed, tmp_path: Path) -> None:
    band = await bed.wearable(NEAR)
    await bed.wearable(STRANGER)
    radio = bed.radio()
    async with at_work(tmp_path, clean=False) as room, supervised(room, radio):
        await until(lambda: room.story() == [("entered", "p-1")])
    await asyncio.sleep(1.0)
    async with at_work(tmp_path) as room, supervised(room, radio) as ears:
        await until(lambda: ears.view.state == "online")
        await asyncio.sleep(1.2)
        assert room.story() == [("entered", "p-1")]
        band.walk_away()
        await until(lambda: len(room.story()) == 2)
    assert room.story()[1] == ("left", "p-1")
