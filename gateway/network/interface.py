"""One wired interface, as NetworkManager tells of it, and what may go wrong in asking."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from gateway.errors import GatewayError
from gateway.network.ipv4 import Ipv4

PREPARE, ACTIVATED, DEACTIVATING = (
    40,
    100,
    110,
)  # NM_DEVICE_STATE_*; what failed is soon "disconnected", below all


class NetworkTrouble(GatewayError):  # noqa: N818 - named for the condition
    """NetworkManager did not do it. Codes: no_network_manager, network_permission,
    network_busy, network_refused, no_profile, unknown_interface."""

    exit_code = 69  # EX_UNAVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One wired interface."""

    name: str  # eth0
    path: str = field(repr=False)  # of the device on the bus
    state: int
    plugged: bool
    profile: str | None = field(
        repr=False
    )  # on the bus; None: there is none, as before a cable was ever plugged in
    uuid: str | None = field(repr=False)
    configured: Ipv4 | None
    addresses: tuple[IPv4Interface, ...]  # that it has now
    gateway: IPv4Address | None = None
    secured: bool = False  # 802.1X: its secrets would be lost by a change

    @property
    def coming(self) -> bool:
        """It is on its way, or there."""
        return PREPARE <= self.state <= DEACTIVATING

    @property
    def online(self) -> bool:
        """It has what it is configured to have."""
        return self.state == ACTIVATED
