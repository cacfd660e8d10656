"""That somebody looked at a person, or took data away, is an event: on disk before anything is shown or sent."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact

ONCE_S = 60.0  # of one viewer and one thing: rows that cannot be purged must not be producible at will
MOST_KEPT = 4096


class Recorder(Protocol):
    """Where facts go."""

    async def store(self, facts: Sequence[Fact], device: str, /) -> object:
        """Commit them; raises `StoreRefused`."""
        ...


class Audit:
    """Records looks and exports of the signed-in."""

    def __init__(
        self, recorder: Recorder, gateway: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock`: seconds that nobody can set."""
        self._recorder = recorder
        self._subject = f"gateway/{gateway}"
        self._clock = clock
        self._seen_s: dict[tuple[str, str, str], float] = {}
        self._one_at_a_time = asyncio.Lock()

    async def viewed_person(self, by: str, ref: str) -> None:
        """The name of a protected person is about to be shown. Raises `StoreRefused`: then it must not be."""
        await self._viewed(by, "person", ref, f"person/{ref}", {}, restricted=True)

    async def saw_alarm(self, by: str, alarm: str, kind: str) -> None:
        """A grave alarm was acknowledged on a screen. Raises `StoreRefused`."""
        await self._viewed(
            by, "alarm", alarm, self._subject, {"alarm": alarm, "kind": kind}, restricted=False
        )

    async def exported(self, by: str, what: str, data: dict[str, Json]) -> None:
        """Data are about to leave the box. Raises `StoreRefused`: then they must not."""
        fact = Fact("audit.exported", self._subject, {"by": by, "what": what, **data}, restricted=False)
        await self._recorder.store([fact], "gateway")

    def shown_to(self, by: str) -> frozenset[str]:
        """Whose names this viewer may see now: the minute after a recorded look."""
        now_s = self._clock()
        return frozenset(
            key
            for (viewer, what, key), at_s in self._seen_s.items()
            if viewer == by and what == "person" and now_s - at_s < ONCE_S
        )

    async def _viewed(
        self, by: str, what: str, key: str, subject: str, more: dict[str, Json], *, restricted: bool
    ) -> None:
        async with self._one_at_a_time:  # two clicks at once are one look
            now_s = self._clock()
            self._seen_s = {one: at_s for one, at_s in self._seen_s.items() if now_s - at_s < ONCE_S}
            if (by, what, key) in self._seen_s:
                return
            fact = Fact("audit.viewed", subject, {"by": by, "what": what, **more}, restricted=restricted)
            await self._recorder.store([fact], "gateway")
            if len(self._seen_s) >= MOST_KEPT:
                del self._seen_s[min(self._seen_s, key=self._seen_s.__getitem__)]
            self._seen_s[by, what, key] = self._clock()
