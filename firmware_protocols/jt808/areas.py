"""Areas that a terminal watches: circles (8600), rectangles (8602), polygons (8604), in both editions.

    circle, rectangle   id DWORD, attributes WORD, points, [radius DWORD], times, speeds, name
    polygon             id DWORD, attributes WORD, times, speed, count WORD, points, night speed, name

Times (begin and end, BCD[6]) with attribute bit 0; highest speed WORD and its duration BYTE with bit 1, to which 2019
adds the speed at night, WORD. The name, length WORD and GBK, is of 2019 alone. South and west are bits 6 and 7 of all
points. Sources: the tables of yezhihao/jt808-server and SmallChi/JT808.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.jt808.reading import Reader

TIMED, LIMITED, SOUTH, WEST = 0, 1, 6, 7  # bits of the attributes
_BY_CONTENT = 1 << TIMED | 1 << LIMITED | 1 << SOUTH | 1 << WEST
Point = tuple[float, float]  # latitude, longitude


class Shape(IntEnum):
    """The message that carries it."""

    CIRCLE = 0x8600
    RECTANGLE = 0x8602  # upper left, lower right
    POLYGON = 0x8604


@dataclass(frozen=True, slots=True)
class Limit:
    """How fast one may be, and for how long faster."""

    speed_kmh: int
    duration_s: int
    night_kmh: int = 0  # 2019


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One area. Bits 0, 1, 6 and 7 of the attributes are written by what the area has."""

    id: int
    attributes: int
    points: Sequence[Point] = field(repr=False)
    radius_m: int | None = field(default=None, repr=False)  # of a circle
    times: tuple[str, str] | None = None  # begin and end, YYMMDDhhmmss
    limit: Limit | None = None
    name: str = field(default="", repr=False)

    def to_bytes(self, shape: Shape, *, new: bool) -> bytes:
        """As it stands in the message; `new`: of 2019. Code: range."""
        head = self.id.to_bytes(4, "big") + self._bits().to_bytes(2, "big")
        points = b"".join(_packed(lat) + _packed(lon) for lat, lon in self.points)
        times = bytes.fromhex("".join(self.times or ()))
        speed = night = b""
        if self.limit is not None:
            speed = self.limit.speed_kmh.to_bytes(2, "big") + bytes([self.limit.duration_s])
            night = self.limit.night_kmh.to_bytes(2, "big") if new else b""
        words = self.name.encode("gbk", "replace")
        name = len(words).to_bytes(2, "big") + words if new else b""
        if shape is Shape.POLYGON:
            return head + times + speed + len(self.points).to_bytes(2, "big") + points + night + name
        if len(self.points) != _points(shape) or (self.radius_m is None) is (shape is Shape.CIRCLE):
            raise LocalProtocolError("range", "a circle has a centre and a radius, a rectangle two corners")
        radius = b"" if self.radius_m is None else self.radius_m.to_bytes(4, "big")
        return head + points + radius + times + speed + night + name

    @classmethod
    def read(cls, read: Reader, shape: Shape, *, new: bool) -> "Area":
        """The next area of a message. Code: body."""
        number, bits = read.dword(), read.word()
        points: list[Point] = []
        radius = times = limit = None
        if shape is not Shape.POLYGON:
            points = [_point(read, bits) for _ in range(_points(shape))]
            radius = read.dword() if shape is Shape.CIRCLE else None
        if bits >> TIMED & 1:
            times = (read.bcd_time(), read.bcd_time())
        if bits >> LIMITED & 1:
            limit = Limit(read.word(), read.byte())
        if shape is Shape.POLYGON:
            points = [_point(read, bits) for _ in range(read.word())]
        if new and limit is not None:
            limit = Limit(limit.speed_kmh, limit.duration_s, read.word())
        name = read.text(read.word()) if new else ""
        return cls(
            id=number, attributes=bits, points=points, radius_m=radius, times=times, limit=limit, name=name
        )

    def _bits(self) -> int:
        south, west = {lat < 0 for lat, _ in self.points}, {lon < 0 for _, lon in self.points}
        if len(south) > 1 or len(west) > 1:
            raise LocalProtocolError("range", "an area lies on one side of the equator and of Greenwich")
        found = self.attributes & ~_BY_CONTENT
        found |= (self.times is not None) << TIMED | (self.limit is not None) << LIMITED
        return found | (True in south) << SOUTH | (True in west) << WEST


def _points(shape: Shape) -> int:
    return 1 if shape is Shape.CIRCLE else 2


def _packed(degrees: float) -> bytes:
    return round(abs(degrees) * 1e6).to_bytes(4, "big")


def _point(read: Reader, bits: int) -> Point:
    lat, lon = read.dword() / 1e6, read.dword() / 1e6
    return (-lat if bits >> SOUTH & 1 else lat), (-lon if bits >> WEST & 1 else lon)


def set_areas(shape: Shape, areas: Sequence[Area], *, new: bool, action: int = 0) -> bytes:
    """The body of 8600 and 8602 (action 0 update, 1 append, 2 modify), or of 8604, which has one area. Code: range."""
    if shape is Shape.POLYGON:
        if len(areas) != 1:
            raise LocalProtocolError("range", "8604 carries one polygon")
        return areas[0].to_bytes(shape, new=new)
    if len(areas) > 0xFF:
        raise LocalProtocolError("range", "255 areas at most")
    return bytes([action, len(areas)]) + b"".join(one.to_bytes(shape, new=new) for one in areas)


def raw_of(area: Area) -> dict[str, object]:
    """The fields as they stand."""
    return {
        "area_id": area.id,
        "attributes": area.attributes,
        "points": [{"lat": lat, "lon": lon} for lat, lon in area.points],
        "radius_m": area.radius_m,
        "times_bcd": list(area.times or ()),
        "speed_kmh": None if area.limit is None else area.limit.speed_kmh,
        "duration_s": None if area.limit is None else area.limit.duration_s,
        "night_speed_kmh": None if area.limit is None else area.limit.night_kmh,
        "name": area.name,
    }
