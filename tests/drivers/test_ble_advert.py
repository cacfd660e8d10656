"""Bluetooth addresses as people write them, and the port of a configuration."""

import sys

import pytest

from drivers.errors import LinkUnavailable, SettingsError
from drivers.links.ble_advert import ble_address
from drivers.links.ble_link import BleLink
from drivers.links.lines import line_to
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.tracker_line import TrackerSettings


@pytest.mark.parametrize("text", ["f0:f1:f2:f3:f4:0a", "F0:F1:F2:F3:F4:0A", " F0:f1:F2:F3:F4:0A\n"])
def test_an_address_is_written_in_one_way(text: str) -> None:
    assert ble_address(text) == "F0:F1:F2:F3:F4:0A"


@pytest.mark.parametrize(
    "text",
    ["", "F0:F1:F2:F3:F4", "F0:F1:F2:F3:F4:0A:00", "F0-F1-F2-F3-F4-0A", "G0:F1:F2:F3:F4:0A", "F0F1F2F3F40A"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="AA:BB:CC:DD:EE:FF"):
        ble_address(text)


def test_a_port_is_a_device_on_the_air_or_a_path() -> None:
    air = line_to("ble:f0:f1:f2:f3:f4:0a", SerialSettings())
    assert isinstance(air, BleLink)
    assert air.name == "ble:F0:F1:F2:F3:F4:0A"
    path = line_to("/dev/serial/by-id/usb-1", SerialSettings())
    assert isinstance(path, SerialLink)
    assert path.name == "/dev/serial/by-id/usb-1"


def test_a_wearable_may_be_configured_on_the_air() -> None:
    parsed = TrackerSettings.parse("gt06", "band-1", {"port": "ble:f0:f1:f2:f3:f4:0a"})
    assert parsed.port == "ble:F0:F1:F2:F3:F4:0A"
    with pytest.raises(SettingsError, match=r"device 'band-1': 'port'.*AA:BB") as caught:
        TrackerSettings.parse("gt06", "band-1", {"port": "ble:somewhere"})
    assert caught.value.code == "wrong_type"


async def test_without_bleak_the_link_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("drivers.links.ble_")]:
        if name.rpartition(".")[2] in {"ble_door", "ble_radio", "ble_daemon"}:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bleak", None)
    with pytest.raises(LinkUnavailable, match="package bleak is not installed") as caught:
        await BleLink("F0:F1:F2:F3:F4:0A").open()
    assert caught.value.code == "no_bluetooth_library"
