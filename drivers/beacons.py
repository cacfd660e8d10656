"""What a beacon is called here, so that a roster can name it and an advertisement be found under it. Pure.

    ble:AA:BB:CC:DD:EE:FF                       by its Bluetooth address, which must be a fixed one
    ibeacon:UUID:MAJOR:MINOR                    ibeacon:f7826da6-4fa2-4e98-8024-bc5b71e0893e:100:7
    altbeacon:ID                                40 hex digits
    eddystone:NAMESPACE:INSTANCE                20 and 12 hex digits (UID)

Nothing of it is signed: whoever heard a beacon once can send it again.
"""

import re
from collections.abc import Iterator

from drivers.links.ble_advert import Advert, ble_address
from firmware_protocols.ble.advertisements import EDDYSTONE, manufacturer, service
from firmware_protocols.describing import Json

EDDYSTONE_UUID = f"0000{EDDYSTONE:04x}-0000-1000-8000-00805f9b34fb"
_HEX = {"altbeacon": re.compile(r"[0-9a-f]{40}"), "eddystone": re.compile(r"[0-9a-f]{20}:[0-9a-f]{12}")}
_IBEACON = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(\d{1,5}):(\d{1,5})", re.ASCII)


def beacon_name(text: str) -> str | None:
    """The one form of a name, however its digits are written; None: this is no beacon's name."""
    kind, _, rest = text.partition(":")
    if kind == "ble":
        try:
            return f"ble:{ble_address(rest)}"
        except ValueError:
            return None
    rest = rest.lower()
    if kind == "ibeacon":
        found = _IBEACON.fullmatch(rest)
        if found is None or max(int(found[2]), int(found[3])) > 0xFFFF:
            return None
        return f"ibeacon:{found[1]}:{int(found[2])}:{int(found[3])}"
    form = _HEX.get(kind)
    return f"{kind}:{rest}" if form is not None and form.fullmatch(rest) else None


def names_of(advert: Advert) -> Iterator[str]:
    """Every name under which a roster may have this advertisement."""
    yield f"ble:{advert.address}"
    for company, data in advert.manufacturer_data.items():
        found = _name(manufacturer(company, data))
        if found is not None:
            yield found
    data = advert.service_data.get(EDDYSTONE_UUID, b"")
    found = _name(service(EDDYSTONE, data))
    if found is not None:
        yield found


def _name(beacon: Json | None) -> str | None:
    match beacon:
        case {"frame": "ibeacon", "uuid": uuid, "major": major, "minor": minor}:
            return f"ibeacon:{uuid}:{major}:{minor}"
        case {"frame": "altbeacon", "id": number}:
            return f"altbeacon:{number}"
        case {"frame": "uid", "namespace": namespace, "instance": instance}:
            return f"eddystone:{namespace}:{instance}"
        case _:
            return None
