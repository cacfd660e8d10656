"""The position of a record: places, networks, speed, as its mask says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from firmware_protocols.tracking import Fix
from firmware_protocols.xexun2.reading import Reader, degrees, on_earth

BLOCK_PLACE = ord("G")
TOF_SIZE = 12


@dataclass(slots=True)
class Position:
    """What was read so far."""

    lat: float | None = field(default=None, repr=False)
    lon: float | None = field(default=None, repr=False)
    vouched: bool = False
    satellites: int | None = None
    speed_kmh: float | None = None
    course: float | None = None
    altitude_m: float | None = field(default=None, repr=False)
    raw: dict[str, object] = field(default_factory=dict, repr=False)

    def fix(self, time: datetime) -> Fix | None:
        """None: no place was told."""
        if self.lat is None or self.lon is None:
            return None
        return Fix(
            lat=self.lat,
            lon=self.lon,
            valid=self.vouched and on_earth(self.lat, self.lon),
            time=time,
            altitude_m=self.altitude_m,
            speed_kmh=self.speed_kmh,
            course=self.course,
            satellites=self.satellites,
        )

    def read(self, reader: Reader) -> None:
        """All that the mask names, in its order. Code: body."""
        mask = reader.number("B")
        for bit, part in PARTS:
            if mask >> bit & 1:
                part(self, reader)


def _place(form: str) -> Callable[[Position, Reader], None]:
    """Satellites BYTE, longitude, latitude."""

    def read(position: Position, reader: Reader) -> None:
        position.satellites = reader.number("B")
        _coordinates(position, reader, form)
        position.vouched = True

    return read


def _coordinates(position: Position, reader: Reader, form: str) -> None:
    position.lon, position.lat = degrees(reader.real(form)), degrees(reader.real(form))


def _wifi(position: Position, reader: Reader) -> None:
    """Count, n x {MAC[6], signal i8}."""
    position.raw["wifi"] = [
        {"mac": reader.take(6).hex(":"), "rssi": reader.number("b")} for _ in range(reader.number("B"))
    ]


def _cells(position: Position, reader: Reader) -> None:
    """Count, n x {MCC WORD, MNC WORD, LAC DWORD, number DWORD, signal i8}."""
    names = ("mcc", "mnc", "lac", "cid", "rssi")
    position.raw["cells"] = [
        dict(zip(names, reader.numbers("HHIIb"), strict=True)) for _ in range(reader.number("B"))
    ]


def _tof(position: Position, reader: Reader) -> None:
    """Distances by time of flight: count, n x 12 bytes that nobody here can read."""
    position.raw["tof"] = [reader.take(TOF_SIZE).hex() for _ in range(reader.number("B"))]


def _speed(position: Position, reader: Reader) -> None:
    """Both in tenths."""
    speed, course = reader.numbers("HH")
    position.speed_kmh, position.course = speed / 10, course / 10


def _blocks(position: Position, reader: Reader) -> None:
    """Length WORD, then blocks of type BYTE, length WORD, data. Of one type, G, the layout is known."""
    blocks = Reader(reader.take(reader.number("H")))
    while blocks.left:
        kind = blocks.number("B")
        data = blocks.take(blocks.number("H"))
        if kind == BLOCK_PLACE:
            _whole_place(position, Reader(data))
        else:
            position.raw[f"block_{kind:02x}"] = data.hex()


def _whole_place(position: Position, reader: Reader) -> None:
    """Longitude, latitude f64, valid, satellites, signal to noise, km/h and course in tenths, altitude f32."""
    _coordinates(position, reader, "d")
    valid, position.satellites, position.raw["snr"] = reader.numbers("BBB")
    position.vouched = valid > 0
    _speed(position, reader)
    altitude = reader.real("f")
    position.altitude_m = round(altitude, 3) if abs(altitude) < 100_000 else None


# Bit of the mask, and what stands there; in this order.
PARTS: tuple[tuple[int, Callable[[Position, Reader], None]], ...] = (
    (0, _place("f")),
    (1, _wifi),
    (2, _cells),
    (3, _tof),
    (5, _speed),
    (6, _place("d")),
    (7, _blocks),
)
