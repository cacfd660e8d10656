"""Devices are connected one at a time, values are read and told, and each way to lose them has its name."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceFault, DeviceMismatch, LinkLost, LinkUnavailable
from drivers.links.ble_session import OnFull
from tests.drivers.bench import DEADLINE_S, until

if TYPE_CHECKING:
    from tests.ble.bed import Bed

FIRST, SECOND, THIRD = (f"F0:F1:F2:F3:F4:0{i}" for i in (1, 2, 3))
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
BROKEN = "0000a005-0000-1000-8000-00805f9b34fb"
NAME = f"ble:{FIRST}"


async def test_values_are_read_and_told(bed: "Bed") -> None:
    band = await bed.wearable()
    async with asyncio.timeout(DEADLINE_S):
        session = await bed.radio().connect(FIRST, NAME)
        assert await session.read(BATTERY) == b"\x5a"
        values = await session.subscribe(BATTERY, on_full=OnFull.DROP_OLDEST)
        for percent in (89, 88):
            await band.tell_battery(percent)
        assert [await values.receive(), await values.receive()] == [b"\x59", b"\x58"]
        await session.close()
        await until(lambda: not band.connected)


async def test_what_a_device_refuses_or_has_not_is_its_fault_and_the_connection_stays(bed: "Bed") -> None:
    await bed.wearable(uart=False)
    async with asyncio.timeout(DEADLINE_S):
        session = await bed.radio().connect(FIRST, NAME)
        with pytest.raises(DeviceFault, match="ATT error 0x80") as refused:
            await session.read(BROKEN)
        with pytest.raises(DeviceMismatch) as absent:
            await session.read("00002a37-0000-1000-8000-00805f9b34fb")
        assert (refused.value.code, absent.value.code) == ("att_error", "no_characteristic")
        assert await session.read(BATTERY) == b"\x5a"
        await session.close()


@pytest.mark.fake_bluez
async def test_devices_are_connected_one_at_a_time(bed: "Bed") -> None:
    """The fake refuses a second attempt meanwhile, as BlueZ does; none may fail."""
    addresses = [f"F0:F1:F2:F3:F5:{index:02X}" for index in range(5)]
    for address in addresses:
        await bed.wearable(address)
    radio = bed.radio()
    bed.bluez.delay_s["Device1.Connect"] = 0.05
    async with asyncio.timeout(DEADLINE_S):
        sessions = await asyncio.gather(*(radio.connect(one, f"ble:{one}") for one in addresses))
        assert [await session.read(BATTERY) for session in sessions] == [b"\x5a"] * 5
        await asyncio.gather(*(session.close() for session in sessions))
    assert bed.bluez.calls.count("Device1.Connect") == 5
    assert radio.waiting == 0


@pytest.mark.fake_bluez
async def test_a_device_that_does_not_connect_holds_up_the_others_for_one_attempt_at_most(bed: "Bed") -> None:
    bad = await bed.wearable(FIRST)
    await bed.wearable(SECOND)
    radio = bed.radio(attempt_s=0.6, connect_s=5)
    bed.bluez.delay_s["Device1.Connect"] = 0.05
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S):
        failing = asyncio.create_task(radio.connect(FIRST, NAME))
        await until(lambda: "Device1.Connect" in bed.bluez.calls)
        bad.walk_away()  # heard a moment ago
        began = loop.time()
        session = await radio.connect(SECOND, f"ble:{SECOND}")
        assert 0.3 < loop.time() - began < 3
        assert not failing.done()
        failing.cancel()
        await asyncio.wait({failing})
        await session.close()


@pytest.mark.fake_bluez
async def test_a_device_that_is_not_there_is_not_waited_for_in_line(bed: "Bed") -> None:
    await bed.wearable(SECOND)
    radio = bed.radio(connect_s=0.8)
    async with asyncio.timeout(DEADLINE_S):
        absent = asyncio.create_task(radio.connect(FIRST, NAME))
        await asyncio.sleep(0.1)
        session = await radio.connect(SECOND, f"ble:{SECOND}")
        assert not absent.done()
        with pytest.raises(LinkUnavailable, match=rf"{NAME}: not heard; bring it near") as caught:
            await absent
        await session.close()
    assert caught.value.code == "not_near"
    assert bed.bluez.calls.count("Device1.Connect") == 1


@pytest.mark.fake_bluez
@pytest.mark.parametrize("answering", ["Device1.Disconnect works", "Device1.Disconnect hangs as well"])
async def test_a_connect_that_hangs_has_a_deadline_and_the_next_one_works(
    bed: "Bed", monkeypatch: pytest.MonkeyPatch, answering: str
) -> None:
    monkeypatch.setattr("drivers.links.ble_door.GRACE_S", 0.1)
    await bed.wearable()
    radio = bed.radio(attempt_s=0.3, connect_s=1.0)
    bed.bluez.hang |= {"Device1.Connect"}
    if answering.endswith("as well"):
        bed.bluez.hang |= {"Device1.Disconnect"}
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkUnavailable, match="did not connect") as caught:
            await radio.connect(FIRST, NAME)
        assert loop.time() - began < 2.5
        bed.bluez.hang.clear()
        session = await radio.connect(FIRST, NAME)
        assert await session.read(BATTERY) == b"\x5a"
        await session.close()
    assert caught.value.code == "connect_failed"


@pytest.mark.fake_bluez
async def test_an_attempt_that_fails_is_repeated_after_a_pause(bed: "Bed") -> None:
    await bed.wearable()
    bed.refuse("Device1.Connect", "Failed:br-connection-canceled", "Failed:Software caused connection abort")
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(DEADLINE_S):
        session = await bed.radio().connect(FIRST, NAME)
        await session.close()
    assert bed.bluez.calls.count("Device1.Connect") == 3
    assert loop.time() - began >= 0.25 + 0.5


async def test_more_devices_than_the_adapter_holds_are_told_so(bed: "Bed") -> None:
    await bed.wearable(FIRST)
    await bed.wearable(SECOND)
    radio = bed.radio(most_connected=1, connect_s=1.0)
    async with asyncio.timeout(DEADLINE_S):
        first = await radio.connect(FIRST, NAME)
        with pytest.raises(LinkUnavailable, match="holds 1 connections") as caught:
            await radio.connect(SECOND, f"ble:{SECOND}")
        assert caught.value.code == "no_slot"
        await first.close()
        second = await radio.connect(SECOND, f"ble:{SECOND}")
        await second.close()


@pytest.mark.fake_bluez
@pytest.mark.parametrize("calls", [set(), {"Device1.Connect"}, {"Device1.Connect", "Device1.Disconnect"}])
async def test_giving_up_while_connecting_leaves_nothing_behind(
    bed: "Bed", monkeypatch: pytest.MonkeyPatch, calls: set[str]
) -> None:
    monkeypatch.setattr("drivers.links.ble_door.GRACE_S", 0.1)
    band = await bed.wearable()
    radio = bed.radio(most_connected=1)
    bed.bluez.delay_s["Device1.Connect"] = 0.3
    bed.bluez.hang |= calls
    async with asyncio.timeout(DEADLINE_S):
        connecting = asyncio.create_task(radio.connect(FIRST, NAME))
        await until(lambda: "Device1.Connect" in bed.bluez.calls)
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=2)  # the attempt itself would go on for 5 s
        assert connecting.cancelled()
        bed.bluez.delay_s.clear()
        bed.bluez.hang.clear()
        session = await radio.connect(FIRST, NAME)
        assert await session.read(BATTERY) == b"\x5a"
        await session.close()
        await until(lambda: not band.connected)


# ---- losing it ------------------------------------------------------------------------------------------


async def test_a_wearer_who_walks_away_and_comes_back(bed: "Bed") -> None:
    band = await bed.wearable()
    radio = bed.radio()
    async with asyncio.timeout(DEADLINE_S):
        session = await radio.connect(FIRST, NAME)
        values = await session.subscribe(BATTERY, on_full=OnFull.DROP_OLDEST)
        band.walk_away()
        band.time_out()
        with pytest.raises(LinkLost, match="out of range") as caught:
            await values.receive()
        assert caught.value.code == "disconnected"
        await session.close()
        band.come_back()
        session = await radio.connect(FIRST, NAME)
        assert await session.read(BATTERY) == b"\x5a"
        await session.close()


@pytest.mark.fake_bluez
async def test_a_link_that_breaks_in_the_middle_of_a_read(bed: "Bed") -> None:
    band = await bed.wearable()
    async with asyncio.timeout(DEADLINE_S):
        session = await bed.radio().connect(FIRST, NAME)
        band.walk_away()
        reading = asyncio.create_task(session.read(BATTERY))
        await until(lambda: "GattCharacteristic1.ReadValue" in bed.bluez.calls)
        band.time_out()
        with pytest.raises((LinkLost, DeviceFault)):
            await reading
        with pytest.raises(LinkLost):
            await session.read(BATTERY)
        await session.close()


@pytest.mark.fake_bluez
async def test_a_read_that_is_never_answered_has_a_deadline(
    bed: "Bed", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.ble_door.GATT_S", 0.2)
    await bed.wearable()
    bed.bluez.hang.add("GattCharacteristic1.ReadValue")
    async with asyncio.timeout(DEADLINE_S):
        session = await bed.radio().connect(FIRST, NAME)
        with pytest.raises(LinkLost, match="no answer") as caught:
            await session.read(BATTERY)
        await session.close()
    assert caught.value.code == "gatt_failed"


async def test_a_restart_of_bluetoothd_loses_the_connection_and_it_can_be_had_again(bed: "Bed") -> None:
    """bleak itself says after a kill that it is connected still."""
    await bed.wearable()
    radio = bed.radio()
    async with asyncio.timeout(DEADLINE_S):
        session = await radio.connect(FIRST, NAME)
        values = await session.subscribe(BATTERY, on_full=OnFull.DROP_OLDEST)
        await bed.kill_bluetoothd()
        with pytest.raises(LinkLost) as caught:
            await values.receive()
        assert caught.value.code == "no_bluetoothd"
        await session.close()
        await bed.start_bluetoothd()
        session = await radio.connect(FIRST, NAME)
        assert await session.read(BATTERY) == b"\x5a"
        await session.close()


async def test_an_adapter_that_is_switched_off_loses_the_connection(bed: "Bed") -> None:
    await bed.wearable()
    radio = bed.radio()
    async with asyncio.timeout(DEADLINE_S):
        session = await radio.connect(FIRST, NAME)
        values = await session.subscribe(BATTERY, on_full=OnFull.DROP_OLDEST)
        await bed.adapter.power(on=False)
        with pytest.raises(LinkLost):
            await values.receive()
        await session.close()
        await asyncio.sleep(0.05)  # until the signal has reached bleak
        with pytest.raises(LinkUnavailable, match="bluetoothctl power on") as caught:
            await radio.connect(FIRST, NAME)
        assert caught.value.code == "powered_off"
        await bed.adapter.power(on=True)
        await asyncio.sleep(0.05)
        session = await radio.connect(FIRST, NAME)
        await session.close()


@pytest.mark.fake_bluez
async def test_a_disconnect_that_is_never_answered_ends_all_the_same(
    bed: "Bed", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.ble_door.DISCONNECT_S", 0.2)
    await bed.wearable()
    await bed.wearable(SECOND)
    radio = bed.radio(most_connected=1)
    async with asyncio.timeout(DEADLINE_S):
        session = await radio.connect(FIRST, NAME)
        bed.bluez.hang.add("Device1.Disconnect")
        await session.close()
        second = await radio.connect(SECOND, f"ble:{SECOND}")  # its slot was given back
        await second.close()
