"""Which refusals become events: one a minute for each source, ten a minute in all; the others are counted.

Anybody who reaches the sign-in page can be refused as often as he likes, and an event stays for good. So the
first is told at once and the next one says how many were left out; after a minute they are told on their own.
"""

from collections import deque
from dataclasses import dataclass, replace

from gateway.evidence.canonical import Json

EVERY_MS = 60_000
IN_ALL = 10  # events in so many ms
MOST_SOURCES = 256
MANY = "many"  # the source of those that come when so many are remembered


@dataclass(frozen=True, slots=True)
class Denial:
    """What an event says of refusals."""

    code: str
    source: str
    account: str | None  # None: none of this name, or not looked at
    left_out: int  # before this one

    def data(self) -> dict[str, Json]:
        """Of `audit.denied`."""
        return {
            "code": self.code,
            "source": self.source,
            "account": self.account,
            "left_out": self.left_out,
        }


@dataclass(slots=True)
class _Source:
    told_ms: int | None = None
    latest: Denial | None = None  # left out; its `left_out` counts those before it


class Denials:
    """Counts refusals on the monotonic clock."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._told: deque[int] = deque()

    def note(self, code: str, source: str, account: str | None, now_ms: int) -> Denial | None:
        """Somebody was refused; what is to be recorded of it now."""
        if source not in self._sources and len(self._sources) >= MOST_SOURCES:
            source = MANY
        known = self._sources.setdefault(source, _Source())
        before = 0 if known.latest is None else known.latest.left_out + 1
        known.latest = Denial(code, source, account, before)
        return self._tell(known, now_ms)

    def due(self, now_ms: int) -> list[Denial]:
        """What was left out and may be told now. Sources of which nothing is left are forgotten."""
        found = []
        for name, one in list(self._sources.items()):
            told = self._tell(one, now_ms)
            if told is not None:
                found.append(told)
                self._sources[name] = self._sources.pop(name)  # the others first, the next time
            elif one.latest is None and not self._recent(one, now_ms):
                del self._sources[name]
        return found

    def rest(self) -> list[Denial]:
        """All that was left out, at the end, in few words."""
        found = [one.latest for one in self._sources.values() if one.latest is not None]
        self._sources.clear()
        told, many = found[: IN_ALL - 1], found[IN_ALL - 1 :]
        if len(many) < 2:
            return found
        left_out = sum(one.left_out + 1 for one in many) - 1
        return [*told, replace(many[-1], source=MANY, account=None, left_out=left_out)]

    def undone(self, denial: Denial) -> None:
        """The store did not take it: it counts among those left out."""
        known = self._sources.setdefault(denial.source, _Source())
        if known.latest is None:
            known.latest = denial
        else:
            known.latest = replace(known.latest, left_out=known.latest.left_out + denial.left_out + 1)

    def _tell(self, known: _Source, now_ms: int) -> Denial | None:
        while self._told and now_ms - self._told[0] >= EVERY_MS:
            self._told.popleft()
        if known.latest is None or self._recent(known, now_ms) or len(self._told) >= IN_ALL:
            return None
        told, known.latest, known.told_ms = known.latest, None, now_ms
        self._told.append(now_ms)
        return told

    def _recent(self, known: _Source, now_ms: int) -> bool:
        return known.told_ms is not None and now_ms - known.told_ms < EVERY_MS
