"""The location report (0200 and what carries it): alarm and status bits, position, items, and what they come to.

Bits of the alarm word are the standard's by default. Vendors use some for other things: `MODELS` has their maps, and
nothing is called tamper that the standard does not call so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from firmware_protocols.jt808.items import named_items
from firmware_protocols.jt808.models import MODELS, STANDARD
from firmware_protocols.jt808.reading import Reader, time_of
from firmware_protocols.tracker_describing import utc
from firmware_protocols.tracking import Fix, Sign

FIXED, SOUTH, WEST = 1, 2, 3  # bits of the status
CHARGING = 26  # vendors


@dataclass(frozen=True, slots=True)
class Item:
    """One item behind the position."""

    id: int
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The body of a 0200."""

    alarm: int
    status: int
    lat: float = field(repr=False)
    lon: float = field(repr=False)
    altitude_m: int
    speed_kmh: float
    course: int
    time_bcd: str
    items: Sequence[Item] = field(default=(), repr=False)
    wellformed: bool = True

    @property
    def time(self) -> datetime | None:
        """At Beijing."""
        return time_of(self.time_bcd)

    @property
    def valid(self) -> bool:
        """Whether the device has a fix."""
        return bool(self.status >> FIXED & 1)

    def item(self, number: int, size: int | None = None) -> bytes | None:
        """The value of the first item of this id, of that size where one is given."""
        some = (one.value for one in self.items if one.id == number and size in (None, len(one.value)))
        return next(some, None)

    def to_bytes(self) -> bytes:
        """The body on the wire."""
        status = self.status & ~(1 << SOUTH | 1 << WEST) | (self.lat < 0) << SOUTH | (self.lon < 0) << WEST
        head = self.alarm.to_bytes(4, "big") + status.to_bytes(4, "big")
        head += round(abs(self.lat) * 1e6).to_bytes(4, "big") + round(abs(self.lon) * 1e6).to_bytes(4, "big")
        head += self.altitude_m.to_bytes(2, "big", signed=True) + round(self.speed_kmh * 10).to_bytes(
            2, "big"
        )
        head += self.course.to_bytes(2, "big") + bytes.fromhex(self.time_bcd)
        return head + b"".join(bytes([one.id, len(one.value)]) + one.value for one in self.items)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Location":
        """Code: body."""
        read = Reader(data)
        alarm, status = read.dword(), read.dword()
        lat, lon = read.dword() / 1e6, read.dword() / 1e6
        altitude = int.from_bytes(read.take(2), "big", signed=True)
        speed, course, time_bcd = read.word() / 10, read.word(), read.bcd_time()
        items, wellformed = _items(read)
        return cls(
            alarm=alarm,
            status=status,
            lat=-lat if status >> SOUTH & 1 else lat,
            lon=-lon if status >> WEST & 1 else lon,
            altitude_m=altitude,
            speed_kmh=speed,
            course=course,
            time_bcd=time_bcd,
            items=items,
            wellformed=wellformed,
        )


def _items(read: Reader) -> tuple[list[Item], bool]:
    """Id, length, value, up to a length that runs over the end."""
    found: list[Item] = []
    while read.left >= 2:
        number, size = read.byte(), read.byte()
        if size > read.left:
            return found, False
        found.append(Item(number, read.take(size)))
    return found, read.left == 0


def bits(value: int) -> list[int]:
    """Those that are set."""
    return [bit for bit in range(32) if value >> bit & 1]


def fix_of(found: Location, *, archived: bool = False) -> Fix:
    """The position; one that lies nowhere on the earth is not vouched for, whatever the device says."""
    satellites = found.item(0x31, 1)
    return Fix(
        lat=found.lat,
        lon=found.lon,
        valid=found.valid and abs(found.lat) <= 90 and abs(found.lon) <= 180,
        time=found.time,
        altitude_m=found.altitude_m,
        speed_kmh=found.speed_kmh,
        course=found.course,
        satellites=None if satellites is None else satellites[0],
        archived=archived,
    )


def signs_of(found: Location, model: str = STANDARD) -> tuple[dict[Sign, bool], frozenset[Sign]]:
    """What stands, and what happened."""
    maps = MODELS[model]
    standing: dict[Sign, bool] = {}
    for bit, sign in maps.standing.items():
        standing[sign] = standing.get(sign, False) or bool(found.alarm >> bit & 1)
    moments = {sign for bit, sign in maps.moments.items() if found.alarm >> bit & 1}
    worn = _worn(found)
    if worn is not None:
        standing[Sign.STRAP_OPEN] = not worn
    area = found.item(0x12, 6)
    if area is not None and Sign.FENCE in moments:
        moments = moments - {Sign.FENCE} | {Sign.FENCE_EXIT if area[5] else Sign.FENCE_ENTER}
    return standing, frozenset(moments)


def _nested(value: bytes) -> dict[int, bytes]:
    """Item EB of wearables: length (type and value), type, value."""
    read, found = Reader(value), dict[int, bytes]()
    while read.left >= 4:
        size = read.word()
        if size < 2 or size > read.left:
            break
        kind = read.word()
        found[kind] = read.take(size - 2)
    return found


def _worn(found: Location) -> bool | None:
    """Item EB/0089, active low: bit 12 clear is taken off. None: the item is not there."""
    nested = _nested(found.item(0xEB) or b"")
    state = nested.get(0x0089)
    return None if state is None or len(state) != 4 else bool(int.from_bytes(state, "big") >> 12 & 1)


def battery_of(found: Location) -> tuple[int | None, bool | None]:
    """Percent and charging, out of the items of vendors."""
    for number, size, place in (
        (0xD4, 1, 0),
        (0xE1, 1, 0),
        (0xE9, 1, 0),
        (0xE3, 4, 1),
        (0xE4, 2, 1),
        (0x06, 1, 0),
    ):
        value = found.item(number, size)
        if value is None:
            continue
        if value[place] == 0xFF:
            return None, True
        charging = value[0] == 0 if number == 0xE4 else None
        return (value[place] if value[place] <= 100 else None), charging
    value = found.item(0xF7)
    if value is not None and len(value) >= 6:
        return (value[5] if value[5] <= 100 else None), value[4] in (2, 3)
    value = found.item(0x56, 2)
    if value is not None and value[0] <= 10:
        return value[0] * 10, None
    nested = _nested(found.item(0xEB) or b"")
    for number in (0x00A8, 0x00E1):
        if len(nested.get(number, b"")) == 1 and nested[number][0] <= 100:
            return nested[number][0], None
    return None, None


def raw_of(found: Location) -> dict[str, object]:
    """The fields as they stand."""
    raw: dict[str, object] = {
        "alarm_flag": found.alarm,
        "status_flag": found.status,
        "alarm_bits": bits(found.alarm),
        "status_bits": bits(found.status),
        "lat": found.lat,
        "lon": found.lon,
        "altitude_m": found.altitude_m,
        "speed_kmh": found.speed_kmh,
        "course": found.course,
        "valid": found.valid,
        "time": None if found.time is None else utc(found.time),
        "time_bcd": found.time_bcd,
        "items": [{"id": one.id, "len": len(one.value), "value": one.value.hex()} for one in found.items],
        "items_wellformed": found.wellformed,
    }
    raw |= named_items((one.id, one.value) for one in found.items)
    return raw


def odometer_m(found: Location) -> float | None:
    """Item 01, in 0.1 km."""
    mileage = found.item(0x01, 4)
    return None if mileage is None else int.from_bytes(mileage, "big") * 100.0
