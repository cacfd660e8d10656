"""How many events may be sent and not settled, and when to begin again. Pure; seconds are handed in.

Starts at 64, grows by 8 with each ack that settles, is halved at each rewind, stays within 8…512. For
30 s after an event that the broker dropped it does not grow.
Without progress for 30 s while something is out, sending begins again at the lowest unsettled event;
the wait doubles up to 15 min and falls back to 30 s with any progress. A center that is down for an
hour sees a few hundred messages, not a flood (contract, 1).
"""

from dataclasses import dataclass

FIRST = 64
LEAST, MOST = 8, 512
STEP = 8
FIRST_PATIENCE_S = 30.0
MOST_PATIENCE_S = 900.0


@dataclass(slots=True)
class SettleWindow:
    """Size and patience."""

    size: int = FIRST
    patience_s: float = FIRST_PATIENCE_S
    since_s: float = 0.0  # last progress, or when waiting began
    held_until_s: float = 0.0  # no growth before

    def begin(self, now_s: float) -> None:
        """Something is out now that was not before: waiting for progress begins."""
        self.since_s = now_s

    def overtaken(self, now_s: float) -> None:
        """The broker dropped something: more at once would only be dropped too."""
        self.held_until_s = now_s + FIRST_PATIENCE_S

    def settled(self, now_s: float) -> None:
        """An ack settled something."""
        if now_s >= self.held_until_s:
            self.size = min(MOST, self.size + STEP)
        self.patience_s = FIRST_PATIENCE_S
        self.since_s = now_s

    def stalled(self, now_s: float) -> bool:
        """True when it is time to begin again."""
        return now_s - self.since_s >= self.patience_s

    def rewound(self, now_s: float) -> None:
        """Sending begins again."""
        self.size = max(LEAST, self.size // 2)
        self.patience_s = min(MOST_PATIENCE_S, self.patience_s * 2)
        self.since_s = now_s
