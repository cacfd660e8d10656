"""Which link a configured `port` means.

ble:AA:BB:CC:DD:EE:FF        a device on the air with the Nordic UART service
socket://host:port           a port server that passes raw bytes
rfc2217://host:port          a port server that takes the settings of the line
/dev/serial/by-id/...        a serial port of this machine
"""

from drivers.errors import SettingsError
from drivers.links.ble_advert import ble_address
from drivers.links.ble_link import BleLink
from drivers.links.link import Link
from drivers.links.remote_address import RAW, RFC2217, address_of
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.links.socket_link import SocketLink

BLE = "ble:"


def line_name(port: str) -> str:
    """The port as links name it; raises `ValueError` for an address that is none."""
    if port.startswith((RAW, RFC2217)):
        address_of(port)
    return f"{BLE}{ble_address(port.removeprefix(BLE))}" if port.startswith(BLE) else port


def line_to(port: str, settings: SerialSettings) -> Link:
    """The link, not open yet; raises `ValueError`. `settings`: of a serial port; a device on the air has none."""
    name = line_name(port)
    if name.startswith(BLE):
        return BleLink(name.removeprefix(BLE))
    if name.startswith(RAW):
        return SocketLink(name, settings)
    if name.startswith(RFC2217):
        from drivers.links.rfc2217_link import Rfc2217Link

        return Rfc2217Link(name, settings)
    return SerialLink(name, settings)


def wired(device_id: str, port: str, settings: SerialSettings) -> Link:
    """The link of a device that stands on a wire; raises `SettingsError`."""
    if port.startswith(BLE):
        raise SettingsError(
            "wrong_type", f"device '{device_id}': 'port': this kind is not reached over Bluetooth"
        )
    try:
        return line_to(port, settings)
    except ValueError as exc:
        raise SettingsError("wrong_type", f"device '{device_id}': 'port': {exc}") from None
