"""Alarms: raised once, cleared by naming the raise. What is raised survives a restart.

A repeat of an alarm that stands is counted in it, not sent again: a flapping cause must not fill a
store whose rows cannot be purged. Severity is fixed per kind.
"""

import logging
from collections.abc import Mapping

from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.ingest import Ingest
from gateway.store.store import Store

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
_PREFIX = "alarm:"


class Alarms:
    """The alarms of this gateway that stand."""

    def __init__(self, ingest: Ingest, store: Store) -> None:
        self._ingest = ingest
        self._store = store
        self._standing: dict[str, str] = {}  # kind/subject -> id of the raise

    async def load(self) -> None:
        """Take up what stood before the restart."""
        self._standing = await self._store.read(lambda box: box.notes(_PREFIX))

    @property
    def standing(self) -> Mapping[str, str]:
        """`kind/subject` -> event id of the raise."""
        return self._standing

    async def raise_(self, kind: str, subject: str, data: dict[str, Json]) -> None:
        """Raise `kind` about `subject` (a device id, an epoch, "gateway"), unless it stands already."""
        key = f"{kind}/{subject}"
        if key in self._standing:
            return
        body: dict[str, Json] = {"kind": kind, "about": subject, "severity": SEVERITY[kind], **data}
        committed = await self._ingest.record("alarm.raised", body)
        if committed is None:
            return  # counted as refused; whoever saw the cause will come again
        self._standing[key] = committed.id
        await self._note(key, committed.id)
        log.warning("alarm raised", extra={"kind": kind, "about": subject})

    async def clear(self, kind: str, subject: str) -> None:
        """What `raise_` named is over; nothing when it does not stand."""
        key = f"{kind}/{subject}"
        raised = self._standing.get(key)
        if raised is None:
            return
        data: dict[str, Json] = {"kind": kind, "about": subject, "raised": raised}
        if await self._ingest.record("alarm.cleared", data) is None:
            return
        del self._standing[key]
        await self._note(key, None)
        log.info("alarm cleared", extra={"kind": kind, "about": subject})

    async def _note(self, key: str, raised: str | None) -> None:
        try:
            await self._store.run(lambda box: box.note(_PREFIX + key, raised))
        except StoreRefused as exc:
            # The event is out; only a restart before the next change would not know of it.
            log.warning("alarm not remembered on disk", extra={"code": exc.code})
