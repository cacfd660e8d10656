"""What was stated last of each person, and was not followed by a late arrival yet: kept in memory, a line each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from gateway.store.outbox import Row, type_of

_STATEMENTS = frozenset({"checkin.missed", "checkin.unassessed"})


@dataclass(frozen=True, slots=True)
class LastSaid:
    """A statement and the duty it is about."""

    day: date
    event: str


class Said:
    """By person."""

    def __init__(self) -> None:
        self._last: dict[str, LastSaid] = {}

    def load(self, stored: Mapping[str, tuple[str, str]]) -> None:
        """(day, event) by person, as the diary has them."""
        for ref, (day, event) in stored.items():
            self.stated(ref, date.fromisoformat(day), event)

    def committed(self, rows: Iterable[Row]) -> None:
        """These events are on disk."""
        for row in rows:
            if row.cls == "checkin":
                self._take(row.wire)

    def _take(self, wire: bytes) -> None:
        kind = type_of(wire)
        if kind in _STATEMENTS or b'"late_arrival_of"' in wire:
            event = json.loads(wire)
            ref, data = event["subject"].removeprefix("person/"), event["data"]
            if kind in _STATEMENTS:
                self.stated(ref, date.fromisoformat(data["day"]), event["id"])
            else:
                self.arrived(ref, str(data.get("late_arrival_of")))

    def stated(self, ref: str, day: date, event: str) -> None:
        """A statement is on disk."""
        before = self._last.get(ref)
        if before is None or before.day <= day:
            self._last[ref] = LastSaid(day, event)

    def arrived(self, ref: str, event: str) -> None:
        """A check-in that refers to this statement is on disk."""
        last = self._last.get(ref)
        if last is not None and last.event == event:
            del self._last[ref]

    def of(self, ref: str) -> LastSaid | None:
        """What the next check-in of this person is late for; None: nothing."""
        return self._last.get(ref)
