"""Advertisements by name and key: the first beacon, and every structure beside it."""

from collections.abc import Mapping
from types import MappingProxyType

from firmware_protocols.ble.advertisements import Structure, Walked, beacon, beacons, walk
from firmware_protocols.describing import Field, Json

FLAGS, NAME_SHORT, NAME, TX_POWER = 0x01, 0x08, 0x09, 0x0A
NAMES: Mapping[int, str] = MappingProxyType(
    {
        FLAGS: "flags",
        0x02: "some 16-bit services",
        0x03: "16-bit services",
        0x06: "some 128-bit services",
        0x07: "128-bit services",
        NAME_SHORT: "short name",
        NAME: "name",
        TX_POWER: "power",
        0x16: "service data",
        0x19: "appearance",
        0x21: "service data",
        0xFF: "manufacturer data",
    }
)
NOTES: Mapping[str, str] = MappingProxyType(
    {
        "eid": "no identity: it changes within hours, and only who holds the beacon's key knows whose it is",
        "tlm": "of the beacon that sends another frame under the same address",
    }
)


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of one advertisement; `frame` is None where there is no beacon in it."""
    del direction
    walked = walk(data)
    first: Json = next(beacons(walked), {"frame": None})
    return {**first, "wellformed": walked.wellformed, "structures": [_keys(one) for one in walked.structures]}


def _keys(one: Structure) -> Json:
    return {"type": one.type, "name": NAMES.get(one.type, "unknown"), "hex": one.data.hex()}


def explain(data: bytes, direction: str | None) -> list[Field]:
    """Every byte of one advertisement."""
    del direction
    walked = walk(data)
    return [*(_field(one) for one in walked.structures), *_rest(data, walked)]


def _field(one: Structure) -> Field:
    found = beacon(one)
    name = NAMES.get(one.type, f"type {one.type:02X}")
    # A name may be a person's ("Zhang's band"); so may be what is not understood.
    personal = found is None and one.type not in {FLAGS, TX_POWER, 0x02, 0x03, 0x06, 0x07, 0x19}
    value = one.data.hex() if found is None else ", ".join(f"{key} {it}" for key, it in found.items())
    note = NOTES.get(str(found["frame"]), "") if found is not None else ""
    return Field(one.offset, 2 + len(one.data), name, value, note, personal=personal)


def _rest(data: bytes, walked: Walked) -> list[Field]:
    size = len(data) - walked.end
    if not size:
        return []
    if walked.wellformed:
        return [Field(walked.end, size, "filling", "zeros")]
    note = "a length that runs over the end, or bytes behind the end"
    advice = "received too weak or cut off: come nearer; if it repeats, the device builds it wrong"
    return [Field(walked.end, size, "rest", "not decoded", note, advice, personal=True, wrong=True)]
