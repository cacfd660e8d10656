"""The forms that messages are written in: fixed numbers of digits, and lists of cells and access points."""

import re
from dataclasses import dataclass

from firmware_protocols.text_values import whole

_STATE = re.compile(r"(\d{3})(\d{3})(\d{3})(\d)([0-9A-Fa-f]{2})(\d{2})")
# Interval, vibration alarm, its sensitivity, arms itself, after so long; then the three that are read.
_MORE = re.compile(r"\d{2}\d\d{3}\d\d{4}(\d)(\d)?(\d)?")
_POINT = re.compile(r"\|((?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2})\|(-?\d{1,3})(?=&|\Z)")
_CELL = re.compile(r"(\d{1,9})\|(\d{1,9})\|(-?\d{1,3})")
STATE_SIZE = 14


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
    """{name|address|signal} with & between; a name may hold anything. The same one twice is told once."""
    found: dict[tuple[str, int], dict[str, object]] = {}
    for match in _POINT.finditer(text):
        mac, rssi = match[1].replace("-", ":"), -abs(int(match[2]))
        found[mac, rssi] = {"mac": mac, "rssi": rssi}
    return list(found.values())


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
