"""Invented beacons by number: what they send, and the name under which a roster binds them. Pure."""

from dataclasses import dataclass
from uuid import UUID

from drivers.beacons import EDDYSTONE_UUID
from drivers.links.ble_advert import Payload
from firmware_protocols.ble.advertisements import APPLE

KINDS = ("ibeacon", "altbeacon", "eddystone")
MOST = 9999
_UUID = UUID("5a484a00-1895-4000-8000-000000000001")
_NAMESPACE = bytes.fromhex("5a484a18950000000001")
_NO_COMPANY = 0xFFFF  # of the Bluetooth SIG's numbers, for tests
_POWER = b"\xc5"  # -59 dBm at 1 m; Eddystone counts it at 0 m
_POWER_0M = b"\xee"


@dataclass(frozen=True, slots=True)
class Beacon:
    """One of them."""

    name: str
    payload: Payload


def invented(kind: str, number: int) -> Beacon:
    """The beacon of this kind and number; `kind`: one of `KINDS`, `number`: 1 to `MOST`."""
    match kind:
        case "ibeacon":
            body = b"\x02\x15" + _UUID.bytes + (1).to_bytes(2, "big") + number.to_bytes(2, "big") + _POWER
            return Beacon(f"ibeacon:{_UUID}:1:{number}", Payload(manufacturer={APPLE: body}))
        case "altbeacon":
            told = _UUID.bytes + number.to_bytes(4, "big")
            body = b"\xbe\xac" + told + _POWER + b"\0"
            return Beacon(f"altbeacon:{told.hex()}", Payload(manufacturer={_NO_COMPANY: body}))
        case "eddystone":
            instance = number.to_bytes(6, "big")
            body = b"\x00" + _POWER_0M + _NAMESPACE + instance + b"\0\0"
            name = f"eddystone:{_NAMESPACE.hex()}:{instance.hex()}"
            return Beacon(name, Payload(service={EDDYSTONE_UUID: body}))
        case _:
            raise ValueError(f"{kind} is no kind of beacon")
