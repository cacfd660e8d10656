"""Numbers, sizes and durations as a person reads them; times stand in `times`."""

from gateway.web.messages import Speaker

UNKNOWN = "—"

_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


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
