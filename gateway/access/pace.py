"""How often something may happen: so many at once, then one for each step of time (the GCRA of ATM).

One number is all that has to be kept, and to be written down: when it will be as if nothing had happened.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """`burst` at once, then one for each `step_ms`."""

    burst: int
    step_ms: int

    @property
    def longest_ms(self) -> int:
        """After so long without another one everything is forgotten."""
        return self.burst * self.step_ms

    def after(self, clear_ms: int, now_ms: int) -> int:
        """It happened: when it will be forgotten, where that was `clear_ms` before."""
        return max(clear_ms, now_ms) + self.step_ms

    def wait_ms(self, clear_ms: int, now_ms: int) -> int:
        """How long until it may happen again; 0: now."""
        return max(0, clear_ms - now_ms - (self.burst - 1) * self.step_ms)
