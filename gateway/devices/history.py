"""What a device went through: its faults and returns, out of the newest events. Read beside the running gateway."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import parse_iso_ms
from gateway.event_types import TYPE_PREFIX
from gateway.store.reading import open_for_reading

LOOKED_AT = 20_000  # events; a day of a busy center
MOST = 50
_SAID = frozenset({"online", "offline", "fault", "replaced"})


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a device's state."""

    at_ms: int
    state: str  # online, offline, fault, replaced
    code: str | None = None


def history(store: Path, device: str) -> Sequence[Change]:
    """Newest first, at most `MOST`. Raises `StoreRefused`. Takes some tenths of a second on a small board."""
    with open_for_reading(store) as reading:
        rows = reading.all(
            "SELECT wire FROM event WHERE n > ? AND instr(wire, ?) AND instr(wire, ?) ORDER BY n DESC LIMIT ?",
            reading.last_n() - LOOKED_AT,
            f'"type":"{TYPE_PREFIX}device.'.encode(),
            f'"device/{device}"'.encode(),
            MOST * 4,
        )
    wires = (wire for (wire,) in rows if isinstance(wire, bytes))
    found = [one for wire in wires if (one := _change(wire, device)) is not None]
    return found[:MOST]


def _change(wire: bytes, device: str) -> Change | None:
    event = json.loads(wire)
    verb = str(event["type"]).removeprefix(f"{TYPE_PREFIX}device.")
    if event.get("subject") != f"device/{device}" or verb not in _SAID:
        return None
    code = event["data"].get("code")
    return Change(parse_iso_ms(event["time"]), verb, None if code is None else str(code))
