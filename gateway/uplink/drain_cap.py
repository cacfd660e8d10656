"""At most so many backlog events per second, so that 140 gateways do not drown a province. Pure."""


class DrainCap:
    """A bucket that holds one second's worth. 0: no cap."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._tokens = float(per_s)
        self._at_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """How long until one more may go; 0 when it may now."""
        if self._per_s == 0:
            return 0.0
        if now_s > self._at_s:
            self._tokens = min(float(self._per_s), self._tokens + (now_s - self._at_s) * self._per_s)
            self._at_s = now_s
        # A thousandth: sums of fractions must not make the last wait one that never ends.
        return max(0.0, (1.0 - self._tokens) / self._per_s) if self._tokens < 0.999 else 0.0

    def take(self) -> None:
        """One goes."""
        self._tokens -= 1
