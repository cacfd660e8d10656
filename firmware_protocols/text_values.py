"""Numbers, dates and places out of the fields of protocols that are text. What cannot be read is None, not an error.

A tracker leaves fields empty, pads them with blanks and sends `N/A`; the rest of such a message is still good.
"""

import math
from datetime import datetime


def number(text: str) -> float | None:
    """A finite decimal number."""
    try:
        found = float(text.strip())
    except ValueError:
        return None
    return found if math.isfinite(found) and "_" not in text else None


def whole(text: str, base: int = 10) -> int | None:
    """A whole number of digits."""
    text = text.strip()
    try:
        return int(text, base) if text.lstrip("-").isalnum() and len(text) <= 20 else None
    except ValueError:
        return None


def pair(texts: list[str], at: int) -> str:
    """The field at a place; empty where the message ends before."""
    return texts[at] if 0 <= at < len(texts) else ""


def moment(digits: str, form: str) -> datetime | None:
    """A time without a zone, by the letters of `form` (YYYY or YY, MM, DD, hh, mm, ss)."""
    parts: dict[str, str] = {}
    if len(digits) != len(form) or not digits.isascii() or not digits.isdigit():
        return None
    for letter, digit in zip(form, digits, strict=True):
        parts[letter] = parts.get(letter, "") + digit
    year = int(parts["Y"])
    try:
        return datetime(  # noqa: DTZ001 - whose zone it is, the caller knows
            year + 2000 if form.count("Y") == 2 else year,
            int(parts["M"]),
            int(parts["D"]),
            int(parts.get("h", "0")),
            int(parts.get("m", "0")),
            int(parts.get("s", "0")),
        )
    except ValueError:
        return None


def degrees(text: str, hemisphere: str, limit: float) -> float | None:
    """Decimal degrees: the magnitude from the number, the sign from the letter where there is one."""
    found = number(text)
    if found is None or abs(found) > limit:
        return None
    match hemisphere.strip().upper():
        case "N" | "E":
            return abs(found)
        case "S" | "W":
            return -abs(found)
        case _:
            return found


def nmea_degrees(text: str, hemisphere: str, limit: float) -> float | None:
    """Degrees and minutes, (D)DDMM.mmmm."""
    found = number(text)
    if found is None or found < 0:
        return None
    whole_degrees, minutes = divmod(found, 100)
    value = whole_degrees + minutes / 60
    if minutes >= 60 or value > limit:
        return None
    return -value if hemisphere.strip().upper() in {"S", "W"} else value


def decimal(value: float | None, places: int) -> str:
    """The inverse of `number`: rounded, and empty for None."""
    return "" if value is None else f"{value:.{places}f}"


def nmea_text(value: float, degree_digits: int) -> str:
    """The magnitude as (D)DDMM.mmmm: the inverse of `nmea_degrees` without its letter."""
    degrees_part, rest = divmod(round(abs(value) * 600_000), 600_000)
    return f"{degrees_part:0{degree_digits}d}{rest // 10_000:02d}.{rest % 10_000:04d}"
