"""Takes what listening for beacons came to: who came and who went, on disk before it counts here.

A hint and nothing more: no alarm, no check-in and no hours hang on it. Who was near is kept beside the events, so
that a start invents nobody's coming or going: whoever was near has `left_after_s` of listening to be heard again.
Beacons whose approval is over, or that two people are said to have, are nobody's.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import date, tzinfo

from drivers.beacons import beacon_name
from drivers.listening import Listened
from gateway.checkin.schedule import local_day
from gateway.clock import Clock
from gateway.errors import StoreRefused
from gateway.ingest.ingest import Ingest
from gateway.store.outbox import Outbox
from gateway.tracking.facts import presence_fact
from gateway.tracking.presence import Passage, Presence
from gateway.tracking.wearers import Wearer, Wearers

log = logging.getLogger(__name__)

HERE = "here:"  # state: reference -> wearable
AGAIN_S = 60.0  # on the hearing clock, after the disk took nothing
OTHER_S = 30.0  # a second listener takes over when the first has said nothing for so long

Bound = Mapping[str, tuple[str, str]]  # name of a beacon -> reference, wearable as the roster names it


class PresenceDesk:
    """Who is near."""

    def __init__(
        self,
        wearers: Wearers,
        *,
        ingest: Ingest,
        clock: Clock,
        zone: tzinfo,
        counted: Callable[[str, int], None] = lambda _whose, _count: None,
    ) -> None:
        """`counted`: advertisements, by whose they are (bound, unknown)."""
        self._wearers = wearers
        self._ingest = ingest
        self._clock = clock
        self._zone = zone
        self._counted = counted
        self._presence: Presence | None = None  # None: not read from the disk yet
        self._now_s = 0.0  # the hearing clock of this run
        self._not_before_s = 0.0
        self._listener = ("", 0)  # who handed over last, and when, in monotonic ms
        self._of: Mapping[str, Wearer] | None = None
        self._day: date | None = None
        self._bound: Bound = {}

    def beacons(self) -> Collection[str]:
        """Those that somebody is bound to today."""
        return self._bound_now().keys()

    async def take(self, device: str, what: Listened) -> int:
        """What follows of it is on disk when it returns; how many events that are."""
        if not self._is_the_one(device):
            return 0
        self._counted("bound", len(what.sightings))
        self._counted("unknown", what.strangers)
        self._now_s += what.ended_s - what.began_s
        try:
            return await self._take(device, what)
        except StoreRefused as exc:  # counted and told by the store; it is due again
            self._not_before_s = self._now_s + AGAIN_S
            log.debug("presence not stored", extra={"code": exc.code})
            return 0

    async def _take(self, device: str, what: Listened) -> int:
        presence, bound = await self._read(), self._bound_now()
        gone = presence.keep({tracker: ref for ref, tracker in bound.values()})
        for one in what.sightings:
            if one.beacon in bound:  # else it was somebody's when it was heard, and is nobody's now
                ref, tracker = bound[one.beacon]
                at_s = self._now_s - (what.ended_s - one.heard_s)
                presence.heard(ref, tracker, one.rssi, at_s, what.rules)
        if gone:
            await self._forget(gone)
        if self._now_s < self._not_before_s:
            return 0
        due = list(presence.due(self._now_s, what.rules))
        if due:
            await self._tell(device, due, quiet=what.quiet)
            for passage in due:
                presence.told(passage, self._now_s)
        return len(due)

    async def _read(self) -> Presence:
        if self._presence is None:
            self._presence = Presence(await self._ingest.notes(HERE), self._now_s)
        return self._presence

    async def _tell(self, device: str, due: Collection[Passage], *, quiet: bool) -> None:
        notes = {HERE + one.ref: one.tracker if one.entered else None for one in due}
        facts = [presence_fact(one, quiet=quiet) for one in due]
        try:
            await self._ingest.store(facts, device, notes=notes)
        except StoreRefused:
            raise
        except BaseException:  # cancelled over it: whether it is on disk, the disk will say
            self._presence = None
            raise

    async def _forget(self, refs: Collection[str]) -> None:
        """They do not wear it any more: that they were near is not kept, and nothing is said of it."""

        def change(box: Outbox) -> None:
            for ref in refs:
                box.note(HERE + ref, None)

        try:
            await self._ingest.store_with([], "gateway", change)
        except BaseException:
            self._presence = None
            raise

    def _is_the_one(self, device: str) -> bool:
        """There is one scan: what a second listener hears is the same once more."""
        before, at_ms = self._listener
        now_ms = self._clock.now().mono_ms
        if before not in {"", device} and now_ms - at_ms < OTHER_S * 1000:
            return False
        self._listener = (device, now_ms)
        return True

    def _bound_now(self) -> Bound:
        worn, day = self._wearers.all(), local_day(self._clock.now().wall_ms, self._zone)
        if worn is not self._of or day != self._day:
            self._of, self._day = worn, day
            self._bound = _bound(worn, day)
        return self._bound


def _bound(worn: Mapping[str, Wearer], day: date) -> Bound:
    found: dict[str, tuple[str, str]] = {}
    doubtful: set[str] = set()
    for tracker, wearer in worn.items():
        name = beacon_name(tracker)
        if name is None or not wearer.approved(day):
            continue
        if found.setdefault(name, (wearer.ref, tracker))[0] != wearer.ref:
            doubtful.add(name)
    return {name: one for name, one in found.items() if name not in doubtful}
