"""How sessions of a kiosk ended, for as long as somebody may ask: on the screen, on paper, or by a program.

The last ending is noted in the transaction that records it, so that a process that dies between commit and
screen says after its restart what is on disk, and not what nobody knows. Nothing here names a person.
"""

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import date
from typing import Self

from gateway.checkin.facts import Outcome, Reason, Shown, Standing
from gateway.checkin.purposes import Purpose
from gateway.checkin.schedule import Where
from gateway.clock import Stamp

MOST = 64  # endings of this run that are remembered
RECALL_MS = 120_000  # an ending so fresh is told again after a restart


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The ending of one session. `event` is the id of the event that records it; None: it is not recorded."""

    session: str
    outcome: Outcome
    at_ms: int
    purpose: Purpose | None
    reason: str | None = None
    event: str | None = None
    where: Where | None = None
    next_day: date | None = None
    boot_id: str = ""
    mono_ms: int = 0

    @classmethod
    def of(cls, session: str, purpose: Purpose | None, shown: Shown, event: str | None, stamp: Stamp) -> Self:
        """An ending as it is recorded."""
        standing = shown.standing or Standing(None, None)
        return cls(
            session=session,
            outcome=shown.outcome,
            at_ms=stamp.wall_ms,
            purpose=purpose,
            reason=None if shown.reason is None else str(shown.reason),
            event=event,
            where=standing.where,
            next_day=standing.next_day,
            boot_id=stamp.boot_id,
            mono_ms=stamp.mono_ms,
        )

    def as_text(self) -> str:
        """For a note beside the event."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Inverse of `as_text`."""
        told = json.loads(text)
        return cls(
            **{
                **told,
                "outcome": Outcome(told["outcome"]),
                "purpose": None if told["purpose"] is None else Purpose(told["purpose"]),
                "where": None if told["where"] is None else Where(told["where"]),
                "next_day": None if told["next_day"] is None else date.fromisoformat(told["next_day"]),
            }
        )

    def shown_again(self, now: Stamp) -> Shown | None:
        """What a kiosk that has just started tells of it; None: nothing, or it is long ago."""
        if self.outcome in {Outcome.ABANDONED, Outcome.NOT_STORED}:
            return None
        same_boot = now.boot_id == self.boot_id
        ago_ms = now.mono_ms - self.mono_ms if same_boot else now.wall_ms - self.at_ms
        if not 0 <= ago_ms <= RECALL_MS:
            return None
        reason = None if self.reason is None else Reason(self.reason)
        return Shown(self.outcome, reason, None, Standing(self.where, self.next_day), self.at_ms)


class Endings:
    """The last endings of one kiosk, by session."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, Ended] = OrderedDict()

    def add(self, ended: Ended) -> None:
        """Remember one more."""
        self._of[ended.session] = ended
        while len(self._of) > MOST:
            self._of.popitem(last=False)

    def find(self, session: str) -> Ended | None:
        """The ending of that session; None: it runs, it is too long ago, or there never was one."""
        return self._of.get(session)
