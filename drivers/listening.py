"""What listening for beacons comes to, and the clock of it, which stands still while nobody can hear. Pure.

    between two advertisements of one scan, whosever they are      counts
    after the last of a scan that ends or is made anew             does not: it may have been deaf already
    a scan in which nobody at all was heard yet                    counts, and is said to be quiet
    no scan                                                        does not count

Where a beacon hangs on the wall, somebody always is to be heard: then what is quiet does not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconRules:
    """When somebody is said to be here, and when not any more. Seconds are those of `HearingClock`."""

    rssi_min: int = -85  # dBm; weaker ones do not make anybody come, but they keep him here
    times: int = 3  # heard so often
    within_s: float = 10.0  # in so short a time
    left_after_s: float = 120.0  # not heard for so long
    calm_s: float = 300.0  # from one coming to the next, at least


@dataclass(frozen=True, slots=True)
class Sighting:
    """A beacon that somebody is bound to was heard."""

    beacon: str = field(repr=False)
    rssi: int | None  # dBm; None: it is connected, and tells no strength
    heard_s: float  # on the hearing clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """From one handing over to the next."""

    rules: BeaconRules
    began_s: float  # on the hearing clock
    ended_s: float
    sightings: Sequence[Sighting] = ()
    strangers: int = 0  # advertisements of everybody else: a number, and nothing else of them
    quiet: bool = False  # nobody at all is heard: the adapter may hang


class HearingClock:
    """Seconds in which whoever is near would have been heard."""

    def __init__(self, *, never_silent: bool = False) -> None:
        """`never_silent`: a beacon hangs on the wall, so that who hears nobody is deaf."""
        self._never_silent = never_silent
        self.heard_s = 0.0
        self.quiet = True  # nobody was heard yet in this scan
        self._scan: float | None = None  # when the scan began; the loop's clock, as all below
        self._counted_to = 0.0

    def look(self, scan: float | None, now: float) -> None:
        """Time passes. `scan`: when the scan began that runs now; None: there is none."""
        if scan != self._scan:
            self._scan, self.quiet = scan, True
            self._counted_to = now if scan is None else scan
        if scan is not None and self.quiet and not self._never_silent:
            self._count(now)

    def heard(self, scan: float | None, at: float) -> bool:
        """Somebody was heard, whoever it is; False: outside of a scan, it says nothing."""
        self.look(scan, at)
        if scan is None:
            return False
        if self.quiet and self._never_silent:
            self._counted_to = at  # what was quiet before it does not count
        self._count(at)
        self.quiet = False
        return True

    def _count(self, to: float) -> None:
        if to > self._counted_to:
            self.heard_s += to - self._counted_to
            self._counted_to = to
