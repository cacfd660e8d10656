"""When it really happened: an event's time by the nearest pairing of both clocks in its boot. Pure.

`clock.synced` says that at `mono_ms` of its boot it was `wall_ms`, give or take `error_ms`. So for every
event of that boot, before it or after it: utc = wall_ms - (mono_ms - monoms). Events are never rewritten;
this is what a reader makes of them (contract, 5). A pairing with a clock chip counts only where the boot
has no other.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.clock import ClockQuality, ClockSource, parse_iso_ms
from gateway.evidence.canonical import Json

CLOCK_SYNCED = "clock.synced"
DRIFT_PPM = 100  # what a crystal may be off; the bound grows by it with the distance
_MOST = 2**53 - 1


class TimeQuality(StrEnum):
    """What a corrected time rests on, best first."""

    PAIRED = "paired"  # a measurement against a time server or the center
    STATED = "stated"  # no pairing known; the gateway's own word that its clock was good
    CHIP = "chip"  # a battery-backed clock, which nobody compared
    UNKNOWN = "unknown"  # the clock was not set: only the order is known


@dataclass(frozen=True, slots=True)
class Corrected:
    """A time, what it rests on, and how far it may be off (None: nobody knows)."""

    ms: int | None
    quality: TimeQuality
    error_ms: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Pairing:
    """Both clocks at one moment of one boot."""

    mono_ms: int
    wall_ms: int
    error_ms: int | None
    source: str
    boot_id: str


def pairing_of(message: Mapping[str, Json]) -> Pairing | None:
    """The pairing that a `clock.synced` event states; None where it cannot be read."""
    data, boot = message.get("data"), message.get("bootid")
    if not isinstance(data, dict) or not isinstance(boot, str):
        return None
    mono, wall, error = _number(data.get("mono_ms")), _number(data.get("wall_ms")), data.get("error_ms")
    source = data.get("source")
    if mono is None or wall is None or not isinstance(source, str):
        return None
    return Pairing(mono, wall, _number(error), source, boot)


class Pairings:
    """The pairings of one gateway, by boot."""

    def __init__(self, pairings: Iterable[Pairing] = ()) -> None:
        self._good: dict[str, list[Pairing]] = {}
        self._chip: dict[str, list[Pairing]] = {}
        for pairing in sorted(pairings):
            where = self._chip if pairing.source == ClockSource.RTC.value else self._good
            where.setdefault(pairing.boot_id, []).append(pairing)

    def correct(self, message: Mapping[str, Json]) -> Corrected:
        """The time of an event, whatever clock it was recorded by."""
        boot, mono_ms = message.get("bootid"), _number(message.get("monoms"))
        if not isinstance(boot, str) or mono_ms is None:
            return _stated(message)
        if boot in self._good:
            return _by(_nearest(self._good[boot], mono_ms), mono_ms, TimeQuality.PAIRED)
        stated = _stated(message)
        if stated.quality is TimeQuality.UNKNOWN and boot in self._chip:
            return _by(_nearest(self._chip[boot], mono_ms), mono_ms, TimeQuality.CHIP)
        return stated


def _nearest(pairings: list[Pairing], mono_ms: int) -> Pairing:
    index = bisect_left(pairings, mono_ms, key=lambda pairing: pairing.mono_ms)
    around = pairings[max(0, index - 1) : index + 1]
    return min(around, key=lambda pairing: abs(pairing.mono_ms - mono_ms))


def _by(pairing: Pairing, mono_ms: int, quality: TimeQuality) -> Corrected:
    distance_ms = abs(pairing.mono_ms - mono_ms)
    drift_ms = -(-distance_ms * DRIFT_PPM // 1_000_000)  # rounded up
    error_ms = None if pairing.error_ms is None else pairing.error_ms + drift_ms
    return Corrected(pairing.wall_ms - (pairing.mono_ms - mono_ms), quality, error_ms)


def _stated(message: Mapping[str, Json]) -> Corrected:
    time, quality = message.get("time"), message.get("clockq")
    try:
        wall_ms = parse_iso_ms(time if isinstance(time, str) else "")
    except ValueError:
        return Corrected(None, TimeQuality.UNKNOWN)
    if quality not in (ClockQuality.SYNCED.value, ClockQuality.HOLDOVER.value):
        return Corrected(None, TimeQuality.UNKNOWN)
    # Carried on without a bound means: set from a clock chip.
    error_ms = _number(message.get("clockerrms"))
    is_chip = quality == ClockQuality.HOLDOVER.value and error_ms is None
    return Corrected(wall_ms, TimeQuality.CHIP if is_chip else TimeQuality.STATED, error_ms)


def _number(value: Json) -> int | None:
    """A whole number from 0, or the same as text, as monotonic times travel."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        value = int(value)
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
    return value if good and isinstance(value, int) else None
