"""The roster of the running gateway: opened at the start, replaced when an import left another one.

One transaction holds the new roster and the event that says so (`system.roster_applied`): there is never one
without the other. What an import left is removed only afterwards; found again after a power cut, it is known
by its digest. A roster that is not taken is said in the log and by `zhijiao roster status`, and the one in
force stays. One that has expired is taken: people still check in by it, pending review.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.checkin import incoming
from gateway.checkin.at_rest import Purpose, RosterKeys
from gateway.checkin.roster import Person, Roster
from gateway.checkin.signed_file import MAX_FILE
from gateway.checkin.strict import RosterError
from gateway.checkin.timeline import Moment
from gateway.clock import Clock, ClockQuality, Stamp, iso_ms
from gateway.errors import ContractError, StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.ingest import Ingest
from gateway.store import rosters
from gateway.store.inbox import Incoming
from gateway.store.outbox import Outbox
from gateway.store.rosters import REFUSED, UNREADABLE, Refusal, StoredRoster
from gateway.store.store import Store
from gateway.store.taking import Taker

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
LOOK_EVERY_S = 2.0  # one listing of a small folder
FILE = "file"  # what an import left; the center over MQTT is the other source


@dataclass(frozen=True, slots=True)
class InForce:
    """The roster by which people check in now."""

    roster: Roster
    applied_ms: int  # by the clock as it stood then
    applied: Moment
    # Whom the rosters before had with the same number and duties, and since when; of this run only.
    known_since: Mapping[str, Moment]


class Companion(Protocol):
    """What else is kept of a roster."""

    async def opened(self, roster: Roster) -> None:
        """This one is in force at the start, before another is taken."""
        ...

    async def prepare(self, roster: Roster) -> None:
        """This one will come into force: what takes long is done before the transaction."""
        ...

    def put(self, roster: Roster, box: Outbox) -> None:
        """This one comes into force: in the transaction that says so, on the db thread."""
        ...

    async def taken(self, roster: Roster) -> None:
        """It has."""
        ...


class _Known(Exception):  # noqa: N818 - the very roster that is in force: nothing to do
    pass


class RosterKeeper:
    """Holds the roster in force."""

    def __init__(
        self,
        *,
        folder: Path,
        keys: RosterKeys,
        store: Store,
        ingest: Ingest,
        clock: Clock,
        companion: Companion | None = None,
    ) -> None:
        self._companion = companion
        self.in_force: InForce | None = None
        self._keys = keys
        self._store = store
        self._ingest = ingest
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()  # a file and the center may both bring one
        self._taker = Taker(incoming.inbox(folder), MAX_FILE, self._take, "roster")

    async def load(self) -> None:
        """Open what is in force, then take what waits. A roster that does not open stops nothing."""
        stored = await self._store.read(lambda _box: rosters.current())
        if stored is not None:
            try:
                roster = await _aside(partial(self._open, stored))
            except ContractError as exc:
                log.error("roster not usable", extra={"code": exc.code})  # noqa: TRY400
                await self._note(UNREADABLE, exc.code)
            else:
                self.in_force = _in_force(roster, stored, {})
                await self._note(UNREADABLE, None)
                log.info("roster in force", extra=_facts(roster))
                if self._companion is not None:
                    await self._companion.opened(roster)
        await self._taker.take_all()

    async def run(self) -> None:
        """Take what imports leave, for as long as the gateway runs."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._taker.take_all()

    async def look(self) -> bool:
        """Take or refuse the oldest import, if there is one. Raises `StoreRefused` and `OSError`: it stays."""
        return await self._taker.look()

    @property
    def version(self) -> int:
        """Of the roster in force; 0 for none."""
        return 0 if self.in_force is None else self.in_force.roster.head.version

    async def take(self, file: bytes, source: str) -> Roster:
        """Apply a signed file that came from `source`; the very one that is in force changes nothing.

        Raises `ContractError` and `StoreRefused`; the one in force stays then.
        """
        roster = await _aside(partial(self._keys.verified, file))
        sealed = await _aside(partial(self._keys.seal.close, file, Purpose.APPLIED))
        try:
            await self._apply(roster, sealed, source)
        except _Known:
            log.info("roster is in force already", extra={"version": roster.head.version})
        return roster

    async def _take(self, found: Incoming) -> None:
        version: int | None = None
        try:
            file, roster = await _aside(partial(self._keys.handed_over, found.sealed))
            version = roster.head.version
            sealed = await _aside(partial(self._keys.seal.close, file, Purpose.APPLIED))
            await self._apply(roster, sealed, FILE)
        except _Known:
            log.info("roster is in force already", extra={"version": version})
        except ContractError as exc:
            # Its text may go to the log: it names places, never values.
            log.error("roster refused", extra={"code": exc.code, "cause": str(exc)})  # noqa: TRY400
            refusal = Refusal(exc.code, version, self._clock.now().wall_ms)
            await self._store.run(lambda box: box.note(REFUSED, refusal.as_text()))

    async def _apply(self, roster: Roster, sealed: bytes, source: str) -> None:
        async with self._one_at_a_time:
            await self._apply_now(roster, sealed, source)

    async def _apply_now(self, roster: Roster, sealed: bytes, source: str) -> None:
        now, head = self._clock.now(), roster.head
        stored = StoredRoster(
            version=head.version,
            digest=roster.digest,
            persons=len(roster.persons),
            left_out=roster.left_out,
            issued_ms=head.issued_ms,
            expires_ms=head.expires_ms,
            applied_ms=now.wall_ms,
            applied_boot=now.boot_id,
            applied_mono_ms=now.mono_ms,
            sealed=sealed,
        )
        if self._companion is not None:
            await self._companion.prepare(roster)
        await self._ingest.record_with(
            "system.roster_applied", _said(roster, now, source), partial(self._replace, stored, roster)
        )
        self.in_force = _in_force(roster, stored, _known_since(self.in_force, roster))
        log.info("roster applied", extra=_facts(roster))
        if self._companion is not None:
            await self._companion.taken(roster)

    def _replace(self, stored: StoredRoster, roster: Roster, box: Outbox) -> None:
        """In the transaction of the event; raises `RosterError` (roster_version)."""
        before = rosters.current()
        usable = self.in_force is not None
        if before is not None and usable and before.digest == stored.digest:
            raise _Known
        # One that does not open here may be given again.
        if before is not None and stored.version < before.version + usable:
            raise RosterError(
                "roster_version",
                f"version {stored.version} is not above version {before.version}, which is in force; "
                "have the center issue it with a higher one",
            )
        rosters.put(stored)
        if self._companion is not None:
            self._companion.put(roster, box)
        box.note(REFUSED, None)
        box.note(UNREADABLE, None)

    def _open(self, stored: StoredRoster) -> Roster:
        roster = self._keys.kept(stored.sealed)
        if (roster.head.version, roster.digest) != (stored.version, stored.digest):
            raise RosterError(
                "roster_sealed", "the stored roster is not the one it is filed as; import it again"
            )
        return roster

    async def _note(self, key: str, value: str | None) -> None:
        try:
            await self._store.run(lambda box: None if box.noted(key) == value else box.note(key, value))
        except StoreRefused as exc:
            log.warning("state of the roster not noted on disk", extra={"code": exc.code})


def _in_force(roster: Roster, stored: StoredRoster, known_since: Mapping[str, Moment]) -> InForce:
    applied = Moment(stored.applied_boot, stored.applied_mono_ms)
    return InForce(roster, stored.applied_ms, applied, known_since)


def _known_since(before: InForce | None, roster: Roster) -> dict[str, Moment]:
    """A new version every morning must not make everybody unknown for the window it came in."""
    if before is None or before.roster.head.workdays != roster.head.workdays:
        return {}
    found = {}
    for now in roster.persons:
        was = before.roster.of_ref(now.ref)
        if was is not None and _duty(was) == _duty(now):
            found[now.ref] = before.known_since.get(now.ref, before.applied)
    return found


def _duty(person: Person) -> tuple[object, ...]:
    """What decides who somebody is and when he is due."""
    return (
        person.number_hmac,
        person.schedule,
        person.leave,
        person.since,
        person.until,
        person.responsible,
    )


def _said(roster: Roster, now: Stamp, source: str) -> dict[str, Json]:
    head = roster.head
    vouched_for = now.quality is ClockQuality.SYNCED or (
        now.quality is ClockQuality.HOLDOVER and now.error_ms is not None
    )
    return {
        "version": head.version,
        "count": len(roster.persons),
        "sha256": roster.digest.hex(),
        "issued": iso_ms(head.issued_ms),
        "expires": iso_ms(head.expires_ms),
        "expired": head.expired(now.wall_ms) if vouched_for else None,
        "left_out": roster.left_out,
        "source": source,
    }


def _facts(roster: Roster) -> dict[str, object]:
    return {"version": roster.head.version, "persons": len(roster.persons), "left_out": roster.left_out}


async def _aside(work: Callable[[], ResultT]) -> ResultT:
    """Files, and seconds of a small processor for a large roster: beside the loop."""
    return await asyncio.get_running_loop().run_in_executor(None, work)
