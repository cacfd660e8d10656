"""Alarms: raised once, cleared by naming the raise. What is raised survives a restart.

A repeat of an alarm that stands is counted in it, not sent again. One that was raised and cleared changes
once in 10 s from then on, and what is wanted meanwhile waits: a flapping cause must not fill a store whose
rows cannot be purged. Severity is fixed per kind.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

from gateway.envelope import GATEWAY_DEVICE
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.store.store import Store
from gateway.store.tail import Committed

log = logging.getLogger(__name__)

SEVERITY: Mapping[str, str] = {
    "strap_open": "critical",
    "case_tamper": "critical",
    "sos": "critical",
    "battery_low": "minor",
    "power_off": "major",
    "fence": "major",
    "signal_lost": "major",
    "device_fault": "major",
    "clock": "minor",
    "store_damaged": "critical",
    "store_full": "critical",
    "store_rollback": "critical",
    "chain_mismatch": "critical",
    "rejected": "major",
    "duplicate_identity": "critical",
    "certificate": "major",
    "not_delivered": "major",
}
UNDAMPED = frozenset({"strap_open", "case_tamper", "sos"})  # each is told at once; only its end may wait
_PREFIX = "alarm:"
_PERSON = "person/"
PACE_S = 10.0


class Alarms:
    """The alarms of this gateway that stand."""

    def __init__(self, ingest: Ingest, store: Store) -> None:
        self._ingest = ingest
        self._store = store
        self._standing: dict[str, str] = {}  # kind/subject -> id of the raise
        self._paid_s: dict[str, float] = {}  # until when the changes of an alarm use its pace up
        self._wanted: dict[
            str, dict[str, Json] | None
        ] = {}  # what waits for it: data of a raise; None: a clear
        self._waiting: dict[str, asyncio.Task[None]] = {}

    async def load(self) -> None:
        """Take up what stood before the restart."""
        self._standing = await self._store.read(lambda box: box.notes(_PREFIX))

    @property
    def standing(self) -> Mapping[str, str]:
        """`kind/subject` -> event id of the raise."""
        return self._standing

    async def raise_(self, kind: str, subject: str, data: dict[str, Json]) -> None:
        """Raise `kind` about `subject` (a device id, an epoch, "gateway"), unless it stands already.

        `person/{ref}/{tracker}`: about somebody's wearable; the event is about the person.
        """
        key = f"{kind}/{subject}"
        self._wanted.pop(key, None)
        if key in self._standing:
            return
        if kind not in UNDAMPED and self._wait_s(key) > 0:
            self._do_later(key, data)
            return
        body: dict[str, Json] = {"kind": kind, "about": subject, "severity": SEVERITY[kind], **data}
        committed = await self._record("alarm.raised", subject, body)
        if committed is None:
            return  # counted as refused; whoever saw the cause will come again
        self._standing[key] = committed.id
        self._changed(key)
        await self._note(key, committed.id)
        log.warning("alarm raised", extra={"kind": kind, "about": _loggable(subject)})

    async def forget(self, kind: str, *, but: Collection[str]) -> None:
        """Clear those about what is not here any more: taken away while its alarm could not be cleared."""
        for key in list(self.standing):
            of, _, about = key.partition("/")
            if of == kind and about not in but:
                await self.clear(kind, about)

    async def clear(self, kind: str, subject: str) -> None:
        """What `raise_` named is over; nothing when it does not stand."""
        key = f"{kind}/{subject}"
        self._wanted.pop(key, None)
        raised = self._standing.get(key)
        if raised is None:
            return
        if self._wait_s(key) > 0:
            self._do_later(key, None)
            return
        data: dict[str, Json] = {"kind": kind, "about": subject, "raised": raised}
        if await self._record("alarm.cleared", subject, data) is None:
            return
        del self._standing[key]
        self._changed(key)
        await self._note(key, None)
        log.info("alarm cleared", extra={"kind": kind, "about": _loggable(subject)})

    async def _record(self, kind: str, subject: str, data: dict[str, Json]) -> Committed | None:
        """None (counted) when the store takes nothing now."""
        if not subject.startswith(_PERSON):
            return await self._ingest.record(kind, data)
        ref = subject.removeprefix(_PERSON).partition("/")[0]
        fact = Fact(kind, f"{_PERSON}{ref}", {**data, "about": f"{_PERSON}{ref}"}, restricted=True)
        try:
            (committed,) = await self._ingest.store([fact], GATEWAY_DEVICE)
        except StoreRefused:
            return None
        return committed

    def _wait_s(self, key: str) -> float:
        return self._paid_s.get(key, 0.0) - PACE_S - time.monotonic()

    def _changed(self, key: str) -> None:
        now_s = time.monotonic()
        self._paid_s = {one: until_s for one, until_s in self._paid_s.items() if until_s > now_s}
        self._paid_s[key] = self._paid_s.get(key, now_s) + PACE_S

    def _do_later(self, key: str, wanted: dict[str, Json] | None) -> None:
        self._wanted[key] = wanted
        if key not in self._waiting:
            waiting = asyncio.get_running_loop().create_task(self._when_due(key), name="alarm-pace")
            self._waiting[key] = waiting

    async def _when_due(self, key: str) -> None:
        try:
            await asyncio.sleep(self._wait_s(key))
        finally:
            del self._waiting[key]
        if key not in self._wanted:
            return
        wanted = self._wanted.pop(key)
        kind, _, subject = key.partition("/")
        if wanted is None:
            await self.clear(kind, subject)
        else:
            await self.raise_(kind, subject, wanted)

    async def _note(self, key: str, raised: str | None) -> None:
        try:
            await self._store.run(lambda box: box.note(_PREFIX + key, raised))
        except StoreRefused as exc:
            # The event is out; only a restart before the next change would not know of it.
            log.warning("alarm not remembered on disk", extra={"code": exc.code})


def _loggable(subject: str) -> str:
    """A log names nobody, by no reference either."""
    return "a person's wearable" if subject.startswith(_PERSON) else subject
