"""Which days are worked: weekends, holidays and make-up workdays (调休), as the province says. Pure.

The State Council publishes each year's holidays late in the year before, and with them the weekend days on
which work is made up. Nothing of it can be computed: it is data, and it ends on a day. Beyond that day an
ordinary week is assumed and `is_known` says no.
Source: 《全国年节及纪念日放假办法》 and the yearly 国务院办公厅关于部分节假日安排的通知.
"""

from dataclasses import dataclass
from datetime import date, timedelta

MOST_OFF = 31  # days in a row; nobody closes for longer, and a search has to end
_DAY = timedelta(days=1)
_SATURDAY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdays:
    """The days off of one stretch of time."""

    first: date  # known from here
    last: date  # to here, both included
    holidays: frozenset[date]
    workdays: frozenset[date]  # make-up: worked although on a weekend

    def is_known(self, day: date) -> bool:
        """Whether the province has said what day this is."""
        return self.first <= day <= self.last

    def is_off(self, day: date) -> bool:
        """Whether nobody works."""
        if day in self.workdays:
            return False
        return day in self.holidays or day.isoweekday() >= _SATURDAY

    def next_workday(self, day: date) -> date | None:
        """The first day that is worked, from `day` on; None where all of `MOST_OFF` days are off."""
        return self._search(day, _DAY)

    def previous_workday(self, day: date) -> date | None:
        """The last day that is worked, up to `day`."""
        return self._search(day, -_DAY)

    def _search(self, day: date, step: timedelta) -> date | None:
        for _ in range(MOST_OFF + 1):
            if not self.is_off(day):
                return day
            day += step
        return None
