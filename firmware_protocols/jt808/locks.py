"""5501 and 5502: where an electronic lock or tag of one vendor is; 5502 while it has no fix.

    [ddmmyyhhmmss BCD 6] [latitude BCD 4: DDMM.mmmm] [longitude BCD 4½: DDDMM.mmmm, flags ½] [knots BCD 1] [course / 2]
    [signal] [satellites] [km DWORD] [battery] [CID DWORD] [LAC WORD] [product] [status WORD] [alarm WORD] [1] {items}

Flags: 2 north, 4 east. Battery: per cent, AA charging. Items: id, length, value; 02 height in m.
The time is UTC; the header's bits of encryption mean something else here.
Source: README.md beside the package, section jt808.
"""

from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.jt808.frames import Frame
from firmware_protocols.jt808.reading import Reader
from firmware_protocols.text_values import moment, nmea_degrees
from firmware_protocols.tracking import Fix, Sign, TrackerReport

LOCATION, BLIND = 0x5501, 0x5502
NORTH, EAST = 1, 2  # bits of the flags
CHARGING = 0xAA
KMH = 1.852
HEIGHT = 0x02
# Product -> bits of its alarm word. Conditions: the word says of each whether it stands.
STANDING: Mapping[int, Mapping[int, Sign]] = MappingProxyType(
    {1: {0: Sign.LOW_POWER}, 2: {0: Sign.LOW_POWER}, 3: {1: Sign.LOW_POWER, 3: Sign.LOW_BATTERY}}
)
VIBRATION = (3, 2)  # product, bit


def located(frame: Frame) -> TrackerReport:
    """Of either message. Code: body."""
    read = Reader(frame.body)
    time = moment(_by_year(read.bcd_time()), "YYMMDDhhmmss")
    lat, lon, flags = read.take(4).hex(), read.take(4).hex(), read.byte()
    knots, course = read.take(1).hex(), read.byte() * 2
    signal, satellites, km, battery = read.byte(), read.byte(), read.dword(), read.byte()
    read.take(6)
    product, status, alarm = read.byte(), read.word(), read.word()
    fix = Fix(
        lat=_degrees(lat, flags & 1 << NORTH, "NS", 90),
        lon=_degrees(f"{lon}{flags >> 4:x}", flags & 1 << EAST, "EW", 180),
        valid=frame.msg_id == LOCATION,
        time=None if time is None else time.replace(tzinfo=UTC),
        altitude_m=_height(read),
        speed_kmh=int(knots) * KMH if knots.isdigit() else None,
        course=course,
        satellites=satellites,
    )
    return TrackerReport(
        kind=f"0x{frame.msg_id:04X}",
        device_id=frame.device_id,
        fix=fix,
        standing={sign: bool(alarm >> bit & 1) for bit, sign in STANDING.get(product, {}).items()},
        moments=frozenset({Sign.VIBRATION} if product == VIBRATION[0] and alarm >> VIBRATION[1] & 1 else ()),
        battery_pct=battery if battery <= 100 else None,
        charging=True if battery == CHARGING else None,
        odometer_m=km * 1000.0,
        raw={"rssi": signal, "product": product, "status": status, "alarm": alarm},
    )


def _by_year(digits: str) -> str:
    """ddmmyy and the rest, as yymmdd and the rest."""
    return digits[4:6] + digits[2:4] + digits[:2] + digits[6:]


def _degrees(digits: str, positive: int, letters: str, limit: float) -> float:
    """Degrees and minutes to four places. Code: body."""
    text = f"{digits[:-4]}.{digits[-4:]}"
    found = nmea_degrees(text, letters[0 if positive else 1], limit) if digits.isdigit() else None
    if found is None:
        raise RemoteProtocolError("body", "a place that is nowhere on the earth")
    return found


def _height(read: Reader) -> float | None:
    """Of the items, behind a byte of unknown meaning."""
    if read.left:
        read.byte()
    while read.left >= 2:
        number, size = read.byte(), read.byte()
        if size > read.left:
            return None
        value = read.take(size)
        if number == HEIGHT and size == 2:
            return float(int.from_bytes(value, "big", signed=True))
    return None
