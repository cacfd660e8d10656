"""The blocks that messages of GT06 are made of: position, cell, state of the terminal."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.tracking import Sign

GPS_SIZE = 18
DEGREE = 1_800_000

# The alarm byte of a message, what the upper half of the language extends it to, and bits 5 to 3 of the state.
ALARMS: Mapping[int, Sign] = MappingProxyType(
    {
        0x01: Sign.SOS, 0x02: Sign.POWER_CUT, 0x03: Sign.VIBRATION, 0x04: Sign.FENCE_ENTER, 0x05: Sign.FENCE_EXIT,
        0x06: Sign.OVERSPEED, 0x09: Sign.VIBRATION, 0x0C: Sign.CASE_TAMPER, 0x0E: Sign.LOW_BATTERY,
        0x0F: Sign.LOW_BATTERY, 0x11: Sign.POWER_OFF, 0x13: Sign.CASE_TAMPER, 0x14: Sign.DOOR,
        0x18: Sign.STRAP_OPEN, 0x19: Sign.LOW_BATTERY, 0x1A: Sign.HARD_BRAKING, 0x23: Sign.FALL,
        0x25: Sign.CASE_TAMPER, 0x26: Sign.HARD_ACCELERATION, 0x27: Sign.HARD_BRAKING, 0x2C: Sign.ACCIDENT,
        0x30: Sign.JAMMING, 0x32: Sign.CASE_TAMPER, 0x33: Sign.LOCK, 0x34: Sign.UNLOCK,
    }
)  # fmt: skip
WIDE_ALARMS: Mapping[int, Sign] = MappingProxyType({0x0107: Sign.JAMMING, 0x010B: Sign.JAMMING})
INFO_ALARMS: Mapping[int, Sign] = MappingProxyType(
    {
        1: Sign.VIBRATION,
        2: Sign.POWER_CUT,
        3: Sign.LOW_BATTERY,
        4: Sign.SOS,
        6: Sign.FENCE,
        7: Sign.STRAP_OPEN,
    }
)


def clock_time(data: bytes) -> datetime | None:
    """YY MM DD hh mm ss, a byte each, by the device's clock: without a zone. None where it is no date."""
    if len(data) < 6:
        return None
    try:
        return datetime(2000 + data[0], data[1], data[2], data[3], data[4], data[5])  # noqa: DTZ001 - as sent
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gps:
    """18 bytes; of some models in another order, or fewer."""

    time: datetime | None  # naive: by the device's clock
    info_length: int = 0
    satellites: int | None
    lat: float = field(repr=False)
    lon: float = field(repr=False)
    speed_kmh: int
    status: int  # bits 0-9 course, 10 north, 11 west, 12 fixed, 13 not real-time

    @property
    def valid(self) -> bool:
        """Whether it has a fix, and one on the earth."""
        return bool(self.status >> 12 & 1) and abs(self.lat) <= 90 and abs(self.lon) <= 180

    @property
    def course(self) -> int:
        """Degrees."""
        return self.status & 0x3FF

    @classmethod
    def from_bytes(cls, data: bytes) -> "Gps":
        """Code: body."""
        if len(data) < GPS_SIZE:
            raise RemoteProtocolError("body", f"{len(data)} bytes are no position of {GPS_SIZE}")
        return cls.of(
            time=clock_time(data),
            info_length=data[6] >> 4,
            satellites=data[6] & 0xF,
            place=data[7:15],
            speed_kmh=data[15],
            status=int.from_bytes(data[16:18], "big"),
        )

    @classmethod
    def of(
        cls,
        *,
        time: datetime | None,
        place: bytes,
        speed_kmh: int,
        status: int,
        satellites: int | None = None,
        info_length: int = 0,
    ) -> "Gps":
        """`place`: latitude and longitude, 4 bytes each; their signs are in the status."""
        lat, lon = int.from_bytes(place[:4], "big") / DEGREE, int.from_bytes(place[4:8], "big") / DEGREE
        return cls(
            time=time,
            info_length=info_length,
            satellites=satellites,
            lat=lat if status >> 10 & 1 else -lat,
            lon=-lon if status >> 11 & 1 else lon,
            speed_kmh=speed_kmh,
            status=status,
        )

    def to_bytes(self) -> bytes:
        """The block on the wire; its signs are those of `status`."""
        if self.time is None:
            raise RemoteProtocolError("body", "a position without a time cannot be written")
        time = self.time if self.time.tzinfo is None else self.time.astimezone(UTC)
        head = bytes([time.year - 2000, time.month, time.day, time.hour, time.minute, time.second])
        head += bytes([self.info_length << 4 | (self.satellites or 0)])
        head += round(abs(self.lat) * DEGREE).to_bytes(4, "big") + round(abs(self.lon) * DEGREE).to_bytes(
            4, "big"
        )
        return head + bytes([self.speed_kmh]) + self.status.to_bytes(2, "big")


