"""How long a wearable's battery will last, from what it said of it. A straight line through the discharge. Pure.

Nothing is foretold from less than an hour or three readings: the first percent after charging go faster.
"""

from collections import deque
from dataclasses import dataclass

KEPT_S = 86_400.0
LEAST_S, LEAST_READINGS = 3_600.0, 3
MOST_READINGS = 288  # one in five minutes for a day
LONGEST_H = 24 * 60


@dataclass(frozen=True, slots=True)
class Reading:
    """At a monotonic second."""

    at_s: float
    pct: int


class Battery:
    """The readings of one wearable since it was last charged."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque(maxlen=MOST_READINGS)

    def note(self, at_s: float, pct: int, *, charging: bool | None) -> None:
        """Another reading; a rise, or the charger, begins anew."""
        if charging or (self._readings and pct > self._readings[-1].pct):
            self._readings.clear()
        if not charging:
            self._readings.append(Reading(at_s, pct))
        while self._readings and at_s - self._readings[0].at_s > KEPT_S:
            self._readings.popleft()

    def hours_left(self) -> int | None:
        """Whole hours until empty; None where it cannot be told, or does not fall."""
        some = self._readings
        if len(some) < LEAST_READINGS or some[-1].at_s - some[0].at_s < LEAST_S:
            return None
        mean_s = sum(one.at_s for one in some) / len(some)
        mean_pct = sum(one.pct for one in some) / len(some)
        spread = sum((one.at_s - mean_s) ** 2 for one in some)
        slope = sum((one.at_s - mean_s) * (one.pct - mean_pct) for one in some) / spread
        if slope >= 0:
            return None
        return min(LONGEST_H, int(some[-1].pct / -slope / 3_600))
