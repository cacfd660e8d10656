"""What is in the air, for a technician: wearables and beacons are told, all else is counted."""

from bumble import data_types
from bumble.core import UUID, AdvertisingData

from drivers.links.ble_link import UART_SERVICE
from drivers.probing_air import UART, Heard, listen
from gateway.cli.probe import judge_air
from tests.ble.bed import Bed

FIRST, SECOND, THIRD = (f"F0:F1:F2:F3:F4:0{i}" for i in (1, 2, 3))
IBEACON = bytes.fromhex("0215") + bytes(range(16)) + bytes.fromhex("00010002C5")


async def test_wearables_and_beacons_are_told_and_phones_are_counted(bed: Bed) -> None:
    band = await bed.wearable(FIRST, "Band-01")
    band.device.advertising_data = bytes(
        AdvertisingData(
            [
                data_types.CompleteLocalName("Band-01"),
                data_types.CompleteListOf128BitServiceUUIDs([UUID(UART_SERVICE)]),
            ]
        )
    )
    beacon = await bed.wearable(SECOND, "", uart=False)
    beacon.device.advertising_data = bytes(
        AdvertisingData([data_types.ManufacturerSpecificData(0x004C, IBEACON)])
    )
    phone = await bed.wearable(THIRD, "Phone of Anna", uart=False)
    phone.device.advertising_data = bytes(
        AdvertisingData(
            [
                data_types.CompleteLocalName("Phone of Anna"),
                data_types.ManufacturerSpecificData(0x004C, b"\x10\x05"),
            ]
        )
    )
    for one in (band, beacon, phone):
        await one.device.stop_advertising()
        await one.device.start_advertising(auto_restart=True)
    air = await listen(2.0)
    assert air.trouble is None
    assert [(one.address, one.services, one.beacon) for one in air.heard] == [
        (FIRST, frozenset({UART}), None),
        (SECOND, frozenset(), "ibeacon"),
    ]
    assert air.others == 1
    lines = [f"{line.name} {line.value} {line.todo}" for line in judge_air(air)]
    assert any('port = "ble:F0:F1:F2:F3:F4:01"' in line for line in lines)
    assert not any("Anna" in line for line in lines)


async def test_without_bluetooth_it_says_why(bed: Bed) -> None:
    await bed.stop_bluetoothd()
    air = await listen(2.0)
    assert air.trouble is not None
    assert air.hint
    (line,) = judge_air(air)
    assert line.todo == air.hint


def test_a_name_is_in_no_repr() -> None:
    assert "Anna" not in repr(Heard(FIRST, -50, frozenset(), None, "Anna"))
