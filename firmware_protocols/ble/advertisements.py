"""Advertisements: their AD structures, and the beacons among them.

    iBeacon     manufacturer data 004C, begins 02 15         big-endian
    AltBeacon   manufacturer data of any company, begins BE AC
    Eddystone   service data of FEAA: UID, URL, TLM, EID     big-endian

An Eddystone-EID is the encrypted time: 8 bytes that change every 2^K seconds, K from 0 to 15, so nine hours at the
longest. Whose they are only tells a resolver that holds the beacon's key. They are shown, and never name anybody.

A structure whose length runs over the end stops the walk; what was whole before it counts, and nothing behind it.
A beacon that is not whole is no beacon. Where the host's stack has the structures parsed already, `manufacturer` and
`service` take its parts.
"""

import uuid as uuids
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_protocols.describing import Json

MANUFACTURER, SERVICE_DATA_16 = 0xFF, 0x16
APPLE, EDDYSTONE = 0x004C, 0xFEAA
SCHEMES = ("http://www.", "https://www.", "http://", "https://")
_DOMAINS = (".com", ".org", ".edu", ".net", ".info", ".biz", ".gov")
CODES = (*(f"{one}/" for one in _DOMAINS), *_DOMAINS)
NO_TEMPERATURE = 0x8000


@dataclass(frozen=True, slots=True)
class Structure:
    """One AD structure: where it begins, its type, what it holds."""

    offset: int
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Walked:
    """The structures of an advertisement; `end`: up to where they are whole; zeros behind it are filling."""

    structures: tuple[Structure, ...]
    end: int
    wellformed: bool


def walk(data: bytes) -> Walked:
    """The AD structures, as far as they are whole. Raises nothing."""
    found: list[Structure] = []
    at = 0
    while at < len(data) and data[at]:
        size = data[at]
        if at + 1 + size > len(data):
            return Walked(tuple(found), at, wellformed=False)
        found.append(Structure(at, data[at + 1], data[at + 2 : at + 1 + size]))
        at += 1 + size
    return Walked(tuple(found), at, wellformed=not any(data[at:]))


def beacon(structure: Structure) -> Json | None:
    """The beacon in a structure."""
    if len(structure.data) < 2:
        return None
    number, data = int.from_bytes(structure.data[:2], "little"), structure.data[2:]
    if structure.type == MANUFACTURER:
        return manufacturer(number, data)
    return service(number, data) if structure.type == SERVICE_DATA_16 else None


def beacons(walked: Walked) -> Iterator[Json]:
    """Every beacon of an advertisement."""
    return (found for one in walked.structures if (found := beacon(one)) is not None)


def manufacturer(company: int, data: bytes) -> Json | None:
    """An iBeacon or an AltBeacon in manufacturer data, without the company's number."""
    if company == APPLE and data[:2] == b"\x02\x15" and len(data) == 23:
        return {
            "frame": "ibeacon",
            "uuid": str(uuids.UUID(bytes=data[2:18])),
            "major": int.from_bytes(data[18:20], "big"),
            "minor": int.from_bytes(data[20:22], "big"),
            "tx_power": _signed(data[22]),  # dBm at 1 m
        }
    if data[:2] == b"\xbe\xac" and len(data) == 24:
        return {
            "frame": "altbeacon",
            "company": company,
            "id": data[2:22].hex(),
            "reference_rssi": _signed(data[22]),  # dBm at 1 m
            "reserved": data[23],
        }
    return None


def service(number: int, data: bytes) -> Json | None:
    """An Eddystone frame in service data, without the service's number."""
    if number != EDDYSTONE or not data:
        return None
    kind, size = data[0], len(data)
    if kind == 0x00 and size in (18, 20):
        return {
            "frame": "uid",
            "tx_power": _signed(data[1]),  # dBm at 0 m
            "namespace": data[2:12].hex(),
            "instance": data[12:18].hex(),
        }
    if kind == 0x10 and size >= 3:
        return _url(data)
    if kind == 0x20 and size >= 2:
        return _telemetry(data)
    if kind == 0x30 and size == 10:
        return {"frame": "eid", "tx_power": _signed(data[1]), "eid": data[2:].hex()}
    return None


def _url(data: bytes) -> Json | None:
    scheme, rest = data[2], data[3:]
    if scheme >= len(SCHEMES) or any(len(CODES) <= one <= 0x20 or one >= 0x7F for one in rest):
        return None
    text = "".join(CODES[one] if one < len(CODES) else chr(one) for one in rest)
    return {"frame": "url", "tx_power": _signed(data[1]), "url": SCHEMES[scheme] + text}


def _telemetry(data: bytes) -> Json | None:
    version = data[1]
    if version == 0 and len(data) == 14:
        warmth = int.from_bytes(data[4:6], "big")
        signed = int.from_bytes(data[4:6], "big", signed=True)
        return {
            "frame": "tlm",
            "version": version,
            "battery_mv": int.from_bytes(data[2:4], "big"),  # 0: has no battery
            "temperature_c": None if warmth == NO_TEMPERATURE else signed / 256,
            "adv_count": int.from_bytes(data[6:10], "big"),
            "uptime_raw": int.from_bytes(data[10:14], "big"),  # 0.1 s
        }
    if version == 1 and len(data) == 18:
        return {
            "frame": "tlm",
            "version": version,
            "encrypted": data[2:14].hex(),
            "salt": int.from_bytes(data[14:16], "big"),
            "mic": int.from_bytes(data[16:18], "big"),
        }
    return None


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte
