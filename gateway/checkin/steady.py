"""For how long somebody has vouched for the clock without a step. Looked at once a second. Pure."""

from gateway.clock import STEP_MS, ClockQuality, Stamp


class Steadiness:
    """Of one run of the gateway: a start begins at nothing, whatever was before."""

    def __init__(self) -> None:
        self._since_ms: int | None = None  # on the clock that nobody can set
        self._offset_ms = 0

    def look(self, stamp: Stamp) -> int:
        """Seconds, as of this stamp; 0 while nobody vouches for the time with a bound."""
        offset_ms = stamp.wall_ms - stamp.mono_ms
        if stamp.quality is ClockQuality.UNSYNCED or stamp.error_ms is None:
            self._since_ms = None
        elif self._since_ms is None or abs(offset_ms - self._offset_ms) > STEP_MS:
            self._since_ms = stamp.mono_ms
        self._offset_ms = offset_ms
        return 0 if self._since_ms is None else max(0, stamp.mono_ms - self._since_ms) // 1000
