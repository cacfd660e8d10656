"""Times in the center's zone (`[checkin] timezone`), whoever looks at them and wherever."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from gateway.web.wording import UNKNOWN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Zoned:
    """All of them in one zone. A moment that no calendar holds reads as a dash."""

    zone: tzinfo

    def local(self, at_ms: int) -> datetime | None:
        """The civil time at a moment; None outside the calendar."""
        try:
            return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(self.zone)
        except OverflowError:
            return None

    def minute(self, at_ms: int | None) -> str:
        """`14:03`."""
        at = None if at_ms is None else self.local(at_ms)
        return UNKNOWN if at is None else f"{at:%H:%M}"

    def second(self, at_ms: int | None) -> str:
        """`14:03:22`."""
        at = None if at_ms is None else self.local(at_ms)
        return UNKNOWN if at is None else f"{at:%H:%M:%S}"

    def full(self, at_ms: int | None) -> str:
        """`2026-11-22 14:03:22`."""
        at = None if at_ms is None else self.local(at_ms)
        return UNKNOWN if at is None else f"{at:%Y-%m-%d %H:%M:%S}"

    def short(self, at_ms: int | None, today: date) -> str:
        """The minute, with the date where it is not today's."""
        at = None if at_ms is None else self.local(at_ms)
        if at is None:
            return UNKNOWN
        return f"{at:%H:%M}" if at.date() == today else f"{at:%m-%d %H:%M}"

    def moment_of(self, day: date, at: time) -> int:
        """Milliseconds since 1970 of a civil time; where a zone changes its clocks, the first that is meant."""
        return (datetime.combine(day, at, tzinfo=self.zone) - _EPOCH) // _MS
