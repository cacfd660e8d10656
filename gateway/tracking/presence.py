"""Who is near by his beacon, and who is not any more. A hint and no proof; pure.

    heard `times` times within `within_s`, not too weak    entered
    not heard for `left_after_s`, however weak             left
    the next `entered` of the same person                  `calm_s` after the one before at the earliest

Seconds are those in which somebody listened: what passes while nobody can hear does not pass here. A change is
made when it is on disk (`told`); until then it is due again.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.listening import BeaconRules


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody comes or goes."""

    ref: str
    tracker: str
    entered: bool
    rssi: int | None = None  # of the last time; None: connected, or not heard in this run
    silent_s: int = 0  # listened to since


class _Standing:
    """One person."""

    def __init__(self, tracker: str, last_s: float, *, here: bool) -> None:
        self.tracker = tracker  # heard last
        self.here = here
        self.last_s = last_s
        self.rssi: int | None = None
        self.strong_s: deque[float] = deque()  # the last few that were not too weak
        self.entered_s: float | None = last_s if here else None


class Presence:
    """Everybody that somebody asks for; nobody else has a place in here."""

    def __init__(self, here: Mapping[str, str], now_s: float) -> None:
        """`here`: reference -> wearable, of those who were near when the run before ended."""
        self._of = {ref: _Standing(tracker, now_s, here=True) for ref, tracker in here.items()}

    def heard(self, ref: str, tracker: str, rssi: int | None, at_s: float, rules: BeaconRules) -> None:
        """His beacon was heard, or is connected (no `rssi`). One not later than the last adds nothing."""
        one = self._of.get(ref)
        if one is None:
            one = self._of[ref] = _Standing(tracker, float("-inf"), here=False)
        if at_s <= one.last_s:
            return
        one.tracker, one.rssi, one.last_s = tracker, rssi, at_s
        if rssi is None or rssi >= rules.rssi_min:
            one.strong_s.append(at_s)
            while len(one.strong_s) > rules.times:
                one.strong_s.popleft()

    def keep(self, worn: Mapping[str, str]) -> list[str]:
        """Forget whoever wears nothing any more (wearable -> reference): no word of it. Those of them who were here."""
        another = {ref: tracker for tracker, ref in worn.items()}
        gone = [ref for ref in self._of if ref not in another]
        for ref, one in self._of.items():
            if ref in another and worn.get(one.tracker) != ref:
                one.tracker = another[ref]
        return [ref for ref in gone if self._of.pop(ref).here]

    def due(self, now_s: float, rules: BeaconRules) -> Iterator[Passage]:
        """Who came and who went, as far as it is not told."""
        for ref, one in self._of.items():
            if one.here:
                silent_s = now_s - one.last_s
                if silent_s >= rules.left_after_s:
                    yield Passage(ref, one.tracker, entered=False, rssi=one.rssi, silent_s=int(silent_s))
            elif _steady(one, now_s, rules) and not _too_soon(one, now_s, rules):
                yield Passage(ref, one.tracker, entered=True, rssi=one.rssi)

    def told(self, passage: Passage, now_s: float) -> None:
        """It is on disk."""
        one = self._of[passage.ref]
        one.here = passage.entered
        one.strong_s.clear()
        if passage.entered:
            one.entered_s = now_s


def _steady(one: _Standing, now_s: float, rules: BeaconRules) -> bool:
    some = one.strong_s
    return len(some) >= rules.times and some[-1] - some[0] <= rules.within_s >= now_s - some[-1]


def _too_soon(one: _Standing, now_s: float, rules: BeaconRules) -> bool:
    return one.entered_s is not None and now_s - one.entered_s < rules.calm_s
