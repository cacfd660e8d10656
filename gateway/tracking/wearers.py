"""Who wears which tracker, by the roster in force, and until when that is approved. Pure look-ups.

After the last day of its approval nothing of a tracker is kept or sent but that it is there at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from gateway.checkin.roster import Roster


@dataclass(frozen=True, slots=True)
class Wearer:
    """Whose tracker it is."""

    ref: str
    approved_until: date

    def approved(self, day: date) -> bool:
        """Whether positions of this day may be kept."""
        return day <= self.approved_until


class Wearers:
    """By tracker id, as the roster names it."""

    def __init__(self, roster: Callable[[], Roster | None]) -> None:
        self._roster = roster
        self._of: Roster | None = None
        self._found: Mapping[str, Wearer] = {}

    def all(self) -> Mapping[str, Wearer]:
        """Every tracker of the roster in force."""
        roster = self._roster()
        if roster is not self._of:
            self._of = roster
            people = () if roster is None else roster.persons
            self._found = {
                one.id: Wearer(person.ref, one.approved_until) for person in people for one in person.trackers
            }
        return self._found

    def of(self, tracker: str) -> Wearer | None:
        """Who wears this one; None: nobody that the roster knows."""
        return self.all().get(tracker)
