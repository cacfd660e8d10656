"""Beacons in the air: real bleak, a bluetoothd of our own, whole Bluetooth devices; what is heard of whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bumble import data_types
from bumble.core import UUID, AdvertisingData

from drivers.beacon_listener import BeaconListener, BeaconSettings
from drivers.errors import DriverError, LinkLost, LinkUnavailable
from drivers.links.ble_advert import AdvertFilter
from drivers.links.ble_radio import Radio
from drivers.listening import BeaconRules
from tests.ble.bed import Bed
from tests.ble.wearable import Wearable
from tests.drivers.bench import DEADLINE_S, RecordingHost, until

FIRST, SECOND, THIRD = (f"F0:F1:F2:F3:F4:0{i}" for i in (1, 2, 3))
IBEACON = "ibeacon:f7826da6-4fa2-4e98-8024-bc5b71e0893e:100:7"
ALT = "altbeacon:" + "be" * 16 + "00010002"
EDDYSTONE = "eddystone:edd1ebeac04e5defa017:0bdb87539b67"
SETTINGS = BeaconSettings(rules=BeaconRules(), hand_over_s=0.05)


class Ears:
    """The driver as the supervisor runs it."""

    def __init__(self, radio: Radio, *bound: str) -> None:
        self.host = RecordingHost()
        self.host.bound = set(bound)
        self.driver = BeaconListener(SETTINGS, self.host, radio)
        self.causes: list[DriverError] = []

    async def serve(self) -> None:
        while True:
            try:
                await self.driver.run()
            except DriverError as exc:
                self.causes.append(exc)
            await asyncio.sleep(0.05)

    def heard(self, name: str) -> int:
        return sum(one.beacon == name for what in self.host.handed for one in what.sightings)

    @property
    def strangers(self) -> int:
        return sum(what.strangers for what in self.host.handed)

    @property
    def listened_s(self) -> float:
        return self.host.handed[-1].ended_s if self.host.handed else 0.0


@asynccontextmanager
async def listening(ears: Ears) -> AsyncIterator[Ears]:
    serving = asyncio.create_task(ears.serve())
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield ears
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    assert serving.cancelled(), "it served until the end"


async def beacon(bed: Bed, address: str, name: str) -> Wearable:
    """A device that sends this beacon, by whatever address."""
    kind, _, rest = name.partition(":")
    band = Wearable(bed.air, address, "B", uart=False, acknowledges=False, every_ms=50)
    match kind:
        case "ibeacon":
            uuid, major, minor = rest.split(":")
            numbers = int(major).to_bytes(2, "big") + int(minor).to_bytes(2, "big")
            body = b"\x02\x15" + bytes.fromhex(uuid.replace("-", "")) + numbers + b"\xc5"
            data: object = data_types.ManufacturerSpecificData(0x004C, body)
        case "altbeacon":
            data = data_types.ManufacturerSpecificData(
                0x0118, b"\xbe\xac" + bytes.fromhex(rest) + b"\xc5\x00"
            )
        case _:
            body = b"\x00\xee" + bytes.fromhex(rest.replace(":", ""))
            data = data_types.ServiceData16BitUUID(UUID("FEAA"), body)
    band.device.advertising_data = bytes(AdvertisingData([data]))
    return await band.on()


@pytest.mark.parametrize("name", [IBEACON, ALT, EDDYSTONE])
async def test_a_beacon_is_heard_by_what_it_says_whatever_its_address(bed: Bed, name: str) -> None:
    bed.air.rssi[THIRD] = -71
    await beacon(bed, THIRD, name)
    async with listening(Ears(bed.radio(), name)) as ears:
        await until(lambda: ears.heard(name) >= 3)
    assert len(ears.host.readies) == 1
    assert {one.rssi for what in ears.host.handed for one in what.sightings} == {-71}
    assert ears.strangers == 0


async def test_of_a_stranger_there_is_a_number_and_no_address(
    bed: Bed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "drivers")
    await bed.wearable(FIRST)
    await beacon(bed, SECOND, IBEACON)
    await bed.wearable(THIRD)
    async with listening(Ears(bed.radio(), f"ble:{FIRST}")) as ears:
        await until(lambda: ears.heard(f"ble:{FIRST}") >= 3 and ears.strangers >= 6)
    assert {one.beacon for what in ears.host.handed for one in what.sightings} == {f"ble:{FIRST}"}
    assert not any(one in repr(ears.host.handed) for one in (FIRST, SECOND, THIRD))
    assert not any(one in caplog.text for one in (FIRST, SECOND, THIRD))


async def test_whom_the_roster_binds_later_is_heard_from_then_on(bed: Bed) -> None:
    await bed.wearable(FIRST)
    async with listening(Ears(bed.radio())) as ears:
        await until(lambda: ears.strangers >= 3)
        assert ears.heard(f"ble:{FIRST}") == 0
        ears.host.bound.add(f"ble:{FIRST}")
        await until(lambda: ears.heard(f"ble:{FIRST}") >= 3)


@pytest.mark.fake_bluez
async def test_it_shares_the_scan_with_others(bed: Bed) -> None:
    await bed.wearable(FIRST)
    radio = bed.radio()
    async with radio.listen(AdvertFilter()) as other, listening(Ears(radio, f"ble:{FIRST}")) as ears:
        await until(lambda: ears.heard(f"ble:{FIRST}") >= 3)
        await other.next()
    assert bed.bluez.calls.count("Adapter1.StartDiscovery") == 1


async def test_a_wearable_that_is_connected_is_heard_though_it_does_not_advertise(bed: Bed) -> None:
    band = await bed.wearable(FIRST)
    await bed.wearable(SECOND)
    radio = bed.radio()
    async with listening(Ears(radio, f"ble:{FIRST}")) as ears:
        link = bed.link(radio)
        await link.open()
        await band.device.stop_advertising()

        def connected() -> int:
            return sum(one.rssi is None for what in ears.host.handed for one in what.sightings)

        await until(lambda: connected() >= 3)
        await link.close()
        await asyncio.sleep(0.2)
        before = connected()
        await asyncio.sleep(0.2)
        assert connected() == before


async def test_an_adapter_that_is_off_is_said_with_its_cause_and_its_time_does_not_count(bed: Bed) -> None:
    await bed.wearable(FIRST)
    async with listening(Ears(bed.radio(), f"ble:{FIRST}")) as ears:
        await until(lambda: ears.heard(f"ble:{FIRST}") >= 3)
        await bed.adapter.power(on=False)
        await until(lambda: len(ears.causes) >= 2)
        before = ears.listened_s
        await asyncio.sleep(0.5)
        await bed.adapter.power(on=True)
        again, handed = ears.heard(f"ble:{FIRST}"), len(ears.host.handed)
        await until(lambda: ears.heard(f"ble:{FIRST}") >= again + 1)
        assert ears.host.handed[handed].ended_s - before < 0.4, "the half second without ears"
    assert isinstance(ears.causes[0], LinkLost)
    assert isinstance(ears.causes[1], LinkUnavailable)
    assert {one.code for one in ears.causes} == {"powered_off"}
    assert len(ears.host.readies) == 2


@pytest.mark.parametrize("ends", ["stopped", "killed"])
async def test_while_bluetoothd_restarts_the_clock_stands_still(bed: Bed, ends: str) -> None:
    await bed.wearable(FIRST)
    async with listening(Ears(bed.radio(), f"ble:{FIRST}")) as ears:
        await until(lambda: ears.heard(f"ble:{FIRST}") >= 3)
        await (bed.stop_bluetoothd() if ends == "stopped" else bed.kill_bluetoothd())
        await asyncio.sleep(0.15)
        before = ears.listened_s
        await asyncio.sleep(0.6)
        assert ears.listened_s == before
        again = ears.heard(f"ble:{FIRST}")
        await bed.start_bluetoothd()
        await until(lambda: ears.heard(f"ble:{FIRST}") >= again + 3)


@pytest.mark.fake_bluez
async def test_an_adapter_that_hangs_for_a_while_is_no_silence_of_the_wearable(bed: Bed) -> None:
    await bed.wearable(FIRST)
    radio = bed.radio(silent_s=0.5)
    async with listening(Ears(radio, f"ble:{FIRST}")) as ears:
        await until(lambda: ears.heard(f"ble:{FIRST}") >= 3)
        bed.adapter.deaf = True
        await asyncio.sleep(0.1)
        before = ears.listened_s
        await asyncio.sleep(0.2)
        assert ears.listened_s == before, "silence of everybody does not count before a new scan"
        await until(lambda: radio.scans == 2)
        bed.adapter.deaf = False
        again = ears.heard(f"ble:{FIRST}")
        await until(lambda: ears.heard(f"ble:{FIRST}") >= again + 1)
        assert ears.listened_s - before < 0.4


async def test_a_room_that_stays_silent_after_a_new_scan_is_quiet_and_its_time_counts(bed: Bed) -> None:
    band = await bed.wearable(FIRST)
    async with listening(Ears(bed.radio(silent_s=0.3), f"ble:{FIRST}")) as ears:
        await until(lambda: ears.heard(f"ble:{FIRST}") >= 3)
        band.walk_away()
        await until(lambda: ears.host.handed[-1].quiet)
        before = ears.listened_s
        await until(lambda: ears.listened_s > before + 0.5)
