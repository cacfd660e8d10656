"""Which link a configured `port` means: `ble:AA:BB:CC:DD:EE:FF`, or else the path of a serial port."""

from drivers.links.ble_advert import ble_address
from drivers.links.ble_link import BleLink
from drivers.links.link import Link
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings

BLE = "ble:"


def line_name(port: str) -> str:
    """The port as links name it; raises `ValueError` for a Bluetooth address that is none."""
    return f"{BLE}{ble_address(port.removeprefix(BLE))}" if port.startswith(BLE) else port


def line_to(port: str, settings: SerialSettings) -> Link:
    """The link, not open yet; raises `ValueError`. `settings`: of a serial port; a device on the air has none."""
    name = line_name(port)
    return BleLink(name.removeprefix(BLE)) if name.startswith(BLE) else SerialLink(name, settings)
