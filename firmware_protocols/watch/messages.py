"""What a watch says: the word of a content and its fields, and a position with what comes with it.

UD,ddmmyy,hhmmss,A|V,lat,N|S,lon,E|W,speed km/h,course,altitude m,satellites,signal,battery %,steps,rolls,
   status 8 hex,cells,TA,MCC,MNC,{LAC,CID,RSSI}…,wifi,{name,MAC,RSSI}…
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from firmware_protocols.text_values import degrees, moment, number, pair, whole
from firmware_protocols.tracking import Sign

POSITIONS = ("UD", "UD2", "UD3", "AL", "WT", "CR")  # and these with _LTE, _WCDMA and the like behind
STORED = ("UD2",)  # taken while there was no network
ALARMS = ("AL",)
BINARY = ("TK", "JXTK", "img")  # sound and pictures: measured, never read

# Status bits: what stands, and what just happened.
STANDING: Mapping[int, Sign] = {0: Sign.LOW_BATTERY, 1: Sign.FENCE_EXIT, 2: Sign.FENCE_ENTER}
MOMENTS: Mapping[int, Sign] = {
    14: Sign.POWER_CUT,  # the charger was taken off
    16: Sign.SOS,
    17: Sign.LOW_BATTERY,
    18: Sign.FENCE_EXIT,
    19: Sign.FENCE_ENTER,
    20: Sign.STRAP_OPEN,
    21: Sign.FALL,
    22: Sign.FALL,
}
_CELLS_AT = 16


@dataclass(frozen=True, slots=True)
class Message:
    """The word and its fields."""

    cmd: str
    args: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_content(cls, content: bytes) -> "Message":
        """Of any content; sound and pictures are left out."""
        word = content.partition(b",")[0].decode("latin-1")
        if word in BINARY:
            return cls(word)
        cmd, *args = content.decode("utf-8", "replace").split(",")
        return cls(cmd, tuple(args))

    @property
    def base(self) -> str:
        """The word without the kind of network: `UD` of `UD_LTE`."""
        return self.cmd.partition("_")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The fields of a position."""

    time: datetime | None
    valid: bool
    lat: float | None = field(repr=False)
    lon: float | None = field(repr=False)
    speed_kmh: float | None
    course: float | None
    altitude_m: float | None
    satellites: int | None
    rssi: int | None
    battery: int | None
    steps: int | None
    rolls: int | None
    status: int | None
    cells: Sequence[Mapping[str, int | None]] = ()
    wifi: Sequence[Mapping[str, object]] = ()

    @property
    def status_bits(self) -> list[int]:
        """Those that are set."""
        return [bit for bit in range(32) if self.status is not None and self.status >> bit & 1]


def position(args: Sequence[str]) -> Position:
    """Out of the fields; what is missing or cannot be read is None."""
    some = list(args)
    battery = whole(pair(some, 12))
    cells, rest = _cells(some[_CELLS_AT:])
    return Position(
        time=moment(pair(some, 0) + pair(some, 1), "DDMMYYhhmmss"),
        valid=pair(some, 2) == "A",
        lat=degrees(pair(some, 3), pair(some, 4), 90),
        lon=degrees(pair(some, 5), pair(some, 6), 180),
        speed_kmh=number(pair(some, 7)),
        course=number(pair(some, 8)),
        altitude_m=number(pair(some, 9)),
        satellites=whole(pair(some, 10)),
        rssi=whole(pair(some, 11)),
        battery=battery if battery is not None and 0 <= battery <= 100 else None,
        steps=whole(pair(some, 13)),
        rolls=whole(pair(some, 14)),
        status=whole(pair(some, 15), 16),
        cells=cells,
        wifi=_wifi(rest),
    )


def _cells(some: list[str]) -> tuple[list[Mapping[str, int | None]], list[str]]:
    """Count, TA, MCC, MNC, then as many cells; and what is behind them."""
    count = whole(pair(some, 0)) or 0
    if not count:
        return [], some[2:] if len(some) > 2 else []
    mcc, mnc, rest = whole(pair(some, 2)), whole(pair(some, 3)), some[4:]
    cells: list[Mapping[str, int | None]] = []
    while len(cells) < count and len(rest) >= 3:
        lac, cid, rssi = (_maybe_hex(rest[at]) for at in range(3))
        cells.append(
            {"mcc": mcc, "mnc": mnc, "lac": lac, "cid": cid, "rssi": None if rssi is None else -abs(rssi)}
        )
        rest = rest[3:]
    return cells, rest


def _maybe_hex(text: str) -> int | None:
    """Some models write cells in hex digits."""
    found = whole(text)
    return whole(text, 16) if found is None else found


def _wifi(some: list[str]) -> list[Mapping[str, object]]:
    """Count, then name, MAC and RSSI of each; the names are of no interest."""
    count, rest = whole(pair(some, 0)) or 0, some[1:]
    found: list[Mapping[str, object]] = []
    while len(found) < count and len(rest) >= 3:
        found.append({"mac": rest[1], "rssi": whole(rest[2])})
        rest = rest[3:]
    return found
