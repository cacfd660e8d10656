"""One record of a body, key by key."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.minifinder2.items import Item, mac_of, time_of
from firmware_protocols.minifinder2.surroundings import DEGREE, SURROUNDINGS, Beacon, text_of
from firmware_protocols.tracking import Fix, FixSource, Sign

# Bits of the alarm word. What no bit says, the whole word does (`event`).
ALARMS: Mapping[int, Sign] = MappingProxyType(
    {
        0: Sign.LOW_BATTERY, 1: Sign.OVERSPEED, 2: Sign.FALL, 8: Sign.POWER_OFF, 9: Sign.POWER_ON,
        10: Sign.MOVEMENT, 12: Sign.SOS,
    }
)  # fmt: skip
FENCES: Mapping[int, tuple[int, int]] = MappingProxyType(
    {1: (4, 26), 2: (5, 27), 3: (6, 28), 4: (7, 29)}
)  # number of the fence -> bit of its alarm, bit that says whether it is inside
BUTTONS: Mapping[int, int] = MappingProxyType({1: 13, 2: 14})


@dataclass(slots=True)
class Record:
    """What was read so far."""

    device_id: str | None = None
    fix: Fix | None = None
    time: datetime | None = None  # of the status, and of a fix
    said: datetime | None = None  # of the alarm or the status, whichever came last
    told: datetime | None = None  # of the first value that has a time of its own
    moments: set[Sign] = field(default_factory=set)
    battery_pct: int | None = None
    charging: bool | None = None
    odometer_m: float | None = None
    archived: bool = False
    raw: dict[str, object] = field(default_factory=dict, repr=False)

    @property
    def device_time(self) -> datetime | None:
        """When it was, by whatever says it."""
        return self.said or self.told

    def place(self, lat: float, lon: float, source: FixSource) -> None:
        """Where a tag hangs, or a network is: the newest word of the record, whose speed stays."""
        fix = self.fix or Fix(lat=lat, lon=lon, valid=False)
        self.fix = replace(fix, lat=lat, lon=lon, valid=on_earth(lat, lon), source=source)

    def battery(self, percent: int) -> None:
        """Per cent; more than a hundred is none."""
        self.battery_pct = percent if percent <= 100 else None


def record_of(items: Iterable[Item]) -> Record:
    """Of all that can be read; keys that cannot be are named by `trouble`, those of no reader are kept as they are."""
    record = Record()
    trouble: list[str] = []
    others: list[dict[str, str]] = []
    for item in items:
        reader = READERS.get(item.key)
        try:
            if reader is not None:
                reader(record, item)
            elif item.key in SURROUNDINGS:
                _surroundings(record, item)
            else:
                others.append({"key": f"0x{item.key:02X}", "value": item.data.hex()})
        except RemoteProtocolError:
            trouble.append(f"0x{item.key:02X}")
    record.raw |= {"others": others} if others else {}
    record.raw |= {"trouble": trouble} if trouble else {}
    if record.fix is not None:
        record.fix = replace(record.fix, time=record.time or record.device_time, archived=record.archived)
    return record


def on_earth(lat: float, lon: float) -> bool:
    """Whether there is such a place."""
    return abs(lat) <= 90 and abs(lon) <= 180


def _imei(record: Record, item: Item) -> None:
    imei = item.data[:15].decode("ascii", "replace")
    if not imei.isdigit():
        raise RemoteProtocolError("body", "an IMEI is digits")
    record.device_id = imei


def _alarm(record: Record, item: Item) -> None:
    """Bits DWORD, and in most firmware the time DWORD."""
    (bits,) = item.read("I")
    record.moments |= {sign for bit, sign in ALARMS.items() if bits >> bit & 1}
    fences = [number for number, (bit, _) in FENCES.items() if bits >> bit & 1]
    for number in fences:
        inside = bits >> FENCES[number][1] & 1
        record.moments.add(Sign.FENCE_ENTER if inside else Sign.FENCE_EXIT)
    buttons = [number for number, bit in BUTTONS.items() if bits >> bit & 1]
    record.raw["event"] = bits
    record.raw |= {"fences": fences} if fences else {}
    record.raw |= {"buttons": buttons} if buttons else {}
    if len(item.data) >= 8:
        record.said = time_of(item.read("II")[1])


def _battery(record: Record, item: Item) -> None:
    percent, millivolts = item.read("BH")
    record.battery(percent)
    record.raw["battery_v"] = millivolts / 1000


def _satellites(record: Record, item: Item) -> None:
    """Latitude, longitude, km/h, course, altitude m, HDOP in tenths (0: no fix), odometer m, satellites."""
    lat, lon, speed, course, altitude, hdop, odometer, satellites = item.read("iiHHhHIB")
    record.odometer_m = float(odometer)
    record.raw["hdop"] = hdop / 10
    record.fix = Fix(
        lat=lat / DEGREE,
        lon=lon / DEGREE,
        valid=hdop > 0 and on_earth(lat / DEGREE, lon / DEGREE),
        speed_kmh=speed,
        course=course,
        altitude_m=altitude,
        satellites=satellites,
    )


def _status(record: Record, item: Item) -> None:
    """Time DWORD, status DWORD."""
    seconds, status = item.read("II")
    record.time = record.said = time_of(seconds)
    record.charging = bool(status >> 4 & 1)
    record.archived = bool(status >> 7 & 1)
    record.battery(status >> 24)
    record.raw |= {
        "status": f"0x{status:08X}",
        "motion": bool(status >> 9 & 1),
        "rssi": status >> 19 & 0x1F,
        "archived": record.archived,
    }


def _tag(record: Record, item: Item) -> None:
    """MAC[6] from behind, [latitude, longitude, [name; of key 26 HDOP and altitude]]."""
    item.read("6B")
    record.raw["tag"] = mac_of(item.data[5::-1])
    if len(item.data) < 14:
        return
    lat, lon = item.read("6Bii")[6:]
    record.place(lat / DEGREE, lon / DEGREE, FixSource.BEACON)
    if item.key == 0x23 and len(item.data) > 14:
        record.raw["description"] = text_of(item.data[14:])
    if item.key == 0x26:
        _height(record, *item.read("6BiiHh")[8:])


def _network_place(record: Record, item: Item) -> None:
    lat, lon, hdop, altitude = item.read("iiHh")
    record.place(lat / DEGREE, lon / DEGREE, FixSource.NETWORK)
    _height(record, hdop, altitude)


def _height(record: Record, hdop: int, altitude: int) -> None:
    record.raw["hdop"] = hdop / 10
    if record.fix is not None:
        record.fix = replace(record.fix, altitude_m=altitude)


def _old_beacon(record: Record, item: Item) -> None:
    """Flags, MAC, signal, latitude, longitude, name."""
    *_, lat, lon = item.read("B6BBii")
    record.raw["tag"] = mac_of(item.data[6:0:-1])
    record.place(lat / DEGREE, lon / DEGREE, FixSource.BEACON)
    if len(item.data) > 16:
        record.raw["description"] = text_of(item.data[16:])


def _surroundings(record: Record, item: Item) -> None:
    name, read = SURROUNDINGS[item.key]
    found = read(item)
    before = record.raw.get(name)
    record.raw[name] = [*before, *found] if isinstance(before, list) else found
    if name == "beacons":
        place = Beacon.from_item(item).place
        if place is not None:
            record.place(*place, FixSource.BEACON)


def _steps(record: Record, item: Item) -> None:
    seconds, record.raw["steps"] = item.read("II")
    _told(record, seconds)


def _bark(record: Record, item: Item) -> None:
    """Of collars: bit 31 says that it ended."""
    seconds, count = item.read("II")
    record.raw |= {"bark_count": count & 0x7FFF_FFFF, "bark_ended": bool(count >> 31)}
    _told(record, seconds)


def _measured(name: str) -> Callable[[Record, Item], None]:
    """Time DWORD, value BYTE, of which 0 and 1 are no measurement."""

    def read(record: Record, item: Item) -> None:
        seconds, value = item.read("IB")
        _told(record, seconds)
        if value > 1:
            record.raw[name] = value

    return read


def _told(record: Record, seconds: int) -> None:
    record.told = record.told or time_of(seconds)


READERS: Mapping[int, Callable[[Record, Item], None]] = MappingProxyType(
    {
        0x01: _imei,
        0x02: _alarm,
        0x14: _battery,
        0x20: _satellites,
        0x23: _tag,
        0x24: _status,
        0x26: _tag,
        0x27: _network_place,
        0x2A: _old_beacon,
        0x30: _steps,
        0x37: _bark,
        0x40: _measured("heart_rate"),
        0x41: _measured("spo2"),
    }
)
