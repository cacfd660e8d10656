"""Log lines that a stranger can cause: at most one a minute for each reason. The metrics count all of them."""

import time

EVERY_S = 60.0
MOST_REASONS = 256


class Seldom:
    """When each reason was last told."""

    def __init__(self) -> None:
        self._told_s: dict[str, float] = {}

    def due(self, reason: str) -> bool:
        """Whether to tell it now; then not again for a while."""
        now_s = time.monotonic()
        if now_s - self._told_s.get(reason, float("-inf")) < EVERY_S:
            return False
        self._told_s.pop(reason, None)
        self._told_s[reason] = now_s
        if len(self._told_s) > MOST_REASONS:
            del self._told_s[next(iter(self._told_s))]
        return True
