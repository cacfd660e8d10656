"""What was heard of a Bluetooth LE device, which of it somebody wants to hear, and what is to be sent.

An advertisement is unsigned: it is a hint that a device is near, and no proof. What its bytes mean is told by
firmware_protocols.ble. Names and payloads stay out of `repr`: wearables are named after people.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")


def ble_address(text: str) -> str:
    """The address in the form that BlueZ uses, AA:BB:CC:DD:EE:FF; raises `ValueError`."""
    address = text.strip().upper()
    if not _ADDRESS.fullmatch(address):
        raise ValueError("a Bluetooth address has six pairs of hex digits, like AA:BB:CC:DD:EE:FF")
    return address


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """One advertisement, merged with what the device said of itself before."""

    address: str
    rssi: int  # dBm
    heard_at: float  # the loop's clock
    name: str | None = field(default=None, repr=False)
    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    service_data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    service_uuids: frozenset[str] = frozenset()
    device: object = field(default=None, repr=False, compare=False)  # what the door connects to


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What is to be sent; with the structures' headers 31 bytes at most."""

    manufacturer: Mapping[int, bytes] = field(default_factory=dict)  # by the company's number
    service: Mapping[str, bytes] = field(default_factory=dict)  # by the service's uuid


class Wanted(Protocol):
    """Says of each advertisement whether somebody wants it. Asked for all of them: it has to be quick."""

    def takes(self, advert: Advert) -> bool:
        """Whether this one is wanted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertFilter:
    """Which advertisements are wanted: those that meet everything that is given. Empty takes all."""

    addresses: frozenset[str] = frozenset()  # any of them
    name_prefix: str | None = None
    service_uuids: frozenset[str] = frozenset()  # any of them, 128 bits, lower case

    def takes(self, advert: Advert) -> bool:
        """Whether this one is wanted."""
        if self.addresses and advert.address not in self.addresses:
            return False
        if self.name_prefix is not None and not (advert.name or "").startswith(self.name_prefix):
            return False
        return not self.service_uuids or not self.service_uuids.isdisjoint(advert.service_uuids)
