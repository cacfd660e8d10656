"""Settings that a device tells (command config). Passwords and phone numbers are not among those that are read. [S]"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.minifinder2.items import Item, mac_of
from firmware_protocols.minifinder2.surroundings import text_of

IMEI, BATTERY = 0x03, 0x14


def _text(item: Item) -> object:
    return text_of(item.data)


def _number(item: Item) -> object:
    return item.read("I")[0]


def _mac(item: Item) -> object:
    return mac_of(item.data)


def _intervals(item: Item) -> object:
    heartbeat, upload, lazy = item.read("III")
    return {"heartbeat_s": heartbeat, "upload_s": upload, "lazy_upload_s": lazy}


# Key -> name and how it is read.
SETTINGS: Mapping[int, tuple[str, Callable[[Item], object]]] = MappingProxyType(
    {
        0x01: ("module", _number),
        0x02: ("firmware_number", _number),
        IMEI: ("imei", _text),
        0x04: ("iccid", _text),
        0x05: ("ble_mac", _mac),
        0x0E: ("time_zone", lambda item: item.read("b")[0]),
        0x13: ("name", _text),
        0x1A: ("firmware", _text),
        0x1B: ("modem", _text),
        0x40: ("apn", _text),
        0x44: ("intervals", _intervals),
        0x66: ("imsi", _text),
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was told."""

    imei: str | None = None
    battery_pct: int | None = None
    values: Mapping[str, object] = field(default_factory=dict, repr=False)


def settings_of(items: Iterable[Item]) -> Settings:
    """Of all that can be read."""
    values: dict[str, object] = {}
    battery: int | None = None
    for item in items:
        try:
            if item.key == BATTERY:
                percent, millivolts = item.read("BH")
                battery, values["battery_v"] = percent if percent <= 100 else None, millivolts / 1000
            elif item.key in SETTINGS:
                name, read = SETTINGS[item.key]
                values[name] = read(item)
        except RemoteProtocolError:
            continue
    imei = values.get("imei")
    return Settings(imei if isinstance(imei, str) and imei.isdigit() else None, battery, values)
