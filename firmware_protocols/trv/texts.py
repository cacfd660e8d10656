"""The forms that messages are written in: fixed numbers of digits, and lists of cells and access points."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from firmware_protocols.text_values import whole

IMEI = re.compile(r"(\d{15})(?:,.*)?")
POSITION = re.compile(
    r"(?P<day>\d{6})(?P<fix>[AV])(?P<lat>\d{4}\.\d{1,8})(?P<ns>[NS])(?P<lon>\d{5}\.\d{1,8})(?P<ew>[EW])"
    r"(?P<kmh>\d{3}\.\d)(?P<time>\d{6})(?P<course>[\d.]{6})(?P<state>\d{10}[0-9A-Fa-f]{2}\d{2})(?:\d{3,5})?"
    r",(?P<mcc>\d{1,9}),(?P<mnc>\d{1,9}),(?P<lac>\d{1,9}),(?P<cid>\d{1,9})(?:,(?P<rest>.*))?"
)
_STATE = re.compile(r"(\d{3})(\d{3})(\d{3})(\d)([0-9A-Fa-f]{2})(\d{2})")
# Interval, vibration alarm, its sensitivity, arms itself, after so long; then the three that are read.
_MORE = re.compile(r"\d{2}\d\d{3}\d\d{4}(\d)(\d)?(\d)?")
_POINT = re.compile(r"\|((?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2})\|(-?\d{1,3})(?=&|\Z)")
_CELL = re.compile(r"(\d{1,9})\|(\d{1,9})\|(-?\d{1,3})")
STATE_SIZE = 14
_VALUES = re.compile(r"(?:,[\d.]*)+")
# Word -> form of a whole text: what a message without its end is measured by.
FORMS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "AP00": IMEI,
        **dict.fromkeys(("AP01", "AP10", "YP03", "YP14"), POSITION),
        "AP02": re.compile(r"(?:,[^,|]*){5}(?:,\d+\|\d+\|-?\d+)*,\d+,.*"),
        "CP01": re.compile(r",\d{10}[0-9A-Fa-f]{2}\d{2,30}"),
        **dict.fromkeys(("AP03", "AP49", "APHT", "APHP", "AP50"), _VALUES),
    }
)


@dataclass(frozen=True, slots=True)
class State:
    """Fourteen digits: signal and battery in per cent, satellites, ignition, armed, mode."""

    rssi: int
    satellites: int
    battery_pct: int
    ignition: int  # 0 not told, 1 on, 2 off
    armed: str  # 00 not told, 01 armed
    mode: int

    @classmethod
    def from_text(cls, text: str) -> "State | None":
        """None: other than fourteen digits."""
        match = _STATE.fullmatch(text)
        if match is None:
            return None
        return cls(int(match[1]), int(match[2]), int(match[3]), int(match[4]), match[5], int(match[6]))

    def raw(self) -> dict[str, object]:
        """What is told of it. `battery_v` is how the vector files name the per cent."""
        found: dict[str, object] = {
            "rssi": self.rssi, "satellites": self.satellites, "battery_level": self.battery_pct,
            "battery_v": self.battery_pct,
        }  # fmt: skip
        if self.ignition:
            found["ignition"] = self.ignition == 1
        if self.armed != "00":
            found["armed"] = self.armed == "01"
        if self.mode:
            found["attributes"] = {"mode": self.mode}
        return found


def more_of(text: str) -> dict[str, object]:
    """What a heartbeat may tell behind its state: cut off by the platform, charging, moving."""
    match = _MORE.match(text)
    if match is None:
        return {}
    found: dict[str, object] = {}
    if match[1] != "0":
        found["attributes"] = {"blocked": match[1] == "2"}
    for name, digit in (("charging", match[2]), ("motion", match[3])):
        if digit not in (None, "0"):
            found[name] = digit == "1"
    return found


def points_of(text: str) -> list[dict[str, object]]:
    """{name|address|signal} with & between; a name may hold anything."""
    return [
        {"mac": match[1].replace("-", ":"), "rssi": -abs(int(match[2]))} for match in _POINT.finditer(text)
    ]


def cells_of(mcc: str, mnc: str, texts: list[str]) -> list[dict[str, object]]:
    """{LAC|CID|signal}, from the first on, as long as they are of that form."""
    found: list[dict[str, object]] = []
    for text in texts:
        match = _CELL.fullmatch(text)
        if match is None:
            break
        lac, cid, rssi = int(match[1]), int(match[2]), -abs(int(match[3]))
        found.append({"mcc": whole(mcc), "mnc": whole(mnc), "lac": lac, "cid": cid, "rssi": rssi})
    return found
