"""Classes of events that the broker refuses (PUBACK >= 0x80): paused, probed, told. Pure; seconds are handed in.

Access lists and quotas work by topic, and a topic is a class: while one class is refused the others
must flow. A refused event stays unsettled and leaves the window. Its class is paused, tried again after
30 s, then 60 s … 15 min; each trial costs what fits into one flight. Documents (`info`, `status`) are
noted here too, under their own names, and go on being published.
"""

from dataclasses import dataclass

from gateway.mqtt_bridge import FAILURE
from gateway.uplink.window import FIRST_PATIENCE_S, MOST_PATIENCE_S

CALM_S = 60.0  # accepted for this long without a refusal: it is over


@dataclass(slots=True)
class Refusal:
    """One refused class."""

    reason: int
    patience_s: float
    until_s: float  # paused until then
    refused_s: float  # last refusal
    accepted: bool = False  # since the last refusal
    probing: bool = False  # the pause is over


class Refusals:
    """What the broker does not take now."""

    def __init__(self) -> None:
        self.accepted: set[str] = set()  # classes of which the broker took an event in this run
        self._refused: dict[str, Refusal] = {}

    @property
    def standing(self) -> dict[str, int]:
        """Class -> reason."""
        return {cls: refusal.reason for cls, refusal in self._refused.items()}

    def note(self, cls: str, reason: int, now_s: float) -> bool:
        """The broker answered a publish of this class. True when that is a refusal."""
        known = self._refused.get(cls)
        if reason < FAILURE:
            self.accepted.add(cls)
            if known is not None and now_s >= known.until_s:
                known.accepted = True
            return False
        if known is None:
            until_s = now_s + FIRST_PATIENCE_S
            self._refused[cls] = Refusal(reason, FIRST_PATIENCE_S, until_s, refused_s=now_s)
            return True
        known.reason, known.refused_s, known.accepted = reason, now_s, False
        if now_s >= known.until_s:  # not merely another one of the same flight
            known.patience_s = min(MOST_PATIENCE_S, known.patience_s * 2)
            known.until_s, known.probing = now_s + known.patience_s, False
        return True

    def paused(self, cls: str, now_s: float) -> bool:
        """Whether rows of this class are passed over now."""
        known = self._refused.get(cls)
        return known is not None and now_s < known.until_s

    def look(self, now_s: float) -> bool:
        """Forget what is over; True when a pause has ended since the last look."""
        ended = False
        for cls, refusal in list(self._refused.items()):
            if refusal.accepted and now_s - refusal.refused_s >= CALM_S:
                del self._refused[cls]
            elif refusal.until_s <= now_s and not refusal.probing:
                refusal.probing = ended = True
        return ended

    def reconnected(self) -> None:
        """Another connection: everything may be tried; what stands is told until it is accepted."""
        for refusal in self._refused.values():
            refusal.until_s, refusal.probing = 0.0, True
