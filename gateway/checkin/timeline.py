"""When something happened, as far as anybody can know: from the clock that runs since boot to true time. Pure.

A record says at which monotonic time of which boot it was made. What ties that clock to the calendar are
pairings (`clock.synced`, and every stamp of a clock with a bound): at this monotonic time it was this wall
time, give or take so much. Where the
pairings of one boot agree, a record is placed by the nearest. Where they do not (somebody or a time server
set the clock by a day, or back), nobody can say which is right, and the record is placed over all of them.
Boots come one after the other; what contradicts that is placed no closer than its neighbours allow.

`Placed` therefore never claims more than is known. Of a boot with no pairing that has a bound (a clock that
was never set, a clock chip alone) nothing is known but its place among the boots.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.clock import DRIFT_PPM, ClockQuality, Stamp

FOREVER_MS = 1 << 60  # later than anything
AGREE_MS = 1000  # pairings of one clock may differ by this beyond their own bounds: a step is more (`clock`)


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A point on the clock of one boot."""

    boot_id: str
    mono_ms: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch on the clock of one boot; its end is not part of it."""

    boot_id: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """Both clocks as of one moment; `error_ms` None where nobody knows a bound: it then ties nothing."""

    at: Moment
    wall_ms: int
    error_ms: int | None


def paired(stamp: Stamp) -> Pairing:
    """A stamp is a pairing as well, and a closer one than that of weeks ago: give those of the records too."""
    bound = None if stamp.quality is ClockQuality.UNSYNCED else stamp.error_ms
    return Pairing(Moment(stamp.boot_id, stamp.mono_ms), stamp.wall_ms, bound)


@dataclass(frozen=True, slots=True)
class Placed:
    """True time lies here, both ends included. ms since 1970, UTC."""

    earliest_ms: int
    latest_ms: int


class Timeline:
    """Boots in their order, and what is known of their clocks."""

    def __init__(self, boots: Sequence[str], pairings: Iterable[Pairing], *, floor_ms: int) -> None:
        """`boots` oldest first, each once; `floor_ms` had passed when the first of them began."""
        tied: dict[str, list[Pairing]] = {boot: [] for boot in boots}
        for one in sorted(pairings, key=lambda pairing: pairing.at):
            if one.error_ms is not None and one.at.boot_id in tied:
                tied[one.at.boot_id].append(one)
        self._groups = {boot: _agreeing(found) for boot, found in tied.items()}
        self._limits = self._limits_of(boots, tied, floor_ms)
        self._floor_ms = floor_ms

    def _limits_of(
        self, boots: Sequence[str], tied: Mapping[str, Sequence[Pairing]], floor_ms: int
    ) -> dict[str, tuple[int, int]]:
        """Between what the boots before were known to reach and what the ones after began with."""
        floors: list[int] = []
        for boot in boots:
            floors.append(floor_ms)
            if tied[boot]:
                floor_ms = max(floor_ms, self._by_pairings(tied[boot][-1].at)[0])
        limits: dict[str, tuple[int, int]] = {}
        ceiling_ms = FOREVER_MS
        for boot, low in zip(reversed(boots), reversed(floors), strict=True):
            limits[boot] = low, ceiling_ms
            if tied[boot]:
                ceiling_ms = min(ceiling_ms, self._by_pairings(Moment(boot, 0))[1])
        return limits

    def place(self, moment: Moment) -> Placed:
        """Where a moment lies. A boot that is not on the line: anywhere after the floor."""
        low, high = self._limits.get(moment.boot_id, (self._floor_ms, FOREVER_MS))
        if not self._groups.get(moment.boot_id):
            return Placed(low, max(low, high))
        earliest, latest = self._by_pairings(moment)
        if earliest > high or latest < low:
            # The calendar runs against the order of the boots: one of these clocks was wrong throughout.
            return Placed(min(low, earliest), max(min(high, FOREVER_MS), latest))
        return Placed(earliest, latest)

    def stretch(
        self, boot: str, first_ms: int, end_ms: int, reach: tuple[int, int]
    ) -> tuple[int, int] | None:
        """From when to when on the clock of a boot it was that time; None where nobody can be sure of it.

        `reach`: the first and last moment of the boot that is asked about. Without drift: leave room for it.
        """
        groups = self._groups.get(boot)
        if not groups or len(groups) > 1:
            return None
        low, high = self._limits[boot]
        pairings = groups[0]
        ends = min(reach[0], pairings[0].at.mono_ms), max(reach[1], pairings[-1].at.mono_ms)
        if (
            self._by_pairings(Moment(boot, ends[1]))[0] > high
            or self._by_pairings(Moment(boot, ends[0]))[1] < low
        ):
            return None
        offsets = [one.wall_ms - one.at.mono_ms for one in pairings]
        return first_ms - max(offsets), end_ms - min(offsets)

    def certain(self, spans: Iterable[Span]) -> list[tuple[int, int]]:
        """What true time the spans cover whatever the clocks got wrong, rising and apart."""
        found = []
        for span in _merged(spans):
            begin = self.place(Moment(span.boot_id, span.from_ms)).latest_ms
            end = self.place(Moment(span.boot_id, span.to_ms)).earliest_ms
            if begin < end:
                found.append((begin, end))
        return _union(found)

    def _by_pairings(self, moment: Moment) -> tuple[int, int]:
        """Over every opinion that the pairings of its boot hold."""
        ends = [_by_nearest(group, moment.mono_ms) for group in self._groups[moment.boot_id]]
        return min(low for low, _ in ends), max(high for _, high in ends)


def both(first: Iterable[Span], second: Iterable[Span]) -> list[Span]:
    """What lies in spans of both kinds: gateway and kiosk, say."""
    mine: dict[str, list[Span]] = {}
    for span in _merged(first):
        mine.setdefault(span.boot_id, []).append(span)
    return [
        Span(other.boot_id, max(one.from_ms, other.from_ms), min(one.to_ms, other.to_ms))
        for other in _merged(second)
        for one in mine.get(other.boot_id, ())
        if max(one.from_ms, other.from_ms) < min(one.to_ms, other.to_ms)
    ]


def _agreeing(pairings: Sequence[Pairing]) -> list[list[Pairing]]:
    """Runs of pairings in which each agrees with the one before."""
    groups: list[list[Pairing]] = []
    for one in pairings:
        if groups and _agree(groups[-1][-1], one):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _agree(before: Pairing, after: Pairing) -> bool:
    elapsed_ms = after.at.mono_ms - before.at.mono_ms
    bound_ms = (before.error_ms or 0) + (after.error_ms or 0) + elapsed_ms * DRIFT_PPM // 1_000_000
    return abs(after.wall_ms - before.wall_ms - elapsed_ms) <= bound_ms + AGREE_MS


def _by_nearest(group: Sequence[Pairing], mono_ms: int) -> tuple[int, int]:
    behind = bisect_left(group, mono_ms, key=_mono_ms)
    nearest = min(group[max(0, behind - 1) : behind + 1], key=lambda one: abs(one.at.mono_ms - mono_ms))
    distance_ms = mono_ms - nearest.at.mono_ms
    bound_ms = (nearest.error_ms or 0) + abs(distance_ms) * DRIFT_PPM // 1_000_000 + 1
    return nearest.wall_ms + distance_ms - bound_ms, nearest.wall_ms + distance_ms + bound_ms


def _mono_ms(pairing: Pairing) -> int:
    return pairing.at.mono_ms


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans of one boot that touch are one: a record every minute is no gap every minute."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.boot_id, one.from_ms)):
        last = merged[-1] if merged else None
        if last is not None and last.boot_id == span.boot_id and span.from_ms <= last.to_ms:
            merged[-1] = Span(span.boot_id, last.from_ms, max(last.to_ms, span.to_ms))
        else:
            merged.append(span)
    return merged


def _union(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((begin, end))
    return joined
