"""Times as a person reads them, in the zone of the center (`[checkin] timezone`) and not of the browser.

Everybody who looks at a page of this box means the center's time, wherever he sits. A time no calendar holds
(a device's nonsense) reads as a dash.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from babel.dates import get_timezone_name

from gateway.web.messages import Lang, Speaker
from gateway.web.wording import UNKNOWN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_LOCALES = {Lang.ZH: "zh", Lang.EN: "en"}


@dataclass(frozen=True, slots=True)
class Times:
    """All of them in one zone."""

    zone: tzinfo

    def local(self, at_ms: int) -> datetime | None:
        """The civil time at a moment; None outside the calendar."""
        try:
            return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(self.zone)
        except OverflowError:
            return None

    def time_of_day(self, at_ms: int) -> str:
        """`14:03:22`."""
        at = self.local(at_ms)
        return UNKNOWN if at is None else f"{at:%H:%M:%S}"

    def day(self, at_ms: int) -> str:
        """`2026-11-22`."""
        at = self.local(at_ms)
        return UNKNOWN if at is None else at.date().isoformat()

    def weekday(self, at_ms: int, t: Speaker) -> str:
        """星期日, `Sunday`; nothing outside the calendar."""
        at = self.local(at_ms)
        return "" if at is None else t(f"weekday.{at.isoweekday()}")

    def minute(self, at_ms: int | None) -> str:
        """`14:03`."""
        at = None if at_ms is None else self.local(at_ms)
        return UNKNOWN if at is None else f"{at:%H:%M}"

    def full(self, at_ms: int | None) -> str:
        """`2026-11-22 14:03:22`."""
        at = None if at_ms is None else self.local(at_ms)
        return UNKNOWN if at is None else f"{at:%Y-%m-%d %H:%M:%S}"

    def moment_of(self, day: date, at: time) -> int:
        """Milliseconds since 1970 of a civil time; where a zone changes its clocks, the first that is meant."""
        return (datetime.combine(day, at, tzinfo=self.zone) - _EPOCH) // _MS

    def day_if_not_today(self, at_ms: int, now_ms: int) -> str:
        """Empty for today, `11-22` within the year, else `2025-11-22`."""
        at, now = self.local(at_ms), self.local(now_ms)
        if at is None or (now is not None and at.date() == now.date()):
            return ""
        return f"{at:%m-%d}" if now is not None and at.year == now.year else at.date().isoformat()

    def zone_name(self, at_ms: int, lang: Lang) -> str:
        """中国标准时间, `China Standard Time`: as it is called at that moment."""
        return get_timezone_name(self.local(at_ms) or self.zone, locale=_LOCALES[lang])

    def offset_ms(self, at_ms: int) -> int:
        """East of Greenwich, for a script that lets the clock tick on; 0 outside the calendar."""
        at = self.local(at_ms)
        offset = None if at is None else at.utcoffset()
        return 0 if offset is None else int(offset.total_seconds() * 1000)

    def moment(self, at_ms: int | None, now_ms: int) -> str:
        """The time of day, with the date where it is not today's."""
        if at_ms is None:
            return UNKNOWN
        return f"{self.day_if_not_today(at_ms, now_ms)} {self.time_of_day(at_ms)}".lstrip()


def iso(at_ms: int) -> str:
    """For the `datetime` attribute: `2026-11-22T06:03:22.123Z`; empty outside the calendar."""
    try:
        at = _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        return ""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
