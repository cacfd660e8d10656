"""The terminals of a gateway: their records are decided by the roster and stored, before they are answered."""

from collections.abc import Callable, Sequence

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
        self,
        kiosks: Callable[[], Sequence[KioskConfig]],
        *,
        directory: Directory,
        ingest: Ingest,
        clock: Clock,
    ) -> None:
        """`kiosks`: as they are now, with what stands at each."""
        self._kiosks = kiosks
        self._directory = directory
        self._ingest = ingest
        self._clock = clock

    async def take(self, device: str, records: Sequence[Record]) -> int:
        """All of them are on disk when it returns; how many are new. Raises `EventsRefused`: none was stored."""
        now = self._clock.now()
        place = next((_place(one) for one in self._kiosks() if device in one.devices), NOWHERE)
        found = [decide(one, device, place, self._directory, now) for one in records]
        try:
            return await self._ingest.store_records(found, device)
        except StoreRefused as exc:
            raise EventsRefused(exc.code, str(exc)) from exc


def _place(kiosk: KioskConfig) -> Place:
    return Place(kiosk.id, None if kiosk.purpose == ANY_PURPOSE else Purpose(kiosk.purpose))
