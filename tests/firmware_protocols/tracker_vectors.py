"""Vector files of trackers as test data."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors" / "trackers"
KEYS = (
    "position", "time", "valid", "lat", "lon", "altitude_m", "speed_kmh", "course", "satellites", "device_id",
    "device_time", "odometer_m", "battery", "alarms", "positions",
)  # fmt: skip
CLOSE = 2e-6
INFORMATIVE = {"vendor_extras", "attributes", "rssi", "charging", "motion", "hdop", "event", "ignition"}


@dataclass(frozen=True)
class TrackerVector:
    family: str
    entry: dict[str, Any] = field(repr=False)

    @property
    def data(self) -> bytes:
        return bytes.fromhex(self.entry["hex"]) if "hex" in self.entry else self.entry["text"].encode()

    @property
    def core(self) -> bool:
        return bool(self.entry["tier"] == "core")

    @property
    def expected(self) -> dict[str, Any]:
        return self.entry.get("expected") or {}

    def __repr__(self) -> str:
        return str(self.entry["id"])


def load(family: str, *files: str) -> list[TrackerVector]:
    return [
        TrackerVector(family, entry)
        for name in files
        for entry in json.loads((VECTORS / name).read_text("utf-8"))["vectors"]
    ]


def section(name: str, file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / file).read_text("utf-8")).get(name, [])
    return found


def same(wanted: Any, got: Any) -> bool:
    """Numbers are compared closely, lists and objects member by member; members nobody wants are left alone."""
    if isinstance(wanted, bool) or wanted is None or isinstance(wanted, str):
        return bool(wanted == got)
    if isinstance(wanted, int | float):
        return isinstance(got, int | float) and not isinstance(got, bool) and abs(wanted - got) <= CLOSE
    if isinstance(wanted, list):
        return (
            isinstance(got, list)
            and len(wanted) == len(got)
            and all(same(one, other) for one, other in zip(wanted, got, strict=True))
        )
    return isinstance(got, dict) and all(
        same(value, got.get(name)) for name, value in wanted.items() if name not in INFORMATIVE
    )
