"""Parts of a gateway whose routes are described and never called."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC

from drivers.events import DeviceEvent
from gateway.access.closed import ClosedAccess
from gateway.api.parts import Parts
from gateway.checkin.facts import RosterState, Standing, Visitor
from gateway.checkin.kiosks import Kiosks
from gateway.clock import ManualClock
from gateway.devices.places import Places
from gateway.ingest.facts import Fact
from gateway.view import Snapshot


class _Nothing:
    """A gateway whose routes are described and never called."""

    def snapshot(self) -> Snapshot:
        raise NotImplementedError

    def changes(self) -> AsyncIterator[Snapshot]:
        raise NotImplementedError


class _Nowhere:
    """A roster and a record that are never asked."""

    state: RosterState | None = None

    def by_card(self, number_hmac: str) -> Visitor | None:
        raise NotImplementedError

    def by_slot(self, module: str, slot: int) -> Visitor | None:
        raise NotImplementedError

    def standing(self, ref: str) -> Standing | None:
        raise NotImplementedError

    async def store(
        self, facts: Sequence[Fact], device: str, *, notes: Mapping[str, str | None] | None = None
    ) -> object:
        raise NotImplementedError

    async def notes(self, prefix: str) -> Mapping[str, str]:
        raise NotImplementedError

    def keyed_hash(self, content: bytes) -> str:
        raise NotImplementedError

    def said(self, device: str, event: DeviceEvent) -> Fact:
        raise NotImplementedError


def nothing() -> Parts:
    """What the routes are given where they are only described."""
    nowhere, now = _Nowhere(), ManualClock().now
    kiosks = Kiosks(
        Places((), {}),
        directory=lambda _kiosk: nowhere,
        recorder=nowhere,
        new_id=str,
        changed=lambda: None,
        stamp=now,
        zone=UTC,
    )
    return Parts(viewed=_Nothing(), metrics=bytes, access=ClosedAccess(), kiosks=kiosks)
