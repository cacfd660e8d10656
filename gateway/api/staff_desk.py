"""What the pages of staff are given of the running gateway."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from gateway.checkin.audit import Audit
from gateway.checkin.day import DayBook
from gateway.checkin.kiosk import KioskView
from gateway.checkin.rollcall import Answer, Note, RollCall
from gateway.checkin.roster import Roster


class AtKiosk(Protocol):
    """A kiosk, as staff reach it."""

    id: str

    @property
    def view(self) -> KioskView:
        """What stands on it now."""
        ...

    def staff_word(self, session: str, staff: str, reason: str) -> bool:
        """See `Kiosk.staff_word`."""
        ...


class Calls(Protocol):
    """The roll calls; see `RollCalls`."""

    @property
    def open_now(self) -> Sequence[RollCall]:
        """Oldest first."""
        ...

    async def begin(self, call: str, persons: Sequence[str] | None, *, deadline_ms: int, by: str) -> str:
        """Open one."""
        ...

    async def answer(self, call: str, ref: str, answer: Answer, note: Note | None, by: str) -> None:
        """Answer about one person."""
        ...

    async def end(self, call: str, *, by: str) -> str:
        """End one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffDesk:
    """The parts behind `/staff` and `/evidence`."""

    book: DayBook
    kiosks: Callable[[], Sequence[AtKiosk]]
    alarms: Callable[[], Mapping[str, str]]  # `Alarms.standing`
    calls: Calls
    audit: Audit
    roster: Callable[[], Roster | None]
    store: Path  # read beside the loop
    zone: tzinfo
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
