"""Numbers, sizes, times and durations as a person reads them.

Times are Beijing time: mainland China has one civil time and no daylight saving, so a fixed offset is exact and
the box needs no time-zone data. A time no calendar holds (a device's nonsense) reads as a dash.
"""

from datetime import UTC, datetime, timedelta, timezone

from gateway.web.messages import Speaker

BEIJING = timezone(timedelta(hours=8))
UNKNOWN = "—"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def beijing(at_ms: int) -> datetime | None:
    """The civil time at a moment; None outside the calendar."""
    try:
        return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(BEIJING)
    except OverflowError:
        return None


def time_of_day(at_ms: int) -> str:
    """`14:03:22`."""
    at = beijing(at_ms)
    return UNKNOWN if at is None else f"{at:%H:%M:%S}"


def date(at_ms: int) -> str:
    """`2026-11-22`."""
    at = beijing(at_ms)
    return UNKNOWN if at is None else at.date().isoformat()


def weekday_key(at_ms: int) -> str:
    """Catalogue key of the day of the week."""
    at = beijing(at_ms)
    return "weekday.unknown" if at is None else f"weekday.{at.isoweekday()}"


def day_if_not_today(at_ms: int, now_ms: int) -> str:
    """Empty for today, `11-22` within the year, else `2025-11-22`."""
    at, now = beijing(at_ms), beijing(now_ms)
    if at is None or (now is not None and at.date() == now.date()):
        return ""
    return f"{at:%m-%d}" if now is not None and at.year == now.year else at.date().isoformat()


def moment(at_ms: int | None, now_ms: int) -> str:
    """The time of day, with the date where it is not today's."""
    if at_ms is None:
        return UNKNOWN
    return f"{day_if_not_today(at_ms, now_ms)} {time_of_day(at_ms)}".lstrip()


def iso(at_ms: int) -> str:
    """For the `datetime` attribute: `2026-11-22T06:03:22.123Z`; empty outside the calendar."""
    try:
        at = _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        return ""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(length_ms: int | None, t: Speaker) -> str:
    """A length of time in at most two units: `182 ms`, `1.4 s`, `3 min 12 s`, `2 d 5 h`."""
    if length_ms is None:
        return UNKNOWN
    ms = max(0, length_ms)
    if ms < _SECOND:
        return t("unit.ms", n=ms)
    if ms < 10 * _SECOND:
        return t("unit.s", n=f"{ms // 100 / 10:g}")
    parts = ((_DAY, "unit.d"), (_HOUR, "unit.h"), (_MINUTE, "unit.min"), (_SECOND, "unit.s"))
    first = next(place for place, (unit_ms, _) in enumerate(parts) if ms >= unit_ms)
    said: list[str] = []
    for unit_ms, key in parts[first : first + 2]:
        if ms >= unit_ms:
            said.append(t(key, n=ms // unit_ms))
        ms %= unit_ms
    return " ".join(said)


def size(bytes_used: int) -> str:
    """`812 B`, `3.4 MiB`."""
    amount = float(max(0, bytes_used))
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def number(value: int) -> str:
    """`1,284`."""
    return f"{value:,}"
