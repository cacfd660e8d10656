"""Where every event enters. Returns when it is on disk; never raises over an event's content.

What cannot be encoded becomes a `device.fault` with length and keyed hash, so that one broken card
can neither stop the rest nor vanish. What the disk refuses is counted by cause and reported to the
caller, who must not confirm it.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from drivers.driver import EventsRefused
from drivers.events import DeviceEvent
from gateway.clock import Clock, Stamp
from gateway.envelope import GATEWAY_DEVICE, Draft, check
from gateway.errors import ContractError, StoreRefused
from gateway.event_types import TYPES, event_class
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact, RecordFact, fact_of
from gateway.ingest.sealing import Sealer
from gateway.metrics import LossCause, Metrics
from gateway.store import records as known_records
from gateway.store.outbox import Outbox
from gateway.store.room import Level
from gateway.store.store import Store
from gateway.store.tail import Committed
from gateway.uuid7 import uuid7

log = logging.getLogger(__name__)

FIX = "tracker.fix"
FIX_EVERY_MS = 600_000  # of one wearable, while room runs out
PROBE = "probe"  # state: written to see whether the store takes something again


class Ingest:
    """Turns facts into committed events."""

    def __init__(self, store: Store, clock: Clock, sealer: Sealer, metrics: Metrics, gateway: str) -> None:
        self._store = store
        self._clock = clock
        self._sealer = sealer
        self._metrics = metrics
        # Looked up once: finding a series by its labels costs several times what counting does.
        self._committed_of = {kind: metrics.events_committed.labels(event_class(kind)).inc for kind in TYPES}
        self._of_device: dict[str, Callable[[float], None]] = {}
        self._subject = f"gateway/{gateway}"
        self.refusal: StoreRefused | None = None  # why the store takes nothing now
        self.refused = 0  # events refused in this run
        self._last_fix: dict[str, int] = {}  # subject -> monotonic ms of the last position kept

    async def accept(self, device: str, events: Sequence[DeviceEvent]) -> Sequence[Draft]:
        """Store what a device said; what is on disk now. Raises `EventsRefused` when nothing was stored."""
        stamp = self._clock.now()
        drafts = [self._device_draft(device, event, stamp) for event in events]
        drafts = [draft for draft in drafts if not self._thinned(draft)]
        if not drafts:
            return ()
        try:
            await self._append(drafts, stamp)
        except StoreRefused as exc:
            raise EventsRefused(exc.code, str(exc)) from exc
        if device not in self._of_device:
            self._of_device[device] = self._metrics.device_events.labels(device=device).inc
        self._of_device[device](len(drafts))
        return drafts

    async def record(
        self, kind: str, data: dict[str, Json], *, device: str = GATEWAY_DEVICE
    ) -> Committed | None:
        """Store what the gateway itself has to say; None (counted) when the store takes nothing now."""
        stamp = self._clock.now()
        try:
            (committed,) = await self._append([self.draft(kind, data, stamp, device=device)], stamp)
        except StoreRefused:
            return None
        return committed

    async def store(
        self,
        facts: Sequence[Fact],
        device: str,
        *,
        note: tuple[str, str | None] | None = None,
        notes: Mapping[str, str | None] | None = None,
    ) -> list[Committed]:
        """Store these together, in this order, and the notes with them; raises `StoreRefused`: none was stored.

        One that cannot be encoded (code unencodable) is told in a `device.fault` instead, and none is stored:
        nobody may be told that it counts.
        """
        stamp = self._clock.now()
        drafts = [self._checked(fact, fact.id or uuid7(stamp.wall_ms), device, stamp) for fact in facts]
        unencodable = [draft for draft, fact in zip(drafts, facts, strict=True) if draft.type != fact.type]
        if unencodable:
            await self._append(unencodable, stamp)
            raise StoreRefused(
                "unencodable", "an event could not be encoded; see the device.fault and the log"
            )
        kept = [*(notes or {}).items(), *([] if note is None else [note])]
        return await self._append(drafts, stamp, kept)

    async def store_with(
        self, facts: Sequence[Fact], device: str, change: Callable[[Outbox], object]
    ) -> list[Committed]:
        """Store these together with the change that they speak of: all or nothing. As `store` and `record_with`."""
        stamp = self._clock.now()
        drafts = [self._checked(fact, uuid7(stamp.wall_ms), device, stamp) for fact in facts]
        unencodable = [draft for draft, fact in zip(drafts, facts, strict=True) if draft.type != fact.type]
        if unencodable:
            await self._append(unencodable, stamp)
            raise StoreRefused(
                "unencodable", "an event could not be encoded; see the device.fault and the log"
            )

        def work(box: Outbox) -> list[Committed]:
            change(box)
            return box.append(drafts, stamp) if drafts else []

        committed = await self._store.run(work)
        self._note_taken()
        for draft in drafts:
            self._committed_of[draft.type](1)
        return committed

    async def store_records(self, found: Sequence[RecordFact], memory: str) -> int:
        """Store what is not stored yet, all or none of it; how many were new. Raises `StoreRefused`.

        `memory`: the device that keeps the records and sends them again until they are taken, so that a refusal
        is no loss.
        """
        stamp = self._clock.now()
        drafts = {one.id: self._record_draft(one, stamp) for one in found}

        def work(box: Outbox) -> list[Draft]:
            known = known_records.known(list(drafts))
            new = [draft for draft in drafts.values() if draft.id not in known]
            known_records.add([(one.n, one.id) for one in box.append(new, stamp)], memory)
            return new

        try:
            new = await self._store.run(work)
        except StoreRefused as exc:
            self._note_refusal(exc, 0)
            raise
        self._note_taken()
        for draft in new:
            self._committed_of[draft.type](1)
        self._metrics.device_events.labels(device=memory).inc(len(new))
        return len(new)

    def _record_draft(self, found: RecordFact, stamp: Stamp) -> Draft:
        fact = found.fact
        data = dict(fact.data)
        if found.content is not None:
            data["hmac"] = self._sealer.content_hash(found.content)
        if found.personal:
            data |= self._sealer.seal(found.id, found.personal)
        return self._checked(
            Fact(fact.type, fact.subject, data, fact.restricted), found.id, found.device, stamp
        )

    async def notes(self, prefix: str) -> dict[str, str]:
        """Notes that were kept with facts, without the prefix; raises `StoreRefused`."""
        return await self._store.read(lambda box: box.notes(prefix))

    def said(self, device: str, event: DeviceEvent) -> Fact:
        """What somebody else's device said, to be stored with what follows of it; raises `ContractError`."""
        event_id = uuid7(self._clock.now().wall_ms)
        return replace(fact_of(device, event, event_id, self._sealer), id=event_id)

    def keyed_hash(self, content: bytes) -> str:
        """Says whether two contents are the same, and nothing else: they may identify somebody."""
        return self._sealer.content_hash(content)

    async def record_with(
        self, kind: str, data: dict[str, Json], change: Callable[[Outbox], object]
    ) -> Committed:
        """Store what the gateway has to say together with the change it speaks of: both or neither.

        Raises `StoreRefused`, not counted as a loss: the caller tries again. And what `change` raises.
        """
        stamp = self._clock.now()
        draft = self.draft(kind, data, stamp)

        def work(box: Outbox) -> Committed:
            change(box)
            (committed,) = box.append([draft], stamp)
            return committed

        committed = await self._store.run(work)
        self._note_taken()
        self._committed_of[kind](1)
        return committed

    async def store_chosen(
        self, facts: Sequence[Fact], device: str, choose: Callable[[Outbox], Collection[int]]
    ) -> list[Committed | None]:
        """Store those of these that `choose` names, by index, in the transaction in which it looks.

        For what must be said once: whether it was said already is asked where nothing can come between. One
        that was not chosen is None. Raises `StoreRefused` (also unencodable): nothing was stored.
        """
        stamp = self._clock.now()
        drafts = [self._checked(fact, uuid7(stamp.wall_ms), device, stamp) for fact in facts]
        if any(draft.type != fact.type for draft, fact in zip(drafts, facts, strict=True)):
            raise StoreRefused("unencodable", "an event could not be encoded; see the log")

        def work(box: Outbox) -> list[Committed | None]:
            chosen = sorted(choose(box))
            placed = dict(zip(chosen, box.append([drafts[one] for one in chosen], stamp), strict=True))
            return [placed.get(index) for index in range(len(drafts))]

        committed = await self._store.run(work)
        self._note_taken()
        for draft, one in zip(drafts, committed, strict=True):
            if one is not None:
                self._committed_of[draft.type](1)
        return committed

    def draft(self, kind: str, data: dict[str, Json], stamp: Stamp, *, device: str = GATEWAY_DEVICE) -> Draft:
        """An event about the gateway or one of its devices."""
        subject = self._subject if device == GATEWAY_DEVICE else f"device/{device}"
        fact = Fact(kind, subject, data, restricted=False)
        return self._checked(fact, uuid7(stamp.wall_ms), device, stamp)

    def _device_draft(self, device: str, event: DeviceEvent, stamp: Stamp) -> Draft:
        event_id = uuid7(stamp.wall_ms)
        try:
            fact = fact_of(device, event, event_id, self._sealer)
        except ContractError as exc:
            fact = self._unencodable(
                f"identity.{type(event).__name__}", repr(event).encode(errors="replace"), exc
            )
        return self._checked(fact, event_id, device, stamp)

    def _checked(self, fact: Fact, event_id: str, device: str, stamp: Stamp) -> Draft:
        draft = _draft(fact, event_id, device, stamp)
        try:
            check(draft)
        except ContractError as exc:
            content = json.dumps(fact.data, default=str).encode(errors="replace")
            return _draft(self._unencodable(fact.type, content, exc), event_id, device, stamp)
        return draft

    def _unencodable(self, kind: str, content: bytes, error: ContractError) -> Fact:
        self._metrics.events_unencodable.inc()
        self._metrics.losses.labels(cause=LossCause.UNENCODABLE).inc()
        log.error("event set aside", extra={"event_type": kind, "cause": error.code, "length": len(content)})
        data: dict[str, Json] = {
            "code": "unencodable",
            "cause": error.code,
            "event_type": kind,
            "length": len(content),
            "hmac": self._sealer.content_hash(content),
        }
        return Fact("device.fault", self._subject, data, restricted=False)

    async def try_again(self) -> None:
        """While the store takes nothing: try a small write, so that its recovery is seen without an event."""
        if self.refusal is None or self._store.level is Level.SETTLE:
            return
        try:
            await self._store.run(lambda box: box.note(PROBE, str(self._clock.now().mono_ms)))
        except StoreRefused as exc:
            self.refusal = exc
            return
        self._note_taken()

    def _thinned(self, draft: Draft) -> bool:
        """While room runs out, a wearable's position counts once in ten minutes; the others are counted."""
        if draft.type != FIX or self._store.level is Level.NORMAL:
            return False
        last, now_ms = self._last_fix.get(draft.subject), draft.at.mono_ms
        if last is None or now_ms - last >= FIX_EVERY_MS:
            self._last_fix[draft.subject] = now_ms
            return False
        self._metrics.losses.labels(cause=LossCause.FIX_THINNED).inc()
        return True

    async def _append(
        self, drafts: Sequence[Draft], stamp: Stamp, notes: Sequence[tuple[str, str | None]] = ()
    ) -> list[Committed]:
        kinds = Counter([draft.type for draft in drafts])
        # Counted when it happens, not when the caller hears of it: that one may be gone by then.
        told = partial(self._told, kinds)
        return await self._store.append(drafts, stamp, patient=kinds.keys() == {FIX}, notes=notes, told=told)

    def _told(self, kinds: Mapping[str, int], error: BaseException | None) -> None:
        if isinstance(error, StoreRefused):
            self._note_refusal(error, sum(kinds.values()))
        elif error is None:
            self._note_taken()
            for kind, count in kinds.items():
                self._committed_of[kind](count)

    def _note_taken(self) -> None:
        if self.refusal is not None:
            log.info("store takes events again", extra={"code": self.refusal.code})
            self.refusal = None
            self._metrics.set_store_state("ok")

    def _note_refusal(self, refusal: StoreRefused, count: int) -> None:
        if refusal.code == "degraded":  # a low class, while the rest is taken: counted, told by the alarm
            self._metrics.events_refused.labels(reason=refusal.code).inc(count)
            self._metrics.losses.labels(cause=LossCause.DEGRADED).inc(count)
            return
        self.refused += count
        self._metrics.events_refused.labels(reason=refusal.code).inc(count)
        self._metrics.losses.labels(cause=refusal.code).inc(count)
        if self.refusal is None or self.refusal.code != refusal.code:
            log.error("store takes no events", extra={"code": refusal.code, "remedy": str(refusal)})
            self._metrics.set_store_state(refusal.code)
        self.refusal = refusal


def _draft(fact: Fact, event_id: str, device: str, stamp: Stamp) -> Draft:
    return Draft(
        id=event_id,
        type=fact.type,
        subject=fact.subject,
        device=device,
        at=stamp,
        data=fact.data,
        restricted=fact.restricted,
    )
