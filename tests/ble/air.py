"""The radio: Bumble's link in memory, with the faults that a room has.

A peripheral here is a whole Bluetooth device (Bumble's host and controller), with the same ATT and GATT as on a
real one.
"""

import asyncio
from typing import Any

from bumble import hci
from bumble.controller import Controller
from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from bumble.link import LocalLink

LINK_LOSS = 0x08  # HCI "Connection Timeout"


class Air(LocalLink):
    """Everybody in range of everybody, but for those who walked away."""

    def __init__(self) -> None:
        super().__init__()
        self.rssi: dict[str, int] = {}  # by address, dBm
        self.away: set[Controller] = set()

    def send_advertising_pdu(self, sender: Any, packet: Any) -> None:
        if sender not in self.away:
            super().send_advertising_pdu(sender, packet)

    def send_acl_data(self, sender: Any, destination: Any, transport: Any, data: Any) -> None:
        """From the address that the connection was made with: Bumble 0.0.236 takes the sender's random one, which
        Linux has not connected with, or has changed since for a scan."""
        connection, other = sender.le_connections.get(destination), self.find_le_controller(destination)
        if connection is not None and other is not None and not self.away & {sender, other}:
            asyncio.get_running_loop().call_soon(
                other.on_link_acl_data, connection.self_address, transport, data
            )

    def walk_away(self, device: Device) -> None:
        """Out of range: nothing is heard any more, and nobody has noticed yet."""
        self.away.add(controller_of(device))

    def time_out(self, device: Device) -> None:
        """The supervision timeout of its connections has passed: both ends are told."""
        controller = controller_of(device)
        for connection in list(controller.le_connections.values()):
            other = self.find_le_controller(connection.peer_address)
            controller.on_le_disconnected(connection, LINK_LOSS)
            for back in list(other.le_connections.values()) if other is not None else ():
                if other is not None and back.peer_address == connection.self_address:
                    other.on_le_disconnected(back, LINK_LOSS)

    def come_back(self, device: Device) -> None:
        self.away.discard(controller_of(device))

    def peripheral(self, name: str, address: str, *, every_ms: int) -> Device:
        """A device with a controller of its own, advertising so often once it is told to."""
        controller = Controller(name, link=self)
        return Device.from_config_with_hci(
            DeviceConfiguration(
                name=name,
                address=Address(address),
                advertising_interval_min=every_ms,
                advertising_interval_max=every_ms,
            ),
            controller,
            controller,
        )


def controller_of(device: Device) -> Controller:
    controller = device.host.hci_sink
    assert isinstance(controller, Controller)
    return controller


class HostController(Controller):
    """The controller behind the adapter. Gives each device its strength, and completes a connection attempt that
    was cancelled: Bumble 0.0.236 acknowledges the cancelling and then forgets it, so no other could be made."""

    def on_hci_le_create_connection_cancel_command(self, command: Any) -> Any:
        result = super().on_hci_le_create_connection_cancel_command(command)
        pending = getattr(self, "pending_le_connection", None)
        self.pending_le_connection = None
        if pending is not None:
            asyncio.get_running_loop().call_soon(
                self.send_hci_packet,
                hci.HCI_LE_Connection_Complete_Event(
                    status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                    connection_handle=0,
                    role=hci.Role.CENTRAL,
                    peer_address_type=pending.peer_address.address_type,
                    peer_address=pending.peer_address,
                    connection_interval=0,
                    peripheral_latency=0,
                    supervision_timeout=0,
                    central_clock_accuracy=0,
                ),
            )
        return result

    def send_hci_packet(self, packet: Any) -> None:
        reports = (hci.HCI_LE_Advertising_Report_Event, hci.HCI_LE_Extended_Advertising_Report_Event)
        if isinstance(packet, reports) and isinstance(self.link, Air):
            for report in packet.reports:
                report.rssi = self.link.rssi.get(
                    report.address.to_string(with_type_qualifier=False), report.rssi
                )
            packet = type(packet)(packet.reports)
        super().send_hci_packet(packet)