def cell_of(data: bytes) -> tuple[dict[str, int], int] | None:
    """MCC (bit 15: MNC is a WORD), MNC, LAC WORD, CID of 3 bytes; and their size. None: too short."""
    if len(data) < 8:
        return None
    mcc = int.from_bytes(data[:2], "big")
    wide = bool(mcc >> 15)
    at = 4 if wide else 3
    if len(data) < at + 5:
        return None
    mnc = int.from_bytes(data[2:at], "big")
    lac, cid = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 5], "big")
    return {"mcc": mcc & 0x7FFF, "mnc": mnc, "lac": lac, "cell_id": cid}, at + 5


def alarm_of(code: int | None, language: int | None = None) -> Set[Sign]:
    """What an alarm byte says; `language` where its upper half extends the code."""
    wide = (code or 0) | ((language or 0) >> 4) << 8
    found = ALARMS.get(wide) or WIDE_ALARMS.get(wide)
    return frozenset() if found is None else frozenset({found})


@dataclass(frozen=True, slots=True)
class State:
    """State of the terminal: info, voltage, signal, and where they are there alarm and language."""

    info: int
    voltage: int
    signal: int
    alarm: int | None = None
    language: int | None = None
    wide: bool = False  # the upper half of the language extends the alarm

    @classmethod
    def from_bytes(cls, data: bytes, *, wide: bool = False) -> "State | None":
        """None: too short."""
        if len(data) < 3:
            return None
        alarm, language = data[3:5] if len(data) >= 5 else (None, None)
        return cls(data[0], data[1], data[2], alarm, language, wide)

    def to_bytes(self) -> bytes:
        """The block on the wire; five bytes where it has an alarm, else three."""
        head = bytes([self.info, self.voltage, self.signal])
        return head if self.alarm is None else head + bytes([self.alarm, self.language or 0])

    @property
    def battery_pct(self) -> int | None:
        """Levels 0 to 6 as parts of a hundred; above that per cent."""
        if self.voltage <= 6:
            return self.voltage * 100 // 6
        return self.voltage if self.voltage <= 100 else None

    @property
    def charging(self) -> bool:
        """Bit 2."""
        return bool(self.info >> 2 & 1)

    @property
    def signs(self) -> Set[Sign]:
        """What the state says; where it says nothing, the alarm byte."""
        found = INFO_ALARMS.get(self.info >> 3 & 7)
        return alarm_of(self.alarm, self.language if self.wide else None) if found is None else {found}

    def raw(self) -> dict[str, object]:
        """The bytes, and the bits of the first."""
        found: dict[str, object] = {
            "terminal_info": self.info, "voltage_level": self.voltage, "gsm_signal": self.signal,
            "terminal": {
                "oil_cut": bool(self.info >> 7 & 1), "gps_tracking": bool(self.info >> 6 & 1),
                "alarm_type": self.info >> 3 & 7, "charging": self.charging, "acc": bool(self.info >> 1 & 1),
                "armed": bool(self.info & 1),
            },
        }  # fmt: skip
        if self.alarm is not None:
            found |= {"alarm_code": self.alarm, "language": self.language}
        return found
