"""How long to wait before the next connection. Pure; seconds are handed in.

Full jitter, so that 140 gateways do not return in one moment (contract, 1), below a limit that is a
quarter of how long the trouble has lasted: whoever was away for five seconds is back within two, whoever
was away for an hour asks once a minute. The trouble is over when a connection has brought something:
the center has settled events over it, or it lasted. A line that breaks every few seconds and works in
between is used in between.
"""

import random

LEAST_S, MOST_S = 2.0, 60.0  # of the limit
SHARE = 4
SHORT_S = 20.0  # at most so much trouble is counted where each connection settles something and breaks
STABLE_S = 30.0  # a connection that lasted this long was a good one


class Backoff:
    """The waits of one gateway."""

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s  # when the trouble began

    def ended(self, now_s: float, *, lasted_s: float, settled: bool) -> None:
        """A connection, or the attempt at one, is over."""
        if lasted_s >= STABLE_S or (settled and lasted_s >= LEAST_S):
            self._since_s = now_s
        elif settled:  # and broke at once: of some use, and too dear to be had once a second for ever
            self._since_s = max(self._since_s, now_s - SHORT_S)

    def limit_s(self, now_s: float) -> float:
        """The longest wait now."""
        return min(MOST_S, max(LEAST_S, (now_s - self._since_s) / SHARE))

    def wait_s(self, now_s: float) -> float:
        """A wait."""
        return random.uniform(0, self.limit_s(now_s))  # noqa: S311 - jitter
