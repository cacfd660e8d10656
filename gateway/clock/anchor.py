"""What the wall time rests on while the kernel does not vouch for it: both clocks, measured together once.

The monotonic clock runs on whatever is done to the wall clock, so one measurement serves the whole boot:
wall = anchor's wall + monotonic time since. Only the crystal's drift makes it worse.
"""

from dataclasses import dataclass

from gateway.clock.stamp import ClockSource

# A bound for a crystal that nobody disciplines. Boards of this class are specified within 50 ppm over
# temperature and age; doubled. It is 0.36 s in an hour and 8.6 s in a day.
DRIFT_PPM = 100


@dataclass(frozen=True, slots=True)
class Anchor:
    """At `mono_ms` of this boot it was `wall_ms`, give or take `error_ms` (None: nobody said how much)."""

    source: ClockSource
    wall_ms: int
    mono_ms: int
    error_ms: int | None

    @property
    def offset_ms(self) -> int:
        """Wall minus monotonic."""
        return self.wall_ms - self.mono_ms

    def wall_at(self, mono_ms: int) -> int:
        """The wall time of another moment of the same boot."""
        return self.offset_ms + mono_ms

    def error_at(self, mono_ms: int) -> int | None:
        """Bound of the error of `wall_at`."""
        if self.error_ms is None:
            return None
        return self.error_ms + -(-abs(mono_ms - self.mono_ms) * DRIFT_PPM // 1_000_000)
