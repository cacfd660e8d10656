"""Which wearables are in the air? Heard through the process's own scanner for a bounded time; nobody is connected to.

Told are devices with a wearable's service (the Nordic UART, which the gateway can serve, battery, heart rate, location)
and beacons. What else is near, phones above all, is counted and nothing more. Which family speaks over the UART no
advertisement tells.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from drivers.errors import DriverError
from drivers.links.ble_advert import Advert, AdvertFilter
from drivers.links.ble_link import UART_SERVICE, radio_of_the_loop
from firmware_protocols.ble.advertisements import manufacturer, service

LISTEN_S = 8.0  # a wearable advertises at least each two seconds
MOST_TOLD = 50
MOST_COUNTED = 4096
_BASE = "-0000-1000-8000-00805f9b34fb"
UART = "Nordic UART"
SERVICES: Mapping[str, str] = MappingProxyType(
    {
        UART_SERVICE: UART,
        f"0000180d{_BASE}": "heart rate",
        f"0000180f{_BASE}": "battery",
        f"00001819{_BASE}": "location and navigation",
    }
)


@dataclass(frozen=True, slots=True)
class Heard:
    """A device that may be a wearable. Its name may be its wearer's and stays out of `repr`."""

    address: str
    rssi: int  # dBm, of the last advertisement
    services: frozenset[str]  # of `SERVICES`
    beacon: str | None  # ibeacon, altbeacon, or the frame of an Eddystone
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Air:
    """What was heard, the strongest first."""

    heard: Sequence[Heard] = ()
    others: int = 0
    trouble: str | None = None  # why nothing could be heard
    hint: str | None = None


async def listen(listen_s: float = LISTEN_S) -> Air:
    """Listen for so long. Never raises a `DriverError`: what is wrong with Bluetooth is part of the answer."""
    near: dict[str, Heard] = {}
    others: set[str] = set()
    try:
        radio = await radio_of_the_loop("Bluetooth")
        async with radio.listen(AdvertFilter(), "probe") as listener:
            try:
                async with asyncio.timeout(listen_s):
                    while True:
                        _take(await listener.next(), near, others)
            except TimeoutError:
                pass
    except DriverError as exc:
        return Air(_sorted(near), len(others), exc.code, str(exc))
    return Air(_sorted(near), len(others))


def _take(advert: Advert, near: dict[str, Heard], others: set[str]) -> None:
    found = heard(advert)
    known = near.get(advert.address)
    if known is not None:
        near[advert.address] = replace(
            known,
            rssi=advert.rssi,
            services=known.services | found.services,
            beacon=known.beacon or found.beacon,
            name=known.name or found.name,
        )
    elif found.services or found.beacon is not None:
        if len(near) < MOST_TOLD:
            near[advert.address] = found
            others.discard(advert.address)
    elif len(others) < MOST_COUNTED:
        others.add(advert.address)


def heard(advert: Advert) -> Heard:
    """What one advertisement tells."""
    told = [manufacturer(company, data) for company, data in advert.manufacturer_data.items()]
    for uuid, data in advert.service_data.items():
        if uuid.endswith(_BASE) and uuid.startswith("0000"):
            told.append(service(int(uuid[4:8], 16), data))
    kind = next((str(one["frame"]) for one in told if one is not None), None)
    services = frozenset(SERVICES[uuid] for uuid in advert.service_uuids if uuid in SERVICES)
    return Heard(advert.address, advert.rssi, services, kind, (advert.name or "").strip() or None)


def _sorted(near: dict[str, Heard]) -> list[Heard]:
    return sorted(near.values(), key=lambda one: (UART not in one.services, -one.rssi))
