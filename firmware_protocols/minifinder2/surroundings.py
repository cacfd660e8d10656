"""What a device hears around itself: cells, WiFi, beacons. Signals in dBm, degrees WGS-84."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.minifinder2.items import Item, mac_of

DEGREE = 10_000_000
# Key -> form of the MNC and of the number of the cell.
CELL_FORMS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {0x21: ("B", "H"), 0x29: ("B", "I"), 0x2B: ("H", "I")}
)
NAMED_WIFI, PLAIN_WIFI = 0x19, 0x22
WITH_BATTERY = 0x2C


def cells_of(item: Item) -> list[dict[str, object]]:
    """MCC WORD, MNC BYTE (2B: WORD), n x {signal i8, LAC WORD, number WORD (29, 2B: DWORD)}. Code: body."""
    mnc_form, cell_form = CELL_FORMS[item.key]
    mcc, mnc = item.read(f"H{mnc_form}")
    heard = item.data[struct.calcsize(f"<H{mnc_form}") :]
    form = f"<bH{cell_form}"
    if len(heard) % struct.calcsize(form):
        raise RemoteProtocolError("body", f"key {item.key:02X}: {len(heard)} bytes are no whole cells")
    return [
        {"mcc": mcc, "mnc": mnc, "lac": lac, "cid": cid, "rssi": rssi}
        for rssi, lac, cid in struct.iter_unpack(form, heard)
    ]


def wifi_of(item: Item) -> list[dict[str, object]]:
    """n x {signal i8, MAC[6]}; of key 19 each with the length of its name and the name. Code: body."""
    found: list[dict[str, object]] = []
    rest = item.data
    while rest:
        if len(rest) < 7 + (item.key == NAMED_WIFI):
            raise RemoteProtocolError("body", f"key {item.key:02X}: {len(rest)} bytes are no network")
        one: dict[str, object] = {"mac": mac_of(rest[1:7]), "rssi": _signed(rest[0])}
        rest = rest[7:]
        if item.key == NAMED_WIFI:
            size = rest[0]
            if len(rest) < 1 + size:
                raise RemoteProtocolError("body", f"key {item.key:02X}: a name ends behind it")
            one["name"] = rest[1 : 1 + size].decode("utf-8", "replace")
            rest = rest[1 + size :]
        found.append(one)
    return found


@dataclass(frozen=True, slots=True)
class Beacon:
    """A tag that was heard; where it hangs, if it says so."""

    index: int
    mac: str
    rssi: int
    rssi_1m: int  # what it is at one metre
    battery_pct: int | None = None
    place: tuple[float, float] | None = field(default=None, repr=False)  # latitude, longitude
    text: str | None = field(default=None, repr=False)
    rest: bytes = field(default=b"", repr=False)  # of newer firmware

    @classmethod
    def from_item(cls, item: Item) -> "Beacon":
        """Flags (0-3 index, 6 text, 7 position), MAC, signals, [2C: battery], [position], [text]. Code: body."""
        with_battery = item.key == WITH_BATTERY
        flags, *_, rssi, rssi_1m = item.read("B6Bbb")
        rest = item.data[9:]
        battery, place, text = None, None, None
        if with_battery:
            battery, rest = _front("B", rest)[0], rest[1:]
        if flags >> 7 & 1:
            lat, lon = _front("ii", rest)
            place, rest = (lat / DEGREE, lon / DEGREE), rest[8:]
        if flags >> 6 & 1:
            size = len(rest)
            if with_battery:  # it has its length before it, for something may follow
                size, rest = _front("B", rest)[0], rest[1:]
            text, rest = text_of(rest[:size]), rest[size:]
        return cls(flags & 0xF, mac_of(item.data[6:0:-1]), rssi, rssi_1m, battery, place, text, rest)

    def raw(self) -> dict[str, object]:
        """For a program; without what it did not say."""
        found: dict[str, object] = {
            "index": self.index, "mac": self.mac, "rssi": self.rssi, "rssi_1m": self.rssi_1m,
            "battery": self.battery_pct, "text": self.text, "rest": self.rest.hex() or None,
        }  # fmt: skip
        if self.place is not None:
            found |= {"lat": self.place[0], "lon": self.place[1]}
        return {name: value for name, value in found.items() if value is not None}


def text_of(data: bytes) -> str:
    """A text of the device, without the NULs behind it; what is none becomes U+FFFD."""
    return data.rstrip(b"\0").decode("utf-8", "replace")


def _front(form: str, data: bytes) -> tuple[int, ...]:
    size = struct.calcsize(f"<{form}")
    if len(data) < size:
        raise RemoteProtocolError("body", f"a beacon ends {size - len(data)} bytes early")
    return struct.unpack_from(f"<{form}", data)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


SURROUNDINGS: Mapping[int, tuple[str, Callable[[Item], list[dict[str, object]]]]] = MappingProxyType(
    {
        **dict.fromkeys(CELL_FORMS, ("cells", cells_of)),
        NAMED_WIFI: ("wifi", wifi_of),
        PLAIN_WIFI: ("wifi", wifi_of),
        **dict.fromkeys((0x28, WITH_BATTERY), ("beacons", lambda item: [Beacon.from_item(item).raw()])),
    }
)
