"""One moment on both clocks, and the one written form of a time."""

import functools
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
# No hour 24: some versions of `fromisoformat` take it for the next day.
_ISO_MS = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{3}Z", re.ASCII)


class ClockQuality(StrEnum):
    """How far the wall time can be trusted."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSYNCED = "unsynced"


class ClockSource(StrEnum):
    """What the wall time rests on."""

    NTP = "ntp"
    RTC = "rtc"
    CENTER = "center"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment on both clocks."""

    wall_ms: int  # UTC since 1970
    mono_ms: int  # since boot
    boot_id: str  # 32 hex digits
    quality: ClockQuality
    error_ms: int | None  # bound of the wall time's error; None where nobody knows it


def iso_ms(wall_ms: int) -> str:
    """`2026-11-22T01:02:02.004Z`; the one written form of a time everywhere."""
    second, ms = divmod(wall_ms, 1000)
    return f"{_iso_second(second)}.{ms:03d}Z"


@functools.lru_cache(maxsize=16)  # events come in bursts, each with two or three times of one second
def _iso_second(second: int) -> str:
    moment = _EPOCH + timedelta(seconds=second)
    return moment.replace(tzinfo=None).isoformat()


def parse_iso_ms(text: str) -> int:
    """Milliseconds since 1970 of exactly the form `iso_ms` writes; anything else is a ValueError."""
    if _ISO_MS.fullmatch(text) is None:
        raise ValueError("not a time of the form 2026-11-22T01:02:02.004Z")
    return (datetime.fromisoformat(text) - _EPOCH) // _MS
