"""The IPv4 settings of one interface: as a person gives them, as they are kept, as NetworkManager has them.

IPv6 is left as it is: routers give it, and nobody types it at a counter.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError
from typing import Self

from gateway.errors import ContractError

AUTO, MANUAL = "auto", "manual"  # NetworkManager's words: DHCP, and fixed
MOST_DNS = 3  # the C library asks no more
WIDEST, NARROWEST = 8, 30  # prefix lengths between which a box of an office stands


class BadAddress(ContractError):  # noqa: N818 - named for the condition
    """A field does not fit; `field` is its name in the form."""

    def __init__(self, code: str, field: str, text: str) -> None:
        super().__init__(code, text)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv4:
    """DHCP, or a fixed address with its prefix, a gateway and name servers."""

    method: str = AUTO
    address: IPv4Interface | None = None
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()

    @classmethod
    def given(cls, *, method: str, address: str, prefix: str, gateway: str, dns: str) -> Self:
        """As somebody typed it; with DHCP the other fields say nothing. Raises `BadAddress`.

        `prefix`: a length like 24, or a mask like 255.255.255.0. `dns`: with commas or blanks between.
        """
        if method == AUTO:
            return cls()
        if method != MANUAL:
            raise BadAddress("bad_method", "method", "choose DHCP or a fixed address")
        fixed = _interface(address.strip(), prefix.strip().removeprefix("/"))
        servers = [_number(one, "dns") for one in dns.replace(",", " ").replace("，", " ").split()]
        if len(servers) > MOST_DNS or any(not _usable(one) for one in servers):
            raise BadAddress("bad_dns", "dns", f"at most {MOST_DNS} addresses of name servers")
        if not gateway.strip():
            return cls(method=MANUAL, address=fixed, dns=tuple(servers))
        way = _number(gateway, "gateway")
        if way not in fixed.network or way == fixed.ip or way in _ends(fixed.network):
            raise BadAddress("bad_gateway", "gateway", "the gateway is another address of the same network")
        return cls(method=MANUAL, address=fixed, gateway=way, dns=tuple(servers))

    def as_text(self) -> str:
        """As the store keeps it."""
        return json.dumps(
            {
                "method": self.method,
                "address": None if self.address is None else str(self.address),
                "gateway": None if self.gateway is None else str(self.gateway),
                "dns": [str(one) for one in self.dns],
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Inverse of `as_text`; raises `ValueError` and `KeyError`."""
        kept = json.loads(text)
        return cls(
            method=str(kept["method"]),
            address=None if kept["address"] is None else IPv4Interface(kept["address"]),
            gateway=None if kept["gateway"] is None else IPv4Address(kept["gateway"]),
            dns=tuple(IPv4Address(one) for one in kept["dns"]),
        )

    def told(self) -> str:
        """For a record of who changed what."""
        if self.address is None:
            return "DHCP"
        more = [f"gateway {self.gateway}"] if self.gateway else []
        more += [f"DNS {', '.join(map(str, self.dns))}"] if self.dns else []
        return ", ".join([str(self.address), *more])


def _interface(address: str, prefix: str) -> IPv4Interface:
    number = _number(address, "address")
    try:
        fixed = IPv4Interface(f"{number}/{prefix}")
    except (AddressValueError, NetmaskValueError, ValueError):
        raise _bad_prefix() from None
    if not WIDEST <= fixed.network.prefixlen <= NARROWEST:
        raise _bad_prefix()
    if not _usable(number) or number in _ends(fixed.network):
        raise BadAddress("bad_address", "address", "this address cannot be that of a machine")
    return fixed


def _bad_prefix() -> BadAddress:
    return BadAddress("bad_prefix", "prefix", f"a length from {WIDEST} to {NARROWEST}, or a mask")


def _number(text: str, field: str) -> IPv4Address:
    try:
        return IPv4Address(text.strip())
    except (AddressValueError, ValueError):
        raise BadAddress(f"bad_{field}", field, "four numbers with dots between, like 192.168.1.20") from None


def _usable(one: IPv4Address) -> bool:
    return not (
        one.is_loopback or one.is_multicast or one.is_unspecified or one.is_link_local or one.is_reserved
    )


def _ends(network: IPv4Network) -> Sequence[IPv4Address]:
    """The network's own number and its broadcast."""
    return (network.network_address, network.broadcast_address)


def of_profile(section: Mapping[str, object]) -> Ipv4:
    """NetworkManager's `ipv4` section of a profile, its variants unpacked. What it has beside is left out."""
    addresses = section.get("address-data")
    first = addresses[0] if isinstance(addresses, list) and addresses else None
    address = None if first is None else IPv4Interface(f"{first['address']}/{first['prefix']}")
    gateway, dns = section.get("gateway"), section.get("dns")
    servers = [_from_wire(one) for one in dns] if isinstance(dns, list) else []
    if section.get("method") != MANUAL or address is None:
        return Ipv4(method=AUTO)
    return Ipv4(
        method=MANUAL,
        address=address,
        gateway=IPv4Address(gateway) if isinstance(gateway, str) else None,
        dns=tuple(servers),
    )


def _from_wire(number: int) -> IPv4Address:
    """NetworkManager writes the four bytes as they stand on the network, read as a number of this machine."""
    return IPv4Address(number.to_bytes(4, sys.byteorder))


def to_wire(one: IPv4Address) -> int:
    """Inverse."""
    return int.from_bytes(one.packed, sys.byteorder)
