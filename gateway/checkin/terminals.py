"""The terminals of a gateway: their records are decided by the roster and stored, before they are answered."""

from collections.abc import Mapping, Sequence

from drivers.driver import EventsRefused
from drivers.terminals import Record
from gateway.checkin.facts import Directory
from gateway.checkin.punch import Place, decide
from gateway.checkin.purposes import Purpose
from gateway.clock import Clock
from gateway.config import ANY_PURPOSE, KioskConfig
from gateway.errors import StoreRefused
from gateway.ingest.ingest import Ingest

NOWHERE = Place()


class TerminalDesk:
    """Takes the records of all terminals."""

    def __init__(
        self, kiosks: Sequence[KioskConfig], *, directory: Directory, ingest: Ingest, clock: Clock
    ) -> None:
        self._places: Mapping[str, Place] = {
            device: Place(one.id, None if one.purpose == ANY_PURPOSE else Purpose(one.purpose))
            for one in kiosks
            for device in one.devices
        }
        self._directory = directory
        self._ingest = ingest
        self._clock = clock

    async def take(self, device: str, records: Sequence[Record]) -> int:
        """All of them are on disk when it returns; how many are new. Raises `EventsRefused`: none was stored."""
        now = self._clock.now()
        place = self._places.get(device, NOWHERE)
        found = [decide(one, device, place, self._directory, now) for one in records]
        try:
            return await self._ingest.store_records(found, device)
        except StoreRefused as exc:
            raise EventsRefused(exc.code, str(exc)) from exc
